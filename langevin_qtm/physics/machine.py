"""The machine: oscillators, reservoirs, drive, protocol and wiring. The only object that a solver accepts.

Joint and independent wiring are one thing: a list of `Contact`s, each a copy of a reservoir with a
vector of couplings. Joint: one contact per reservoir, coupled to all oscillators. Independent: one
contact per reservoir and oscillator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from langevin_qtm.errors import InputError
from langevin_qtm.physics._model import Model, Positive
from langevin_qtm.physics.conventions import ComplexArray, FloatArray, omega_coth
from langevin_qtm.physics.drive import Clock, Drive
from langevin_qtm.physics.envelope import Burst, Chirp, Profile
from langevin_qtm.physics.reservoir import DrudeLorentz, Lorentzian, Ohmic, Reservoir

ZERO = Drive(harmonics=())
JUMP = 1e-9  # smallest change of a coupling between neighbouring floats of time that is a jump


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
    clock : Clock
        Drive angle over time.
    """

    reservoir: int
    temperature: float
    density: Ohmic | DrudeLorentz | Lorentzian
    drives: tuple[Drive, ...]
    clock: Clock

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

    def couplings(self, t: FloatArray) -> FloatArray:
        """g_l at times t, dims (time, oscillator); at a jump, the later value."""
        return np.stack([drive.at(t, self.clock) for drive in self.drives], axis=-1)

    def coupling_rates(self, t: FloatArray) -> FloatArray:
        """dg_l/dt at times t, dims (time, oscillator); jumps left out."""
        return np.stack([drive.rate(t, self.clock) for drive in self.drives], axis=-1)

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
    chirp : Chirp, optional
        Lets the drive frequency move once.
    modulation : mapping of oscillator name to Drive, optional
        Relative modulation m_l of the frequencies: w_l(t) = w_l [1 + m_l(t)].
    force : mapping of oscillator name to Drive, optional
        Deterministic force on the oscillator, v̇_l = … + f_l(t).

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
    chirp: Chirp | None = None
    modulation: Mapping[str, Drive] | None = None
    force: Mapping[str, Drive] | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Machine:
        names = [reservoir.name for reservoir in self.reservoirs]
        if len(set(names)) != len(names):
            raise InputError(f"`reservoir` names {names} are not unique: rename one.")
        named = [(f"reservoir.{r.name}.coupling", r.coupling) for r in self.reservoirs]
        for key, drives in [*named, ("medium.modulation", self.modulation), ("medium.force", self.force)]:
            for oscillator in drives or {}:
                if oscillator not in self.frequencies:
                    raise InputError(
                        f"`{key}` names oscillator {oscillator!r}, which is not one of "
                        f"{list(self.frequencies)}; correct the name."
                    )
        if not self.contacts:
            raise InputError("`reservoir` couplings are all zero; couple at least one oscillator.")
        turning = [drive for drive in self._drives if drive.order or isinstance(drive.envelope, Burst)]
        if self.drive_frequency is None and (turning or self.chirp):
            raise InputError("`drive.frequency` is missing, but a coupling is driven; add it.")
        return self

    @property
    def _drives(self) -> list[Drive]:
        """Everything that may depend on time."""
        couplings = [drive for contact in self.contacts for drive in contact.drives]
        return [*couplings, *(self.modulation or {}).values(), *(self.force or {}).values()]

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

    @cached_property
    def clock(self) -> Clock:
        """Drive angle over time."""
        initial = self.angular_frequency
        return Clock(Profile(initial) if self.chirp is None else self.chirp.profile(initial))

    @property
    def order(self) -> int:
        """Highest harmonic of anything that depends on time, at least 1."""
        return max(1, *(drive.order for drive in self._drives))

    def squared_frequencies(self, t: FloatArray) -> FloatArray:
        """w_l(t)², dims (time, oscillator)."""
        return (self.omega * (1 + self._over_time(self.modulation, Drive.at, t))) ** 2

    def squared_frequency_rates(self, t: FloatArray) -> FloatArray:
        """d(w_l²)/dt, dims (time, oscillator); jumps left out."""
        modulation = 1 + self._over_time(self.modulation, Drive.at, t)
        return 2 * self.omega**2 * modulation * self._over_time(self.modulation, Drive.rate, t)

    def forces(self, t: FloatArray) -> FloatArray:
        """f_l(t), dims (time, oscillator)."""
        return self._over_time(self.force, Drive.at, t)

    def _over_time(self, drives: Mapping[str, Drive] | None, what, t: FloatArray) -> FloatArray:
        """Value or rate of the named drives, zero for the other oscillators, dims (time, oscillator)."""
        columns = [what((drives or {}).get(name, ZERO), t, self.clock) for name in self.frequencies]
        return np.stack(columns, axis=-1)

    @property
    def events(self) -> tuple[float, ...]:
        """Times at which the protocol is not smooth, ascending."""
        own = self.clock.frequency.events
        times = {time for drive in self._drives for time in drive.events(self.clock)}
        return tuple(sorted({*own, *times}))

    @property
    def settles(self) -> float:
        """Time after which the machine is periodic with the period of `after()`; -inf when it always is."""
        return max(self.clock.frequency.settles, *(drive.settles(self.clock) for drive in self._drives))

    def time_before(self, start_time: float) -> float:
        """A time of the same drive angle as the start, one period before anything of the protocol happens."""
        first = min([start_time, *self.events])
        return start_time - self.period * (int(np.ceil((start_time - first) / self.period - 1e-9)) + 1)

    def coupling_jumps(self, time: float) -> tuple[list[FloatArray], list[FloatArray]]:
        """Jumps of the couplings of each contact at an event, and their later values, (oscillator,) each."""
        before, after = np.array([np.nextafter(time, -np.inf)]), np.array([time])
        later = [contact.couplings(after)[0] for contact in self.contacts]
        changes = [g - c.couplings(before)[0] for g, c in zip(later, self.contacts, strict=True)]
        return [np.where(np.abs(change) > JUMP, change, 0.0) for change in changes], later

    def static_couplings(self) -> list[FloatArray]:
        """Couplings of each contact before the protocol, dim (oscillator,); zero for a reservoir that is
        driven then."""
        before = [[drive.before(self.clock) for drive in contact.drives] for contact in self.contacts]
        driven = {
            contact.reservoir
            for contact, drives in zip(self.contacts, before, strict=True)
            if not all(drive.is_static for drive in drives)
        }
        return [
            np.array(
                [0.0 if contact.reservoir in driven else drive.coefficients(0)[0].real for drive in drives]
            )
            for contact, drives in zip(self.contacts, before, strict=True)
        ]

    def equilibrating(self) -> Machine:
        """The reservoirs that are coupled statically before the protocol, and nothing else.

        Raises
        ------
        InputError
            When there is none.
        """
        early = np.array([min([0.0, *self.events]) - self.period])
        frequencies = np.sqrt(self.squared_frequencies(early))[0]
        couplings: dict[int, dict[str, Drive]] = {}
        for contact, static in zip(self.contacts, self.static_couplings(), strict=True):
            for name, g in zip(self.frequencies, static, strict=True):
                if g:
                    couplings.setdefault(contact.reservoir, {})[name] = Drive.constant(float(g))
        if not couplings:
            raise InputError("`reservoir`: all are driven; add a static one that damps the oscillators.")
        return Machine(
            frequencies=dict(zip(self.frequencies, map(float, frequencies), strict=True)),
            reservoirs=tuple(self.reservoirs[r].with_coupling(own) for r, own in couplings.items()),
            drive_frequency=self.angular_frequency,
            wiring=self.wiring,
        )

    def after(self) -> Machine:
        """The periodic machine when the protocol is over, drive angle θ = Ω(∞) t.

        Raises
        ------
        InputError
            When a function of time has no `settles`.
        """
        if not np.isfinite(max(self.settles, 0.0)):
            raise InputError("A coupling is a function of time without `settles`; state when it is over.")
        return self._with(lambda drive: drive.after(self.clock), self.clock.frequency.after)

    def _with(self, change: Callable[[Drive], Drive], drive_frequency: float) -> Machine:
        """The machine with every drive changed, without chirp."""

        def changed(drives: Mapping[str, Drive] | None) -> dict[str, Drive] | None:
            return None if drives is None else {name: change(drive) for name, drive in drives.items()}

        reservoirs = tuple(
            reservoir.with_coupling(changed(reservoir.coupling)) for reservoir in self.reservoirs
        )
        return Machine(
            frequencies=self.frequencies,
            reservoirs=reservoirs,
            drive_frequency=drive_frequency,
            wiring=self.wiring,
            modulation=changed(self.modulation),
            force=changed(self.force),
        )

    def require_bare_period(self, method: str) -> None:
        """Raise `InputError` where only periodic couplings are described.

        Parameters
        ----------
        method : str
            Who asks.
        """
        if self.modulation or self.force:
            key = "medium.modulation" if self.modulation else "medium.force"
        elif self.chirp is not None:
            key = "drive.chirp"
        elif not all(drive.is_periodic for drive in self._drives):
            key = "envelope"
        else:
            return
        raise InputError(
            f"`{key}` is out of reach of '{method}', which knows periodic couplings alone; "
            "use 'transient', or 'simulate' with `solver.duration`."
        )

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
                Contact(index, reservoir.temperature, reservoir.spectral_density, tuple(row), self.clock)
                for row in rows
                if not all(drive.is_zero for drive in row)
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
