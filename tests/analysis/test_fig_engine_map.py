"""The power map of engines: data of the artists against numbers of the datasets and of a quadrature."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from helpers.second_order_quadrature import Quadrature
from matplotlib import pyplot as plt
from matplotlib.collections import QuadMesh
from numpy.testing import assert_allclose

from langevin_qtm import load_sweep, run_sweep

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "map": {
        "sweep.reservoir.hot.spectral_density.frequency": [0.7, 1.09, 1.29],
        "sweep.drive.frequency": [0.25, 0.46, 0.7],
    },
    "choices": {
        "sweep.choice.values": [[np.pi, 1.0, 0.1, 0.05], [0.0, 1.0, 0.1, 0.05], [np.pi, 1.0, 0.05, 0.05]],
        "sweep.reservoir.hot.spectral_density.frequency.num": 10,
        "sweep.drive.frequency.num": 8,
    },
    "cut": {"sweep.drive.frequency.num": 2},
}
QUADRATURE = 1e-7  # reference: tolerance of the quadrature
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "analysis")
        plt.switch_backend("Agg")
        import fig_engine_map

        yield fig_engine_map


@pytest.fixture(scope="module")
def datasets(script):
    """Coarse ones; second order with invented errors instead of sampled points."""
    import published

    runs = ROOT / "runs" / "engine_map"
    found = {stem: run_sweep(load_sweep(runs / f"{stem}.toml", small)) for stem, small in SMALL.items()}
    points = run_sweep(load_sweep(runs / "points.toml", published.ROUTES["second_order"]))
    points["power_se"], points["local_power_se"] = (
        0.1 * abs(points["power"]),
        0.1 * abs(points["local_power"]),
    )
    points["step_error"], points["noise_fit_error"] = 0 * points["power"], 0 * points["power"]
    routes = dict.fromkeys(published.ROUTES, points.copy())
    found["points"] = published.with_routes(points, routes, list(script.SCRIPT.compared))
    return script.derive(found)


@pytest.fixture(scope="module")
def panels(script, datasets):
    """Axes by letter."""
    with mpl.rc_context(fname=ROOT / "langevin_qtm" / "inspection" / "langevin.mplstyle"):
        figure = script.draw(datasets)
        figure.canvas.draw()
        yield dict(zip("abcde", figure.axes, strict=False))
        plt.close(figure)


def meshes(axes):
    """What is gray, and what is in color."""
    return [each for each in axes.collections if isinstance(each, QuadMesh)]


def test_color_of_the_map_is_the_power_by_quadrature(datasets, panels):
    shown = meshes(panels["a"])[1].get_array()[2, 1]  # w_1 = 1.29, Ω = 0.46
    import engine_optima

    changes = {engine_optima.LINE: 1.29, engine_optima.DRIVE: 0.46, "medium.wiring": "joint"}
    averages = Quadrature(engine_optima.machine_of(datasets["map"], changes)).averages
    assert_allclose(shown, -averages["local_power"].sum(), rtol=QUADRATURE)


def test_engine_is_in_color_and_the_rest_in_gray(datasets, panels):
    for letter, wiring in (("a", "joint"), ("b", "independent")):
        power = (
            datasets["map"]["power"].sel(wiring=wiring).transpose("hot_frequency", "drive_frequency").values
        )
        gray, color = (np.ma.filled(each.get_array(), np.nan) for each in meshes(panels[letter]))
        assert_allclose(gray, np.where(power >= 0, power, np.nan), rtol=ROUNDING)
        assert_allclose(color, np.where(power < 0, -power, np.nan), rtol=ROUNDING)
    assert np.isnan(color).all()  # no independent engine


def test_bars_are_the_largest_outputs_and_crosses_the_dead(datasets, panels):
    output = datasets["best_choices"]["output"].transpose("wiring", "choice").values
    widths = np.array([bar.get_width() for bar in panels["d"].patches]).reshape(output.shape)
    assert_allclose(widths, np.where(output > 0, output, np.nan), rtol=ROUNDING)
    crosses = [len(line.get_xdata()) for line in panels["d"].lines]
    assert crosses == (output <= 0).sum(axis=1).tolist()
    assert (output > 0).tolist() == [[True, False, True], [False, False, True]]  # joint, independent


def test_sampled_points_lie_where_power_over_strength_is(datasets, panels):
    points = datasets["points"]
    on_cut = points["hot_frequency"].values == 1.29
    expected = (-points["power"] / points["hot_strength"]).values[on_cut]
    markers = [bar.lines[0] for bar in panels["c"].containers]
    assert_allclose([line.get_ydata()[0] for line in markers], expected, rtol=ROUNDING)
    lengths = [np.diff(bar.lines[2][0].get_segments()[0][:, 1])[0] for bar in panels["c"].containers]
    assert_allclose(lengths, 2 * 0.1 * np.abs(expected), rtol=ROUNDING)


def test_exact_curve_is_below_second_order_and_approaches_it(datasets):
    exact = -datasets["cut"]["power"] / datasets["cut"]["hot_strength"]
    weak = -datasets["cut_joint"]["power"].sel(
        drive_frequency=exact["drive_frequency"].values, method="nearest"
    )
    gaps = np.abs(exact.transpose("hot_strength", ...).values / weak.values - 1)
    assert (np.diff(gaps, axis=0) > 0).all()


def test_numbers_count_the_engine_of_the_map(script, datasets):
    joint = datasets["map"]["power"].sel(wiring="joint")
    sentence = f"Engine at {int((joint < 0).sum())} of {joint.size} points of the joint map and at 0 of"
    assert any(line.startswith(sentence) for line in script.numbers(datasets))
