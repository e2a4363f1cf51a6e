"""Where a run begins: the state of oscillators and reservoirs at the start time."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from langevin_qtm.errors import AccuracyWarning, InputError
from langevin_qtm.physics._model import Finite, Model, NonNegative
from langevin_qtm.physics.conventions import FloatArray, omega_coth
from langevin_qtm.physics.machine import Machine

UNCERTAINTY_ROUNDING = 1e-9


class OscillatorState(Model):
    """Displaced squeezed thermal state of one oscillator.

    Parameters
    ----------
    temperature : float, optional
        0 is the ground state. Absent: that of the start.
    squeezing : float
        r: in units of the ground state, widths are e^{-r} along the squeezed quadrature and e^r across.
    angle : float
        Direction of the squeezed quadrature x cos(angle) + (v/w) sin(angle).
    position, velocity : float
        Displacement.
    """

    temperature: NonNegative | None = None
    squeezing: Finite = 0.0
    angle: Finite = 0.0
    position: Finite = 0.0
    velocity: Finite = 0.0


class _Displaced(Model):
    """Common parts of starts that name oscillators."""

    oscillators: Mapping[str, OscillatorState] = {}

    def _named(self, machine: Machine) -> list[OscillatorState]:
        for name in self.oscillators:
            if name not in machine.frequencies:
                raise InputError(
                    f"`solver.start.oscillators` names oscillator {name!r}, which is not one of "
                    f"{list(machine.oscillators)}; correct the name."
                )
        return [self.oscillators.get(name, OscillatorState()) for name in machine.oscillators]

    def mean(self, machine: Machine) -> FloatArray:
        """Displacement, positions then velocities, dim (2 oscillator,)."""
        states = self._named(machine)
        return np.array([*(s.position for s in states), *(s.velocity for s in states)])


class Factorised(_Displaced):
    """Oscillators in a Gaussian state of their own, every reservoir in its own equilibrium, all couplings
    switched on at the start.

    Parameters
    ----------
    temperature : float, optional
        Of all oscillators; by default that of the last reservoir.
    oscillators : mapping of oscillator name to OscillatorState
        What is particular about each.
    covariance : (2 oscillator, 2 oscillator) nested list, optional
        Any Gaussian state instead: symmetrised covariance of positions, then velocities.
    """

    kind: Literal["factorised"] = "factorised"
    temperature: NonNegative | None = None
    covariance: tuple[tuple[Finite, ...], ...] | None = None

    @model_validator(mode="after")
    def _is_one_description(self) -> Factorised:
        if self.covariance is not None:
            shaped = any(s.temperature is not None or s.squeezing for s in self.oscillators.values())
            if self.temperature is not None or shaped:
                raise InputError(
                    "`covariance` already fixes the widths: remove `temperature` and `squeezing`, or it."
                )
            if any(len(row) != len(self.covariance) for row in self.covariance):
                raise InputError("`covariance` is not square: give one row and column for each variable.")
        return self

    def gaussian(self, machine: Machine, frequencies: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean (2 oscillator,) and covariance (2 oscillator, 2 oscillator), positions then velocities.

        Parameters
        ----------
        machine : Machine
        frequencies : (oscillator,) array
            w_l of the thermal states.

        Raises
        ------
        InputError
            For an unknown oscillator, and for a covariance of the wrong size or beyond the uncertainty
            relation.
        """
        mean = self.mean(machine)
        if self.covariance is None:
            return mean, self._squeezed(machine, frequencies)
        covariance = np.array(self.covariance)
        if covariance.shape != (len(mean), len(mean)):
            raise InputError(
                f"`solver.start.covariance` has {len(covariance)} rows, but must have {len(mean)}: "
                f"positions, then velocities of {list(machine.oscillators)}."
            )
        require_quantum_state(covariance)
        return mean, covariance

    def _squeezed(self, machine: Machine, frequencies: FloatArray) -> FloatArray:
        """Covariance from temperatures and squeezing."""
        bodies = len(frequencies)
        covariance = np.zeros((2 * bodies, 2 * bodies))
        default = machine.temperatures[-1] if self.temperature is None else self.temperature
        for l, (state, w) in enumerate(zip(self._named(machine), frequencies, strict=True)):
            temperature = default if state.temperature is None else state.temperature
            width = float(omega_coth(w, temperature)) / (2 * w)
            turn = np.array(
                [[np.cos(state.angle), -np.sin(state.angle)], [np.sin(state.angle), np.cos(state.angle)]]
            )
            shape = turn @ np.diag(np.exp([-2 * state.squeezing, 2 * state.squeezing])) @ turn.T
            units = np.diag([w**-0.5, w**0.5])
            covariance[np.ix_([l, bodies + l], [l, bodies + l])] = width * units @ shape @ units
        return covariance


class Equilibrated(_Displaced):
    """Oscillators in equilibrium with the reservoirs that are coupled statically before the start; all others
    in their own equilibrium, switched on at the start.

    Parameters
    ----------
    oscillators : mapping of oscillator name to OscillatorState
        Sudden displacements alone, `position` and `velocity`; the reservoirs stay where they are.
    """

    kind: Literal["equilibrated"] = "equilibrated"

    @model_validator(mode="after")
    def _is_only_displaced(self) -> Equilibrated:
        for name, state in self.oscillators.items():
            if state.temperature is not None or state.squeezing:
                raise InputError(
                    f"`oscillators.{name}` has `temperature` or `squeezing`, but the state is that of "
                    "equilibrium; remove them, or use `kind` = 'factorised'."
                )
        return self


class Continued(Model):
    """Where an earlier run over time ended, of the same method and with the same oscillators and reservoirs;
    couplings, modulation and forces may differ.

    Parameters
    ----------
    file : str, optional
        Its dataset, as named in a run file.
    dataset : xarray.Dataset, optional
        Its dataset; what solvers read.
    """

    kind: Literal["continued"] = "continued"
    file: str | None = None
    dataset: Any = Field(default=None, exclude=True, repr=False)

    @property
    def end(self) -> float:
        """Last time of the earlier run."""
        return float(self.dataset["time"].values[-1])

    def couplings(self, machine: Machine, method: str) -> list[FloatArray]:
        """Couplings of each contact at the end of the earlier run, dim (oscillator,).

        Raises
        ------
        InputError
            When the dataset is missing, of another method, or of other oscillators or reservoirs.
        """
        if self.dataset is None:
            raise InputError("`start` = 'continued' has no dataset; pass that of the earlier run.")
        if self.dataset.attrs.get("method") != method or "pole_rate" not in self.dataset:
            raise InputError(
                f"`start` = 'continued' needs a dataset over time by '{method}', but this is one by "
                f"'{self.dataset.attrs.get('method')}'; give another."
            )
        earlier = Machine(**json.loads(self.dataset.attrs["machine"]))
        if _fixed_parts(earlier) != _fixed_parts(machine):
            raise InputError(
                "`start` = 'continued' needs the oscillators, reservoirs and wiring of the earlier run; "
                "only couplings, modulation and forces may differ."
            )
        return [contact.couplings(np.array([self.end]))[0] for contact in earlier.contacts]


def _fixed_parts(machine: Machine) -> tuple[object, ...]:
    """What two machines must share so that one can go on where the other ended."""
    contacts = [(contact.reservoir, contact.temperature, contact.density) for contact in machine.contacts]
    return machine.oscillators, machine.wiring, contacts


class Steady(Model):
    """The periodic steady state that the machine had before its protocol began."""

    kind: Literal["steady"] = "steady"


def first_time(start: Factorised | Equilibrated | Steady | Continued, given: float | None) -> float:
    """Start time: as given, or where the earlier run ended, or 0."""
    if given is None and isinstance(start, Continued) and start.dataset is not None:
        return start.end
    return 0.0 if given is None else given


def _from_name(value: Any) -> Any:
    if hasattr(value, "data_vars"):
        return Continued(dataset=value)
    return {"kind": value} if isinstance(value, str) else value


Start = Annotated[
    Annotated[Factorised | Equilibrated | Steady | Continued, Field(discriminator="kind")],
    BeforeValidator(_from_name),
]


def sudden_memoryless(
    machine: Machine, start: Factorised | Equilibrated | Steady | Continued, start_time: float
) -> list[str]:
    """Names of reservoirs without memory whose couplings jump at the start or later.

    Their noise, S ~ |w| without bound, then sets in at once: momenta are kicked by the slip, and every second
    moment grows with the logarithm of the noise band, γ (Φ_xv g)² ln 2/π for each doubling in <x²>.
    """
    static = machine.static_couplings()
    found = []
    for contact, before in zip(machine.contacts, static, strict=True):
        if contact.density.memory().size:
            continue
        at_start = contact.couplings(np.array([start_time]))[0]
        old = {"factorised": 0.0 * before, "equilibrated": before}.get(start.kind, at_start)
        events = np.array([event for event in machine.events if event > start_time])
        jumps = contact.couplings(events) - contact.couplings(np.nextafter(events, -np.inf))
        if np.any(np.abs(at_start - old) > 1e-9) or np.any(np.abs(jumps) > 1e-9):
            found.append(machine.reservoirs[contact.reservoir].name)
    return sorted(set(found))


def warn_of_sudden_memoryless(
    machine: Machine, start: Factorised | Equilibrated | Steady | Continued, time: float
) -> bool:
    """Warn if there are any (see `sudden_memoryless`), and say so."""
    names = sudden_memoryless(machine, start, time)
    if names:
        warnings.warn(
            f"Strictly Ohmic reservoirs {names} are switched on suddenly, which makes every second moment "
            "grow with the logarithm of the noise band; give them a cut-off, or start 'equilibrated'.",
            AccuracyWarning,
            stacklevel=4,
        )
    return bool(names)


def require_quantum_state(covariance: FloatArray) -> None:
    """Raise `InputError` unless a covariance is symmetric and obeys the uncertainty relation.

    Parameters
    ----------
    covariance : (2 oscillator, 2 oscillator) array
        Positions, then velocities. With Ω = [[0, 1], [-1, 0]], covariance + iΩ/2 must have no negative
        eigenvalue.
    """
    bodies = len(covariance) // 2
    size = np.abs(covariance).max()
    if not np.allclose(covariance, covariance.T, rtol=0, atol=1e-12 * size):
        raise InputError("`solver.start.covariance` is not symmetric; mirror it.")
    form = np.kron(np.array([[0.0, 1.0], [-1.0, 0.0]]), np.eye(bodies))
    lowest = float(np.linalg.eigvalsh(covariance + 0.5j * form).min())
    if lowest < -UNCERTAINTY_ROUNDING * size:
        raise InputError(
            f"`solver.start.covariance` violates the uncertainty relation: covariance + iΩ/2 has the "
            f"eigenvalue {lowest:.3g}, but none may be negative; widen it."
        )
