"""Figure of Pareto fronts: what is drawn, on a coarse mesh, and what it claims.

Tolerances: `ROUNDING`; the mesh is coarse, and the optimizer is stopped early, so that it
only has to stay below.
"""

import sys
from importlib import import_module
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose

from langevin_qtm import load_sweep, optimal_machine, run_sweep, second_order

ROOT = Path(__file__).resolve().parents[2]
ROUNDING = 1e-9
MODULES = ("fig_pareto", "pareto", "paths", "published", "saving")
COARSE = {
    "sweep.drive.frequency": {"start": 0.02, "stop": 1.52, "num": 51},
    "sweep.reservoir.hot.spectral_density.frequency": [1.29],
}


@pytest.fixture(scope="module")
def script():
    """The script as a module."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "analysis")
        plt.switch_backend("Agg")
        module = import_module("fig_pareto")
        pareto = import_module("pareto")
        patch.setattr(pareto, "POINTS", 9)
        patch.setattr(pareto, "REFINEMENTS", 1)
        patch.setattr(pareto, "GENERATIONS", (25, 25))
        yield module
    for name in set(MODULES) - before:
        sys.modules.pop(name, None)


def load(stem, overrides):
    """Dataset of a run file."""
    return run_sweep(load_sweep(ROOT / "runs" / "pareto" / f"{stem}.toml", overrides))


@pytest.fixture(scope="module")
def datasets(script):
    """Fronts on a coarse mesh, and second order in the place of samples, with errors of a tenth."""
    found = {"fronts": load("fronts", COARSE)}
    for stem in script.SCRIPT.sampled:
        points = found[stem] = load(stem, {"solver": {"method": "second_order"}})
        for name in script.SCRIPT.compared:
            points[f"exact_{name}"] = points[f"second_order_{name}"] = points[name]
            points[f"{name}_se"] = 0.1 * abs(points[name])
            points[f"{name}_bias"] = points[f"exact_{name}_error"] = 0.0 * points[name]
    return dict(script.SCRIPT.derive(found))


@pytest.fixture(scope="module")
def axes(script, datasets):
    """Panels in the order in which they are made."""
    with mpl.rc_context(fname=ROOT / "langevin_qtm" / "inspection" / "langevin.mplstyle"):
        figure = script.draw(datasets)
        yield figure.axes
        plt.close(figure)


def test_panels_show_fronts_in_units_of_carnot(script, datasets, axes):
    columns = [(gamma, detuned) for gamma in (0.1, 100.0) for detuned in (0.3, 0.6)]
    assert script.panels(datasets["fronts"]) == columns
    for column, (gamma, detuned) in enumerate(columns):
        power, entropy = axes[column], axes[4 + column]
        front = datasets[script.name_of("joint", gamma, detuned, 1.29)]
        x, y = power.lines[0].get_data()
        assert_allclose(x, front["efficiency"] / 0.9, rtol=ROUNDING)
        assert_allclose(y, -front["power"], rtol=ROUNDING)
        assert_allclose(entropy.lines[0].get_ydata(), y * (1 / x - 1) / 0.1, rtol=1e-6)


def test_isolines_have_equal_entropy_production(script, axes):
    lines = [line for line in axes[0].lines if line.get_linestyle() == ":"]
    assert len(lines) == len(script.ISOLINES)
    for line, level in zip(lines, script.ISOLINES, strict=True):
        x, y = line.get_data()
        assert_allclose(y[1:] * (1 / x[1:] - 1) / 0.1, level, rtol=ROUNDING)


def test_joint_engine_is_alive_and_independent_dead_at_strong_coupling(script, datasets):
    for detuned in (0.3, 0.6):
        for gamma, count in ((0.1, 9), (100.0, 0)):
            front = datasets[script.name_of("independent", gamma, detuned, 1.29)]
            assert front.sizes["point"] == count
            assert datasets[script.name_of("joint", gamma, detuned, 1.29)].sizes["point"] == 9
        weak = [
            datasets[script.name_of(w, 0.1, detuned, 1.29)].attrs["largest_output"] for w in script.COLORS
        ]
        assert_allclose(*weak, rtol=0.02)


def test_optimizer_stays_below_the_fronts(datasets):
    found = datasets["optimizer"]
    assert found.sizes["trial"] == 6  # six machines that are engines, one level each on a coarse mesh
    assert found["shortfall"].min() > -0.01  # of the mesh
    assert found["shortfall"].max() < 0.3
    assert set(found["wiring"].values) == {"joint", "independent"}


def test_sampled_points_lie_close_to_the_front(script, datasets, axes):
    """Second order of the rounded drives of the run file is on the front: a percent, of rounding and mesh."""
    points = datasets["points"]
    for index in range(points.sizes["point"]):
        one = points.isel(point=index)
        where = str(one["wiring"].values), float(one["cold_gamma"]), float(one["frequency_B"])
        front = datasets[script.name_of(*where, 1.29)]
        if not front.sizes["point"]:
            assert one["power"] > 0
            continue
        marginal = front["marginal_efficiency"].values
        hot = front["heat_current"].isel(reservoir=0).values
        v = (-front["power"].values - np.outer(marginal, hot)).max(axis=1)
        power, heat = float(one["power"]), float(one["heat_current"].isel(reservoir=0))
        reached = (-power - marginal * heat) / float(one["hot_strength"])
        assert np.all(reached <= v * 1.01)
        assert np.max(reached[:-1] / v[:-1]) > 0.98  # v = 0 at the last
    drawn = sum(len(panel.containers) for panel in axes[:4])
    assert drawn == points.sizes["point"] - 1 + datasets["superposition"].sizes["point"]


def test_drives_that_are_drawn_make_the_power_of_their_point(script, datasets, axes):
    for panel, gamma in ((axes[8], 0.1), (axes[9], 100.0)):
        name, base, one = script.best_drive(datasets, gamma)
        assert f"{base:.2f}" in name
        norm = sum(np.mean(line.get_ydata()[:-1] ** 2) for line in panel.lines[:2])
        assert_allclose(norm, 1.0, rtol=ROUNDING)
        front = datasets[script.name_of("joint", gamma, 0.6, 1.29)]
        machine = script.machines(datasets["fronts"])["joint", gamma, 0.6, 1.29]
        found = second_order(optimal_machine(machine, front, 0))
        assert_allclose(found["power"], one["power"], rtol=1e-7)


def test_superposition_has_two_harmonics_and_norm_one(script, datasets, axes):
    _, base, one = script.superposition(datasets["fronts"])
    used = one["frequency"].values[np.any(one["coupling_amplitude"].values, axis=1)]
    assert_allclose(used / base, [3, 4], rtol=ROUNDING)
    norm = sum(np.mean(line.get_ydata()[:-1] ** 2) for line in axes[10].lines[:2])
    assert_allclose(norm, 1.0, rtol=ROUNDING)


def test_sentences_quote_the_datasets(script, datasets):
    text = "\n".join(script.numbers(datasets))
    front = datasets[script.name_of("joint", 100.0, 0.6, 1.29)]
    assert f"{-float(front['power'][0]):.3g}" in text
    assert text.count("no drive makes an engine") == 2
