"""Largest second-order output over (Ω, w_1): no better point anywhere, and the power by quadrature."""

from pathlib import Path

import numpy as np
import pytest
from helpers.second_order_quadrature import Quadrature
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from langevin_qtm import load_sweep, run_sweep
from langevin_qtm.exact.second_order import second_order_averages

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "sweep.reservoir.cold.spectral_density.gamma": [0.1, 100.0],
    "sweep.reservoir.hot.spectral_density.frequency.num": 12,
    "sweep.drive.frequency.num": 10,
}
PLACES = [("joint", 0.1), ("joint", 100.0), ("independent", 0.1)]
LATTICE = 1e-4  # discretization: half the last spacing over the width of the line, squared
QUADRATURE = 1e-7  # reference: tolerance of the quadrature


@pytest.fixture(scope="module")
def module():
    """The search."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "analysis")
        import engine_optima

        yield engine_optima


@pytest.fixture(scope="module")
def maps():
    """A coarse map at weak and at strong static coupling."""
    return run_sweep(load_sweep(ROOT / "runs" / "maximum_power" / "curves.toml", SMALL))


@pytest.fixture(scope="module")
def best(module, maps):
    return module.optima(maps)


def machine(module, maps, wiring, gamma, line, drive=1.0):
    """Engine with d = 1."""
    changes = {"medium.wiring": wiring, "reservoir.cold.spectral_density.gamma": gamma}
    return module.machine_of(maps, {**changes, module.LINE: float(line), module.DRIVE: float(drive)})


@pytest.mark.parametrize(("wiring", "gamma"), PLACES)
def test_output_is_the_power_by_quadrature(module, maps, best, wiring, gamma):
    one = best.sel(wiring=wiring, cold_gamma=gamma)
    averages = Quadrature(machine(module, maps, wiring, gamma, one.best_line, one.best_drive)).averages
    assert_allclose(one.output, -averages["local_power"].sum(), rtol=QUADRATURE)


@pytest.mark.parametrize(("wiring", "gamma"), PLACES)
def test_no_point_of_a_dense_grid_is_better(module, maps, best, wiring, gamma):
    lines, drives = np.linspace(0.4, 2.0, 65), np.linspace(0.025, 1.2, 48)  # spacing of half a line width
    machines = [machine(module, maps, wiring, gamma, line) for line in lines]
    power = second_order_averages(machines, np.tile(drives, (len(lines), 1)))[0]["power"]
    found = float(best.output.sel(wiring=wiring, cold_gamma=gamma))
    assert -power.min() <= found * (1 + LATTICE)
    assert -power.min() >= 0.9 * found


def test_a_library_optimizer_gains_nothing(module, maps, best):
    one = best.sel(wiring="joint", cold_gamma=100.0)

    def loss(x):
        engine = machine(module, maps, "joint", 100.0, x.sum(), x[1])
        return float(second_order_averages([engine])[0]["power"][0])

    start = 1.1 * np.array([float(one.best_line - one.best_drive), float(one.best_drive)])
    result = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-8})
    assert_allclose(-result.fun, one.output, rtol=LATTICE)


def test_dead_engine_has_no_optimum(best):
    dead = best.sel(wiring="independent", cold_gamma=100.0)
    assert dead.output < 0
    assert dead.output == dead.map_output
    assert np.isnan(dead.best_drive)
    assert np.isnan(dead.best_line)
