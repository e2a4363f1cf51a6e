"""Time dependence of one coupling.

A real Fourier series in the drive angle θ, Σ_n g_n e^{-inθ} with a mean g_0, times an envelope e(t) if there
is one; or any Python function of time. The `Clock` of a machine turns time into drive angle: θ = Ωt, or
∫_0^t Ω(t') dt' under a chirp.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, field_serializer, field_validator, model_validator
from scipy.differentiate import derivative

from langevin_qtm.errors import InputError, shown
from langevin_qtm.physics._model import Finite, Model, within_reach
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.envelope import Envelope, Profile

Order = Annotated[int, Field(strict=True, ge=0, le=64)]
COSINE_KEYS = {"amplitude", "phase", "mean"}


def _number(data: dict[str, Any], key: str, default: float) -> float:
    value = data.get(key, default)
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"`{key}` = {shown(value)} is not allowed: it must be a finite number.")
    if not within_reach(number):
        raise InputError(f"`{key}` = {number!r} is not allowed: it must be at most 1e60 in magnitude.")
    return number


def _not_a_coupling(data: Any) -> InputError:
    return InputError(
        f"{shown(data)} is not a coupling: it must be a number, a table with `amplitude`, `phase` and "
        "`mean`, or a table with `harmonics`; each table may also have an `envelope`."
    )


@dataclass(frozen=True)
class Clock:
    """Drive angle over time.

    Attributes
    ----------
    frequency : Profile
        Angular frequency Ω(t).
    """

    frequency: Profile

    @property
    def period(self) -> float:
        """2π/Ω before any chirp."""
        return 2 * np.pi / self.frequency.before

    def angle(self, t: FloatArray) -> FloatArray:
        """θ(t) = ∫_0^t Ω(t') dt'."""
        return self.frequency.integral(t)

    def rate(self, t: FloatArray) -> FloatArray:
        """dθ/dt = Ω(t)."""
        return self.frequency.value(t)


@dataclass(frozen=True)
class TimeFunction:
    """Any function of time, with what an integrator has to know about it.

    Attributes
    ----------
    value, slope : callable
        From times (time,) to values (time,).
    events : tuple of float
        Times at which it is not smooth.
    settles : float
        Time after which it is constant; inf when unknown.
    """

    value: Callable[[FloatArray], ArrayLike]
    slope: Callable[[FloatArray], ArrayLike]
    events: tuple[float, ...] = ()
    settles: float = math.inf


class Drive(Model):
    """Coupling g(t): Fourier coefficients of order n >= 0 and an envelope, or a Python function.

    Parameters
    ----------
    harmonics : sequence of (n, re, im)
        g_n = re + i im for n >= 0; g_{-n} is the conjugate. Missing orders are zero.
    envelope : Ramp, Smooth, Step, Pulse or Burst, optional
        Multiplies the series.
    function : TimeFunction, optional
        Instead of the two: see `Drive.of_time`.

    In run files also a plain number (static coupling) or a table with `amplitude`, `phase` and `mean`:
    mean + amplitude cos(Ωt + phase). In Python: `Drive.constant`, `Drive.cosine`, `Drive.of_time`.
    """

    harmonics: tuple[tuple[Order, Finite, Finite], ...] = ()
    envelope: Envelope | None = None
    function: TimeFunction | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_shorthand(cls, data: Any) -> Any:
        if isinstance(data, Real) and not isinstance(data, bool):
            data = {"mean": data}
        elif not isinstance(data, dict | Drive):
            raise _not_a_coupling(data)
        if not isinstance(data, dict) or data.get("function") is not None:
            return data
        series = {key: value for key, value in data.items() if key not in ("envelope", "function")}
        envelope = {"envelope": data["envelope"]} if data.get("envelope") is not None else {}
        if series and set(series) <= COSINE_KEYS:
            data = series
            amplitude = _number(data, "amplitude", 0.0)
            half = cmath.rect(amplitude / 2, -_number(data, "phase", 0.0))
            # a quarter period is meant exactly: no 3e-17 instead of 0
            parts = (0.0 if abs(part) < 1e-15 * abs(amplitude) else part for part in (half.real, half.imag))
            orders = [(0, _number(data, "mean", 0.0), 0.0), (1, *parts)]
            return {"harmonics": tuple(o for o in orders if o[1:] != (0.0, 0.0)), **envelope}
        if set(series) != {"harmonics"}:
            raise _not_a_coupling(data)
        return data

    @field_validator("function", mode="before")
    @classmethod
    def _is_function(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise InputError(
                f"`function` {value} was a Python function, which no file can hold; pass the machine itself."
            )
        return value

    @field_serializer("function")
    def _name_of_function(self, function: TimeFunction | None) -> str | None:
        return None if function is None else getattr(function.value, "__qualname__", repr(function.value))

    @model_validator(mode="after")
    def _is_real_series(self) -> Drive:
        orders = [order for order, _, _ in self.harmonics]
        if len(set(orders)) != len(orders):
            raise InputError(f"`harmonics` has orders {orders}: each order must appear once.")
        if any(order == 0 and im != 0 for order, _, im in self.harmonics):
            raise InputError("`harmonics` of order 0 must be real: set its imaginary part to 0.")
        return self

    @classmethod
    def constant(cls, value: float, envelope: Envelope | None = None) -> Drive:
        """g(t) = value, times the envelope."""
        return cls._from_table(mean=value, envelope=envelope)

    @classmethod
    def cosine(
        cls, amplitude: float = 1.0, phase: float = 0.0, mean: float = 0.0, envelope: Envelope | None = None
    ) -> Drive:
        """g(t) = mean + amplitude cos(θ(t) + phase), times the envelope."""
        return cls._from_table(amplitude=amplitude, phase=phase, mean=mean, envelope=envelope)

    @classmethod
    def of_time(
        cls,
        value: Callable[[FloatArray], ArrayLike],
        slope: Callable[[FloatArray], ArrayLike] | None = None,
        events: tuple[float, ...] = (),
        settles: float = math.inf,
    ) -> Drive:
        """g(t) as any vectorized function of time.

        Parameters
        ----------
        value, slope : callable
            g and dg/dt from times (time,) to (time,); without `slope`, differences of high order replace it.
        events : tuple of float
            Times at which g or a derivative jumps.
        settles : float, optional
            Time after which g is constant.
        """
        if slope is None:

            def slope(t: FloatArray) -> FloatArray:
                return np.asarray(derivative(value, t, initial_step=0.01).df)

        return cls._from_table(function=TimeFunction(value, slope, tuple(events), settles))

    @classmethod
    def _from_table(cls, **table: Any) -> Drive:
        given = {key: value for key, value in table.items() if value is not None}
        return cls(**given)  # not `model_validate`, whose refusals are no `InputError`

    @property
    def order(self) -> int:
        """Largest n with g_n != 0."""
        return max((n for n, re, im in self.harmonics if (re, im) != (0.0, 0.0)), default=0)

    @property
    def is_static(self) -> bool:
        """Whether g(t) is a constant."""
        return self.order == 0 and self.is_periodic

    @property
    def is_periodic(self) -> bool:
        """Whether g depends on the drive angle alone."""
        return self.envelope is None and self.function is None

    @property
    def is_zero(self) -> bool:
        """Whether g vanishes at all times."""
        return self.function is None and all((re, im) == (0.0, 0.0) for _, re, im in self.harmonics)

    def profile(self, clock: Clock) -> Profile:
        """The envelope over time; 1 without one."""
        return Profile(1.0) if self.envelope is None else self.envelope.profile(clock.period)

    def at(self, t: FloatArray, clock: Clock) -> FloatArray:
        """g at times t; at a jump, the later value."""
        if self.function is not None:
            return np.broadcast_to(np.asarray(self.function.value(t), dtype=float), np.shape(t))
        return self.value(clock.angle(t)) * self.profile(clock).value(t)

    def rate(self, t: FloatArray, clock: Clock) -> FloatArray:
        """dg/dt at times t, jumps left out."""
        if self.function is not None:
            return np.broadcast_to(np.asarray(self.function.slope(t), dtype=float), np.shape(t))
        theta, envelope = clock.angle(t), self.profile(clock)
        turning = clock.rate(t) * self.slope(theta) * envelope.value(t)
        return turning + self.value(theta) * envelope.slope(t)

    def events(self, clock: Clock) -> tuple[float, ...]:
        """Times at which g is not smooth."""
        return self.function.events if self.function is not None else self.profile(clock).events

    def settles(self, clock: Clock) -> float:
        """Time after which g depends on the drive angle alone; inf when unknown."""
        return self.function.settles if self.function is not None else self.profile(clock).settles

    def before(self, clock: Clock) -> Drive:
        """The periodic coupling before the envelope began to change; zero for a function of time."""
        return Drive(harmonics=()) if self.function is not None else self._scaled(self.profile(clock).before)

    def after(self, clock: Clock) -> Drive:
        """The periodic coupling when envelope and chirp are over, its phase counted from θ = Ω(∞) t."""
        if self.function is not None:
            return Drive.constant(float(self.at(np.array([self.function.settles]), clock)[0]))
        late = max(self.settles(clock), clock.frequency.settles, 0.0)
        shift = float(clock.angle(np.array([late]))[0]) - clock.frequency.after * late
        return self._scaled(self.profile(clock).after, shift)

    def _scaled(self, factor: float, shift: float = 0.0) -> Drive:
        """The series times a factor, its angle shifted."""
        turned = [(n, factor * complex(re, im) * cmath.exp(-1j * n * shift)) for n, re, im in self.harmonics]
        return Drive(harmonics=tuple((n, g.real, g.imag if n else 0.0) for n, g in turned))

    def coefficients(self, order: int) -> ComplexArray:
        """Array of g_n for n = -order … order, shape (2 order + 1,)."""
        g = np.zeros(2 * order + 1, dtype=complex)
        for n, re, im in self.harmonics:
            if n <= order:
                g[order + n] = complex(re, im)
                g[order - n] = complex(re, -im)
        return g

    def value(self, theta: ArrayLike) -> FloatArray:
        """g at drive angles theta = Ωt."""
        theta = np.asarray(theta, dtype=float)
        total = np.zeros_like(theta)
        for n, re, im in self.harmonics:
            total = total + (2.0 if n else 1.0) * (re * np.cos(n * theta) + im * np.sin(n * theta))
        return total

    def slope(self, theta: ArrayLike) -> FloatArray:
        """dg/d(theta) at drive angles theta; ġ = Ω dg/d(theta)."""
        theta = np.asarray(theta, dtype=float)
        total = np.zeros_like(theta)
        for n, re, im in self.harmonics:
            total = total + 2.0 * n * (im * np.cos(n * theta) - re * np.sin(n * theta))
        return total
