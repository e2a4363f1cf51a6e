"""Figures show the numbers of the dataset and of the exact solver: data of the artists, not pixels.

The dataset is made by hand. What is copied must be equal; the rest agrees to rounding (`ROUNDING`).
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from helpers.machines import standard_machine
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal

from langevin_qtm.data.files import save
from langevin_qtm.schema import assemble

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"
PANELS = ("trajectory", "plane", "power", "spectrum", "power deviation", "spectrum deviation")
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def script():
    """The figure script as a module."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        plt.switch_backend("Agg")
        import fig_work_converter

        yield fig_work_converter
    for name in {"fig_work_converter", "paths"} - before:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def dataset():
    """Random numbers in every variable that the figure reads; longer than the window of panel (a)."""
    rng = np.random.default_rng(7)
    phases, times, frequencies = np.arange(32) / 32, np.arange(200) * 0.2, np.geomspace(1e-3, 1e3, 61)
    shapes = {"local_power": (2,), "pearson": (), "local_power_phase": (2, 32)}
    variables = {name: rng.uniform(-0.01, 0.01, shape) for name, shape in shapes.items()}
    variables |= {f"{name}_se": rng.uniform(0.001, 0.002, shape) for name, shape in shapes.items()}
    variables["position"] = rng.standard_normal((3, 200, 2))
    variables["noise_spectrum_target"] = rng.uniform(1.0, 2.0, (2, 61))
    variables["noise_spectrum_filter"] = variables["noise_spectrum_target"] * rng.uniform(0.99, 1.01, (2, 61))
    coordinates = {"phase": phases, "time": times, "trajectory": np.arange(3), "frequency": frequencies}
    return assemble(standard_machine(), variables, {"method": "simulate"}, coordinates)


@pytest.fixture(scope="module")
def exact(script, dataset):
    """The exact values that the script recomputes."""
    return script.exact_values(dataset)


@pytest.fixture(scope="module")
def panels(script, dataset, exact):
    """The panels by name, in the style of the folder."""
    with mpl.rc_context(fname=script.STYLE):
        figure = script.draw(dataset, exact)
        yield dict(zip(PANELS, figure.axes, strict=True))
        plt.close(figure)


def curves(axes, style):
    """Data (x, y) of the lines of one style; not the levels, which have two points."""
    lines = [line.get_xydata().T for line in axes.lines if line.get_linestyle() == style]
    return [data for data in lines if data.shape[1] > 2]


def points(axes):
    """Data (x, y) of the lines that consist of markers."""
    return [line.get_xydata().T for line in axes.lines if line.get_marker() in ("o", ".")]


def levels(axes, style):
    """Heights of the horizontal lines of one style."""
    lines = [line.get_xydata() for line in axes.lines if line.get_linestyle() == style]
    return [data[0, 1] for data in lines if len(data) == 2]


def bar_lengths(axes, index):
    """Lengths of the error bars of one set of points."""
    (bars,) = axes.containers[index].lines[2]
    return [bar[1, 1] - bar[0, 1] for bar in bars.get_segments()]


def test_panels_are_lettered_and_state_their_units(panels):
    titles = [axes.get_title(loc="left") for axes in panels.values()]
    assert [title[-4] for title in titles if title] == ["a", "b", "c", "d"]
    assert all("[" in axes.get_ylabel() for axes in panels.values())


def test_trajectory_panel_shows_the_first_periods_of_one_trajectory(script, panels, dataset):
    end = script.SHOWN_PERIODS * standard_machine().period
    times = dataset["time"].values[dataset["time"].values <= end]
    stored = dataset["position"].values[script.TRAJECTORY, : len(times)]
    shown = curves(panels["trajectory"], "-")
    assert len(shown) == 2
    for l, (x, y) in enumerate(shown):
        assert_array_equal(x, times)
        assert_array_equal(y, stored[:, l])


def test_plane_shows_every_stored_sample(panels, dataset):
    (shown,) = points(panels["plane"])
    assert_array_equal(shown, dataset["position"].values.reshape(-1, 2).T)


@pytest.mark.parametrize(("style", "sigmas"), [("-", 1), ("--", 2)], ids=["1 sigma", "2 sigma"])
def test_ellipse_has_the_exact_covariance(panels, exact, style, sigmas):
    (z,) = curves(panels["plane"], style)
    inverse = np.linalg.inv(exact["position_covariance"].values)
    assert_allclose(np.einsum("ip,ij,jp->p", z, inverse, z), sigmas**2, rtol=ROUNDING)


def test_power_points_are_sampled_with_their_standard_errors(panels, dataset):
    axes = panels["power"]
    assert len(points(axes)) == 2
    for l, (x, y) in enumerate(points(axes)):
        there = dataset.sel(phase=x)
        assert len(x) == 16
        assert_array_equal(y, there["local_power_phase"].values[l])
        assert_allclose(bar_lengths(axes, l), 2 * there["local_power_phase_se"].values[l], rtol=ROUNDING)


def test_power_curves_are_exact_and_close(panels, exact):
    shown = curves(panels["power"], "-")
    assert len(shown) == 2
    for l, (x, y) in enumerate(shown):
        values = exact["local_power_phase"].values[l]
        assert_array_equal(x, [*exact["phase"].values, 1.0])
        assert_array_equal(y, [*values, values[0]])


def test_power_levels_are_sampled_period_averages(panels, dataset):
    assert_array_equal(levels(panels["power"], "--"), dataset["local_power"].values)


def test_power_deviation_is_sampled_minus_exact_at_the_same_phase(panels, dataset, exact):
    axes = panels["power deviation"]
    assert len(points(axes)) == 2
    for l, (x, y) in enumerate(points(axes)):
        sampled, errors = (dataset[f"local_power_phase{end}"].sel(phase=x).values[l] for end in ("", "_se"))
        there = np.interp(x, exact["phase"].values, exact["local_power_phase"].values[l])
        assert_allclose(y, sampled - there, atol=ROUNDING)
        assert_allclose(bar_lengths(axes, l), 2 * errors, rtol=ROUNDING)


def test_spectra_are_target_and_generated(panels, dataset):
    axes = panels["spectrum"]
    assert len(curves(axes, "-")) == len(points(axes)) == 2
    for r, (x, y) in enumerate(curves(axes, "-")):
        assert_array_equal(x, dataset["frequency"].values)
        assert_array_equal(y, dataset["noise_spectrum_target"].values[r])
    for r, (x, y) in enumerate(points(axes)):
        assert_array_equal(y, dataset["noise_spectrum_filter"].sel(frequency=x).values[r])


def test_spectrum_deviation_is_relative_to_the_target(panels, dataset):
    target, generated = dataset["noise_spectrum_target"].values, dataset["noise_spectrum_filter"].values
    for r, style in enumerate(("-", "--")):
        (shown,) = curves(panels["spectrum deviation"], style)
        assert_allclose(shown[1], generated[r] / target[r] - 1, atol=ROUNDING)


def test_command_line_writes_pdf_and_small_png(script, dataset, tmp_path):
    save(dataset, tmp_path / "run.nc")
    script.main([str(tmp_path / "run.nc"), "-o", str(tmp_path / "figures")])
    assert (tmp_path / "figures" / "fig_work_converter.pdf").read_bytes().startswith(b"%PDF")
    png = (tmp_path / "figures" / "fig_work_converter.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert len(png) < 150_000
