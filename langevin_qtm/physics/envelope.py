"""Envelopes: what multiplies a periodic coupling, or moves the drive frequency, for a while.

Every envelope is constant, makes one or more transitions, and is constant again. Its `Profile` carries value,
slope and integral, and names the times at which it is not smooth, where integrators must not step across.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from langevin_qtm.errors import InputError
from langevin_qtm.physics._model import Finite, Model, NonNegative, Positive
from langevin_qtm.physics.conventions import FloatArray

Curve = Literal["linear", "smooth"]
# Value, derivative and integral from 0 of the transition 0 -> 1 over 0 <= s <= 1; "smooth" has two
# continuous derivatives at its ends.
CURVES: dict[Curve, tuple[Callable[[FloatArray], FloatArray], ...]] = {
    "linear": (lambda s: s, np.ones_like, lambda s: s**2 / 2),
    "smooth": (
        lambda s: s**3 * (10 - 15 * s + 6 * s**2),
        lambda s: 30 * s**2 * (1 - s) ** 2,
        lambda s: s**4 * (2.5 - 3 * s + s**2),
    ),
}


@dataclass(frozen=True)
class Transition:
    """From the level before to `level`, between `start` and `start + duration`; a jump if that is zero."""

    start: float
    duration: float
    level: float
    curve: Curve = "smooth"


@dataclass(frozen=True)
class Profile:
    """Piecewise function of time: `before`, then transitions in order, none overlapping the next.

    Attributes
    ----------
    before : float
    transitions : tuple of Transition
    """

    before: float
    transitions: tuple[Transition, ...] = ()

    @property
    def after(self) -> float:
        """Value when all is over."""
        return self.transitions[-1].level if self.transitions else self.before

    @property
    def events(self) -> tuple[float, ...]:
        """Times at which the profile is not smooth, ascending."""
        times = {time for t in self.transitions for time in (t.start, t.start + t.duration)}
        return tuple(sorted(times))

    @property
    def settles(self) -> float:
        """Time after which the profile is constant; -inf when it always is."""
        return self.events[-1] if self.transitions else -np.inf

    def value(self, t: FloatArray) -> FloatArray:
        """Value at times t; at a jump, the later one."""
        return self._sum(t, 0) + self.before

    def slope(self, t: FloatArray) -> FloatArray:
        """Derivative at times t, jumps left out; at a kink, the later one."""
        return self._sum(t, 1)

    def integral(self, t: FloatArray) -> FloatArray:
        """∫_0^t of the value."""
        return self.before * t + self._sum(t, 2) - self._sum(np.zeros_like(t), 2)

    def _sum(self, t: FloatArray, kind: int) -> FloatArray:
        total, level = np.zeros_like(t), self.before
        for transition in self.transitions:
            height, level = transition.level - level, transition.level
            total = total + height * _unit_transition(transition, t, kind)
        return total


def _unit_transition(transition: Transition, t: FloatArray, kind: int) -> FloatArray:
    """Value (0), slope (1) or integral from the start (2) of a transition from 0 to 1."""
    elapsed = t - transition.start
    if transition.duration == 0.0:
        values: tuple[FloatArray, ...] = (
            np.heaviside(elapsed, 1.0),
            np.zeros_like(t),
            np.maximum(elapsed, 0.0),
        )
        return values[kind]
    curve = CURVES[transition.curve][kind]
    s = np.clip(elapsed / transition.duration, 0.0, 1.0)
    if kind == 0:
        return curve(s)
    if kind == 1:
        inside = (elapsed >= 0) & (elapsed < transition.duration)
        return np.where(inside, curve(s) / transition.duration, 0.0)
    return curve(s) * transition.duration + np.maximum(elapsed - transition.duration, 0.0)


class Ramp(Model):
    """Linear from `before` to `after` within `duration`."""

    kind: Literal["ramp"] = "ramp"
    start: Finite = 0.0
    duration: Positive
    before: Finite = 0.0
    after: Finite = 1.0

    def profile(self, period: float) -> Profile:  # noqa: ARG002
        """The envelope over time."""
        return Profile(self.before, (Transition(self.start, self.duration, self.after, "linear"),))


class Smooth(Model):
    """From `before` to `after` within `duration` along 6s⁵ - 15s⁴ + 10s³."""

    kind: Literal["smooth"] = "smooth"
    start: Finite = 0.0
    duration: Positive
    before: Finite = 0.0
    after: Finite = 1.0

    def profile(self, period: float) -> Profile:  # noqa: ARG002
        """The envelope over time."""
        return Profile(self.before, (Transition(self.start, self.duration, self.after),))


class Step(Model):
    """Jump from `before` to `after` (a quench)."""

    kind: Literal["step"] = "step"
    time: Finite = 0.0
    before: Finite = 0.0
    after: Finite = 1.0

    def profile(self, period: float) -> Profile:  # noqa: ARG002
        """The envelope over time."""
        return Profile(self.before, (Transition(self.time, 0.0, self.after),))


class Pulse(Model):
    """Smooth rise from 0 to `height` and fall back to 0, half of `duration` each."""

    kind: Literal["pulse"] = "pulse"
    start: Finite = 0.0
    duration: Positive
    height: Finite = 1.0

    def profile(self, period: float) -> Profile:  # noqa: ARG002
        """The envelope over time."""
        half = self.duration / 2
        rise, fall = Transition(self.start, half, self.height), Transition(self.start + half, half, 0.0)
        return Profile(0.0, (rise, fall))


class Burst(Model):
    """`cycles` periods of the drive, of which the first and the last `rise` are a smooth rise and fall."""

    kind: Literal["burst"] = "burst"
    start: Finite = 0.0
    cycles: Positive
    rise: NonNegative = 0.5

    @model_validator(mode="after")
    def _has_room(self) -> Burst:
        if 2 * self.rise > self.cycles:
            raise InputError(
                f"`rise` = {self.rise:g} is more than half of `cycles` = {self.cycles:g}: lower it."
            )
        return self

    def profile(self, period: float) -> Profile:
        """The envelope over time."""
        rise, end = self.rise * period, self.start + self.cycles * period
        return Profile(0.0, (Transition(self.start, rise, 1.0), Transition(end - rise, rise, 0.0)))


Envelope = Annotated[Ramp | Smooth | Step | Pulse | Burst, Field(discriminator="kind")]


class Chirp(Model):
    """Drive frequency that moves from `drive.frequency` to `frequency` within `duration`; 0 is a jump."""

    start: Finite = 0.0
    duration: NonNegative
    frequency: Positive
    curve: Curve = "linear"

    def profile(self, initial: float) -> Profile:
        """Angular frequency over time."""
        return Profile(initial, (Transition(self.start, self.duration, self.frequency, self.curve),))
