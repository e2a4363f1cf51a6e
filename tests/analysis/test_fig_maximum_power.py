"""Largest output power against γ_2: data of the artists, and what the run files round."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose

from langevin_qtm import load_sweep, run_sweep, second_order

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "runs" / "maximum_power"
PLANE = {
    "sweep.reservoir.hot.spectral_density.frequency.num": 12,
    "sweep.drive.frequency.num": 10,
}
GAMMAS = [1e-4, 1.0, 100.0]
SMALL = {
    "curves": {"sweep.reservoir.cold.spectral_density.gamma": GAMMAS, **PLANE},
    "variants": {"sweep.reservoir.cold.spectral_density.gamma": [1e-4, 10.0], **PLANE},
    "exact": {
        "solver.tolerance": 1e-4,
        "sweep.engine.values": [
            [wiring, gamma, 0.466, 1.287] for wiring in ("joint", "independent") for gamma in (1.0, 10.0)
        ],
    },
}
ROUNDING = 1e-12
DIGITS = 2e-3  # rounding of run files, and the flat top: 1e-3 of an optimum is 1e-6 of the output


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "analysis")
        plt.switch_backend("Agg")
        import fig_maximum_power

        yield fig_maximum_power


@pytest.fixture(scope="module")
def datasets(script):
    found = {stem: run_sweep(load_sweep(RUNS / f"{stem}.toml", small)) for stem, small in SMALL.items()}
    return script.derive(found)


@pytest.fixture(scope="module")
def panels(script, datasets):
    with mpl.rc_context(fname=ROOT / "langevin_qtm" / "inspection" / "langevin.mplstyle"):
        figure = script.draw(datasets)
        yield dict(zip("abcde", figure.axes, strict=False))
        plt.close(figure)


def test_lines_are_the_largest_outputs(script, datasets, panels):
    colors = list(script.WIRINGS.values())
    shown = [line for line in panels["a"].lines if len(line.get_xdata()) == len(GAMMAS)]
    assert [line.get_color() for line in shown] == colors
    for line, wiring in zip(shown, script.WIRINGS, strict=True):
        assert_allclose(line.get_ydata(), datasets["best"]["output"].sel(wiring=wiring), rtol=ROUNDING)


def test_ratio_is_one_at_weak_coupling_grows_and_ends_with_the_independent_engine(datasets, panels):
    ratio = panels["b"].lines[0].get_ydata()
    assert_allclose(ratio[0], 1.0, atol=1e-4)  # of order γ_2
    assert ratio[1] > 4
    assert np.isnan(ratio[2])
    assert datasets["best"]["output"].sel(wiring="joint", cold_gamma=100.0) > 1


def test_best_phase_is_that_of_a_scan(datasets):
    import engine_optima

    one = datasets["best"].sel(wiring="joint", cold_gamma=1.0)
    at = {**engine_optima.changes_at(one), engine_optima.LINE: float(one.best_line)}
    at[engine_optima.DRIVE] = float(one.best_drive)
    phases = np.linspace(0, 2 * np.pi, 33)
    drives = [{engine_optima.COUPLING_B: {"amplitude": 1.0, "phase": phase}} for phase in phases]
    output = [
        -float(second_order(engine_optima.machine_of(datasets["curves"], at | d)).power) for d in drives
    ]
    model = np.cos(phases - float(one.best_phase))
    slope, mean = np.polyfit(model, output, 1)
    assert_allclose(output, mean + slope * model, rtol=1e-8)  # rounding of single powers
    assert_allclose(mean + slope, one.best_phase_output, rtol=1e-8)


@pytest.mark.parametrize("wiring", ["joint", "independent"])
@pytest.mark.parametrize("stem", ["points", "exact"])
def test_run_files_hold_the_optima(datasets, wiring, stem):
    """The independent engine at γ_2 = 100 is taken where the joint one is best."""
    machines = [run.machine for run in load_sweep(RUNS / f"{stem}.toml").runs]
    best = datasets["best"]
    seen = 0
    for machine in machines:
        hot, cold = (reservoir.spectral_density for reservoir in machine.reservoirs)
        if machine.wiring == wiring and cold.gamma in GAMMAS:
            owner = "joint" if cold.gamma == 100.0 else wiring
            one = best.sel(wiring=owner, cold_gamma=cold.gamma)
            found = [machine.angular_frequency, hot.frequency]
            assert_allclose(found, [one.best_drive, one.best_line], atol=DIGITS)
            seen += 1
    assert seen


def test_exact_points_are_those_of_the_dataset(script, datasets, panels):
    joint = script.of_wiring(datasets["exact"], "joint")
    expected = -(joint["power"] / joint["hot_strength"]).transpose("hot_strength", ...).values
    lines = [line for line in panels["a"].lines if line.get_marker() == "."]
    assert_allclose([line.get_ydata() for line in lines], expected, rtol=ROUNDING)
