"""What the moment maps of a machine are made of: generator, noise sources, work and heat as forms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.machine import Machine
from langevin_qtm.transients.thermal_kernel import ThermalKernel, fit_thermal_kernel

BAND_FACTOR = 2e3  # noise band over the fastest rate of the machine
BOTTOM_FACTOR = 1e-4  # smallest frequency followed at zero temperature, over the slowest rate


class Integral(NamedTuple):
    """One time integral: what flows, and through which oscillator and contact (-1: none)."""

    kind: str
    oscillator: int
    contact: int


@dataclass(frozen=True)
class MomentSystem:
    """A machine as seen by its second moments.

    Attributes
    ----------
    embedding : Embedding
    kernels : tuple of ThermalKernel
        One for each contact. The last source, after them, is the deterministic force.
    """

    embedding: Embedding
    kernels: tuple[ThermalKernel, ...]

    @property
    def machine(self) -> Machine:
        """The machine."""
        return self.embedding.machine

    @property
    def size(self) -> int:
        """Variables of the state z."""
        return self.embedding.size

    @property
    def bodies(self) -> int:
        """Number of oscillators."""
        return len(self.machine.omega)

    @property
    def force_source(self) -> int:
        """Index of the deterministic force among the sources."""
        return len(self.kernels)

    @cached_property
    def amplitudes(self) -> FloatArray:
        """κ_j of all poles; -1 for the deterministic force, the last."""
        return np.concatenate([*(kernel.amplitudes for kernel in self.kernels), [-1.0]])

    @cached_property
    def source_of(self) -> NDArray[np.intp]:
        """Source of each pole."""
        counts = [*(len(kernel.rates) for kernel in self.kernels), 1]
        return np.repeat(np.arange(len(counts)), counts)

    @cached_property
    def whites(self) -> FloatArray:
        """D of each source."""
        return np.array([*(kernel.white for kernel in self.kernels), 0.0])

    def poles_of(self, source: int) -> NDArray[np.intp]:
        """Indices of the poles of one source."""
        return np.flatnonzero(self.source_of == source)

    def generator(self, t: FloatArray) -> FloatArray:
        """G(t), dims (time, state, state)."""
        return self.embedding.generator(t)

    def inputs(self, t: FloatArray) -> FloatArray:
        """b_s(t), dims (time, source, state)."""
        columns = [self.embedding.noise_input(c, t) for c in range(len(self.kernels))]
        push = np.zeros((len(t), self.size))
        push[:, self.bodies : 2 * self.bodies] = self.machine.forces(t)
        return np.stack([*columns, push], axis=1)

    @cached_property
    def integrals(self) -> tuple[Integral, ...]:
        """Work through every coupling that depends on time, heat of every contact, work of modulation and
        force."""
        machine, found = self.machine, []
        for c, contact in enumerate(machine.contacts):
            moving = [l for l, drive in enumerate(contact.drives) if not drive.is_static]
            found += [Integral("work", l, c) for l in moving]
            found.append(Integral("heat", -1, c))
        for kind, drives in (("modulation", machine.modulation), ("force", machine.force)):
            found += [
                Integral(kind, l, -1) for l, name in enumerate(machine.oscillators) if name in (drives or {})
            ]
        return tuple(found)

    @cached_property
    def integral_sources(self) -> NDArray[np.intp]:
        """Source whose white noise or force enters each integral."""
        return np.array([i.contact if i.contact >= 0 else self.force_source for i in self.integrals])

    @cached_property
    def integral_gains(self) -> FloatArray:
        """Its gain: <(left·z)(right·z)> + gain <(left·z) η_source>."""
        memories = self.embedding.memories
        plain = {"modulation": 0.0, "force": 1.0}
        return np.array([plain.get(i.kind, memories[i.contact].white_gain) for i in self.integrals])

    def integrands(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Rows left and right of every integrand, dims (time, integral, state)."""
        left, right = np.zeros((2, len(t), len(self.integrals), self.size))
        machine, bodies = self.machine, self.bodies
        for f, (kind, l, c) in enumerate(self.integrals):
            if kind == "work":
                left[:, f, l] = -machine.contacts[c].coupling_rates(t)[:, l]
                right[:, f] = self.embedding.force_row(c, t)
            elif kind == "heat":
                left[:, f] = self.embedding.velocity_row(c, t)
                right[:, f] = self.embedding.force_row(c, t)
            elif kind == "modulation":
                left[:, f, l] = 0.5 * machine.squared_frequency_rates(t)[:, l]
                right[:, f, l] = 1.0
            else:
                left[:, f, bodies + l] = machine.forces(t)[:, l]
        return left, right


def stored_system(machine: Machine, dataset: xr.Dataset) -> MomentSystem:
    """System with the noise kernels of an earlier dataset, to go on where it ended."""
    kernels = []
    for c, contact in enumerate(machine.contacts):
        own = dataset["pole_contact"].values == c
        rates, weights = dataset["pole_rate"].values[own], dataset["pole_weight"].values[own]
        error, band = (float(dataset.attrs[name]) for name in ("noise_fit_error", "noise_band"))
        kernels.append(ThermalKernel(2 * contact.temperature, rates, weights, error, 0.0, band))
    return MomentSystem(Embedding(machine), tuple(kernels))


def moment_system(machine: Machine, rates: FloatArray) -> MomentSystem:
    """System with noise kernels for a machine whose generator has the given rates |s|.

    Raises
    ------
    NotConvergedError
        When a noise kernel misses its tolerance.
    """
    scales = [scale for contact in machine.contacts for scale in contact.density.scales]
    band = BAND_FACTOR * max(rates.max(), *scales)
    bottom = BOTTOM_FACTOR * float(rates[rates > 1e-12 * rates.max()].min())
    temperatures = {contact.temperature for contact in machine.contacts}
    fitted = {temperature: fit_thermal_kernel(temperature, band, bottom) for temperature in temperatures}
    return MomentSystem(
        Embedding(machine), tuple(fitted[contact.temperature] for contact in machine.contacts)
    )
