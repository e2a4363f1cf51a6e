"""Pareto fronts of all machines of runs/pareto/fronts.toml, and a generic optimizer to check them."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr
from scipy.optimize import differential_evolution

from langevin_qtm import Drive, Machine, pareto_front
from langevin_qtm.data.sweep import from_tables
from langevin_qtm.exact.second_order import second_order_averages

POINTS = 41
REFINEMENTS = 2
HARMONICS = 2  # of the drives that the optimizer tries
MEMBERS, GENERATIONS = 6, 40  # for each of its parameters; of its population
SEED = 1

Key = tuple[str, float, float, float]  # wiring, γ_2, w_B, w_1
_COMPUTED: dict[str, dict[Key, xr.Dataset]] = {}


def machines(dataset: xr.Dataset) -> dict[Key, Machine]:
    """Machines of the run file, one for each wiring, γ_2, w_B and w_1."""
    pinned = {"drive.frequency": float(dataset["drive_frequency"][0])}
    found: dict[Key, Machine] = {}
    for run in from_tables(json.loads(dataset.attrs["config_json"]), pinned).runs:
        hot, cold = (reservoir.spectral_density for reservoir in run.machine.reservoirs)
        found[run.machine.wiring, cold.gamma, float(run.machine.omega[1]), hot.frequency] = run.machine
    return found


def fronts(dataset: xr.Dataset) -> dict[Key, xr.Dataset]:
    """Fronts of all machines; the axis of drive frequencies is the mesh of those that a drive may contain.

    Computed once for each configuration.
    """
    name = dataset.attrs["config_sha256"]
    if name not in _COMPUTED:
        mesh = dataset["drive_frequency"].values
        _COMPUTED[name] = {
            key: pareto_front(machine, mesh, points=POINTS, refinements=REFINEMENTS)
            for key, machine in machines(dataset).items()
        }
    return _COMPUTED[name]


def optimize(machine: Machine, marginal: float, highest: float) -> tuple[float, float]:
    """Power and heat current from the hot reservoir of the drive that makes -P - λ J_hot largest.

    Differential evolution over Ω <= highest and all Fourier coefficients of norm 1 up to `HARMONICS`, each
    drive a machine of its own for `second_order`.

    Parameters
    ----------
    machine : Machine
    marginal : float
        λ.
    highest : float
        Largest Ω.
    """
    bodies = len(machine.oscillators)
    size = 2 * HARMONICS * bodies

    def averages(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = parameters[:size].reshape(2, HARMONICS, bodies, -1)
        parts = parts / np.sqrt(2 * (parts**2).sum(axis=(0, 1, 2)))
        machines = [_driven(machine, one) for one in np.moveaxis(parts, -1, 0)]
        found, _ = second_order_averages(machines, parameters[size][:, None])
        hot = int(machine.temperatures.argmax())
        return found["power"][:, 0], found["heat_current"][:, 0, hot]

    def loss(parameters: np.ndarray) -> np.ndarray:
        power, heat = averages(parameters)
        return power + marginal * heat

    result = differential_evolution(
        loss,
        [(-1.0, 1.0)] * size + [(0.01, highest)],
        popsize=MEMBERS,
        maxiter=GENERATIONS,
        rng=SEED,
        tol=0.0,
        polish=False,
        vectorized=True,
        updating="deferred",
    )
    power, heat = averages(result.x[:, None])
    return float(power[0]), float(heat[0])


def _driven(machine: Machine, parts: np.ndarray) -> Machine:
    """The machine with couplings (real or imaginary, harmonic, oscillator)."""
    coupling = {
        name: Drive(harmonics=tuple((n + 1, *map(float, parts[:, n, l])) for n in range(parts.shape[1])))
        for l, name in enumerate(machine.oscillators)
    }
    reservoirs = list(machine.reservoirs)
    for r in machine.driven_reservoirs:
        reservoirs[r] = reservoirs[r].with_coupling(coupling)
    return Machine(
        frequencies=machine.frequencies,
        reservoirs=tuple(reservoirs),
        drive_frequency=machine.drive_frequency,
        wiring=machine.wiring,
    )
