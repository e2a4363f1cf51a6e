"""Pareto fronts of all machines of runs/pareto/fronts.toml, and a generic optimizer to check them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import xarray as xr
from scipy.optimize import differential_evolution

from langevin_qtm import Drive, Machine, pareto_front
from langevin_qtm.data.sweep import from_tables
from langevin_qtm.exact.drive_forms import drive_forms
from langevin_qtm.exact.optimal_drives import Front
from langevin_qtm.exact.second_order import mean_currents

POINTS = 41
LINE = 1.29  # w_1 for which the optimizer is tried
LEVELS = (0.0, 0.8, 0.95)  # of λ over the largest efficiency, for the optimizer
DENSE = 1001  # frequencies between the ends of a front, for the bound that the optimizer is held against
FINE = 200  # frequencies of a mesh for which all levels are tried
REFINEMENTS = 2
HARMONICS = 2  # of the drives that the optimizer tries
MEMBERS = 6  # of its population, for each parameter
GENERATIONS = (80, 20)  # on a fine mesh, on a coarse one
SEED = 1

Key = tuple[str, float, float, float]  # wiring, γ_2, w_B, w_1


def machines(dataset: xr.Dataset) -> dict[Key, Machine]:
    """Machines of the run file, one for each wiring, γ_2, w_B and w_1."""
    pinned = {"drive.frequency": float(dataset["drive_frequency"][0])}
    found: dict[Key, Machine] = {}
    for run in from_tables(json.loads(dataset.attrs["config_json"]), pinned).runs:
        hot, cold = (reservoir.spectral_density for reservoir in run.machine.reservoirs)
        found[run.machine.wiring, cold.gamma, float(run.machine.omega[1]), hot.frequency] = run.machine
    return found


def with_fronts(datasets: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """The datasets, a front for each machine of fronts.toml (`name_of`), and the finds of the optimizer.

    The axis of drive frequencies is the mesh of frequencies that a drive may contain.
    """
    found = dict(datasets)
    mesh, trials = datasets["fronts"]["drive_frequency"].values, []
    for key, machine in machines(datasets["fronts"]).items():
        front = found[name_of(*key)] = pareto_front(machine, mesh, points=POINTS, refinements=REFINEMENTS)
        if key[-1] == LINE and front.sizes["point"]:
            levels, count = (LEVELS, GENERATIONS[0]) if len(mesh) > FINE else (LEVELS[1:2], GENERATIONS[1])
            trials += [(*key[:-1], *trial(machine, front, level, mesh[-1], count)) for level in levels]
    names = ("wiring", "cold_gamma", "frequency_B", "power", "efficiency", "shortfall")
    columns = zip(names, zip(*trials, strict=True), strict=True)
    found["optimizer"] = xr.Dataset({name: ("trial", list(column)) for name, column in columns})
    return found


def name_of(wiring: str, gamma: float, detuned: float, line: float) -> str:
    """Name of the front of one machine."""
    return f"{wiring}, γ_2 = {gamma:g}, w_B = {detuned:g}, w_1 = {line:g}"


def trial(
    machine: Machine, front: xr.Dataset, level: float, highest: float, generations: int
) -> tuple[float, float, float]:
    """P and η of the drive that the optimizer finds at a level of λ, and how far v(λ) is above."""
    marginal = level * front.attrs["largest_efficiency"]
    power, heat = optimize(machine, marginal, highest, generations)
    dense = np.linspace(*front["frequency"].values[[0, -1]], DENSE)
    bound = Front(machine, drive_forms(machine, dense)).support(np.array([marginal]))[0][0]
    return power, -power / heat, 1 - (-power - marginal * heat) / float(bound)


def optimize(machine: Machine, marginal: float, highest: float, generations: int) -> tuple[float, float]:
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
    generations : int
    """
    bodies = len(machine.oscillators)
    (hot,) = machine.driven_reservoirs  # here the driven one is the hot one
    size = 2 * HARMONICS * bodies

    def averages(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = parameters[:size].reshape(2, HARMONICS, bodies, -1)
        parts = parts / np.sqrt(2 * (parts**2).sum(axis=(0, 1, 2)))
        machines = [_driven(machine, one) for one in np.moveaxis(parts, -1, 0)]
        (power, heat), _ = mean_currents(machines, parameters[size][:, None], hot)
        return power[:, 0], heat[:, 0]

    def loss(parameters: np.ndarray) -> np.ndarray:
        power, heat = averages(parameters)
        return power + marginal * heat

    result = differential_evolution(
        loss,
        [(-1.0, 1.0)] * size + [(0.01, highest)],
        popsize=MEMBERS,
        maxiter=generations,
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
