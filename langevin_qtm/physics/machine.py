"""The machine: oscillators, reservoirs, drive and wiring. The only object that a solver accepts.

Joint and independent wiring are one thing: a list of `Contact`s, each a copy of a reservoir with a
vector of couplings. Joint: one contact per reservoir, coupled to all oscillators. Independent: one
contact per reservoir and oscillator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from langevin_qtm.errors import InputError
from langevin_qtm.physics._model import Model, Positive
from langevin_qtm.physics.conventions import ComplexArray, FloatArray, omega_coth
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.reservoir import DrudeLorentz, Lorentzian, Ohmic, Reservoir

ZERO = Drive(harmonics=())


@dataclass(frozen=True)
class Contact:
    """One copy of a reservoir, and how it couples: y(t) = Σ_l g_l(t) x_l.

    Attributes
    ----------
    reservoir : int
        Index of the reservoir it copies.
    temperature : float
    density : Ohmic, DrudeLorentz or Lorentzian
    drives : tuple of Drive
        One for each oscillator.
    """

    reservoir: int
    temperature: float
    density: Ohmic | DrudeLorentz | Lorentzian
    drives: tuple[Drive, ...]

    @property
    def is_driven(self) -> bool:
        """Whether any coupling depends on time."""
        return not all(drive.is_static for drive in self.drives)

    @property
    def order(self) -> int:
        """Highest harmonic of the couplings."""
        return max(drive.order for drive in self.drives)

    def coefficients(self, order: int) -> ComplexArray:
        """g_{l,n}, dims (oscillator, harmonic = -order … order)."""
        return np.array([drive.coefficients(order) for drive in self.drives])

    def couplings(self, theta: FloatArray) -> FloatArray:
        """g_l at drive angles theta, dims (phase, oscillator)."""
        return np.stack([drive.value(theta) for drive in self.drives], axis=-1)

    def coupling_slopes(self, theta: FloatArray) -> FloatArray:
        """dg_l/d(theta), dims (phase, oscillator)."""
        return np.stack([drive.slope(theta) for drive in self.drives], axis=-1)

    def noise_power_spectrum(self, omega: FloatArray) -> FloatArray:
        """S(w) = J(w) coth(w/2T)."""
        return self.density.friction(omega) * omega_coth(omega, self.temperature)

    def spectral_density(self, omega: FloatArray) -> FloatArray:
        """J(w), odd."""
        return self.density.friction(omega) * omega


class Machine(Model):
    """Harmonic working medium with periodically driven and static reservoirs.

    Parameters
    ----------
    frequencies : mapping of oscillator name to frequency w_l > 0
    reservoirs : sequence of Reservoir
    drive_frequency : float, optional
        Ω > 0 of every driven coupling. Needed when one is driven; otherwise it only sets the averaging
        period, by default that of the slowest oscillator.
    wiring : {"joint", "independent"}
        Whether the oscillators share the reservoirs, or each has its own copies.

    Raises
    ------
    InputError
        With one sentence naming the key, its value and the remedy.

    Examples
    --------
    >>> machine = Machine(
    ...     frequencies={"A": 1.0},
    ...     reservoirs=[Reservoir(name="bath", temperature=0.5, spectral_density=Ohmic(gamma=0.1))],
    ... )
    >>> machine.oscillators, machine.period > 0
    (('A',), True)
    """

    frequencies: Mapping[str, Positive] = Field(min_length=1)
    reservoirs: tuple[Reservoir, ...] = Field(min_length=1)
    drive_frequency: Positive | None = None
    wiring: Literal["joint", "independent"] = "joint"

    @model_validator(mode="after")
    def _is_consistent(self) -> Machine:
        names = [reservoir.name for reservoir in self.reservoirs]
        if len(set(names)) != len(names):
            raise InputError(f"`reservoir` names {names} are not unique: rename one.")
        for reservoir in self.reservoirs:
            for oscillator in reservoir.coupling or {}:
                if oscillator not in self.frequencies:
                    raise InputError(
                        f"`reservoir.{reservoir.name}.coupling` names oscillator {oscillator!r}, which "
                        f"is not one of {list(self.frequencies)}; correct the name."
                    )
        if not self.contacts:
            raise InputError("`reservoir` couplings are all zero; couple at least one oscillator.")
        if self.drive_frequency is None and any(contact.is_driven for contact in self.contacts):
            raise InputError("`drive.frequency` is missing, but a coupling is driven; add it.")
        return self

    @property
    def oscillators(self) -> tuple[str, ...]:
        """Names of the oscillators, in order."""
        return tuple(self.frequencies)

    @property
    def omega(self) -> FloatArray:
        """Frequencies w_l, dim (oscillator,)."""
        return np.array(list(self.frequencies.values()))

    @property
    def temperatures(self) -> FloatArray:
        """Temperatures, dim (reservoir,)."""
        return np.array([reservoir.temperature for reservoir in self.reservoirs])

    @property
    def angular_frequency(self) -> float:
        """Ω; for an undriven machine without one, the lowest oscillator frequency."""
        return self.drive_frequency or float(self.omega.min())

    @property
    def period(self) -> float:
        """𝒯 = 2π/Ω."""
        return 2 * np.pi / self.angular_frequency

    @property
    def order(self) -> int:
        """Highest harmonic of any coupling, at least 1."""
        return max(1, *(contact.order for contact in self.contacts))

    @cached_property
    def contacts(self) -> tuple[Contact, ...]:
        """Copies of the reservoirs with a nonzero coupling."""
        contacts = []
        for index, reservoir in enumerate(self.reservoirs):
            given = reservoir.coupling
            drives = [
                Drive.constant(1.0) if given is None else given.get(name, ZERO) for name in self.frequencies
            ]
            rows = (
                [drives]
                if self.wiring == "joint"
                else [
                    [drive if k == l else ZERO for k, drive in enumerate(drives)] for l in range(len(drives))
                ]
            )
            contacts += [
                Contact(index, reservoir.temperature, reservoir.spectral_density, tuple(row))
                for row in rows
                if any(np.any(drive.coefficients(drive.order)) for drive in row)
            ]
        return tuple(contacts)

    @property
    def driven_reservoirs(self) -> frozenset[int]:
        """Indices of the reservoirs with a coupling that depends on time."""
        return frozenset(contact.reservoir for contact in self.contacts if contact.is_driven)

    def undriven(self) -> Machine:
        """The machine with its static reservoirs alone.

        Raises
        ------
        InputError
            When every reservoir is driven.
        """
        static = tuple(r for index, r in enumerate(self.reservoirs) if index not in self.driven_reservoirs)
        if not static:
            raise InputError("`reservoir`: all are driven; add a static one that damps the oscillators.")
        return Machine(
            frequencies=self.frequencies,
            reservoirs=static,
            drive_frequency=self.angular_frequency,
            wiring=self.wiring,
        )

    def __str__(self) -> str:
        lines = [f"Machine, {self.wiring} wiring, Ω = {self.angular_frequency:g}"]
        lines += [f"  oscillator {name}: w = {value:g}" for name, value in self.frequencies.items()]
        for reservoir in self.reservoirs:
            density = reservoir.spectral_density
            numbers = ", ".join(f"{k} = {v:g}" for k, v in density.model_dump(exclude={"kind"}).items())
            lines.append(
                f"  reservoir {reservoir.name}: {density.kind} ({numbers}), T = {reservoir.temperature:g}"
            )
        return "\n".join(lines)
