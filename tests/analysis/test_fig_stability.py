"""Figure of relaxation and stability: data of the artists against modes computed one machine at a time."""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal

from langevin_qtm import floquet_modes
from langevin_qtm.physics.embedding import Embedding

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"
PANELS = ("damping", "ratio", "phase", "map", "colors")


@pytest.fixture(scope="module")
def script():
    """The figure script as a module."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        plt.switch_backend("Agg")
        import fig_stability

        yield fig_stability
    for name in {"fig_stability", "paths"} - before:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def grid(script):
    return script.Grid(
        np.geomspace(1e-1, 1e2, 25), np.array([0.4, 2.0, 2.05, 2.1]), np.geomspace(1e-4, 1.0, 9)
    )


@pytest.fixture(scope="module")
def undriven(script, grid):
    return script.along_static_gamma(script.static_only, grid)


@pytest.fixture(scope="module")
def driven(script, grid):
    return script.along_static_gamma(script.converter, grid)


@pytest.fixture(scope="module")
def strong(script, grid):
    return script.boundary(script.STRONG, grid)


@pytest.fixture(scope="module")
def weak(script, grid):
    return script.boundary(script.WEAK, grid)


@pytest.fixture(scope="module")
def panels(script, undriven, driven, strong, weak):
    """The panels by name, in the style of the folder."""
    with mpl.rc_context(fname=script.STYLE):
        figure = script.draw(undriven, driven, strong, weak)
        yield dict(zip(PANELS, figure.axes, strict=True))
        plt.close(figure)


def curves(axes, style, color):
    """Data (x, y) of the lines of one style and color."""
    chosen = [line for line in axes.lines if (line.get_linestyle(), line.get_color()) == (style, color)]
    return [line.get_xydata().T for line in chosen]


def test_panels_are_lettered_and_state_their_units(panels):
    titles = [panels[name].get_title(loc="left") for name in ("damping", "ratio", "map")]
    assert [title[-4] for title in titles] == ["a", "b", "c"]
    assert all("[" in panels[name].get_ylabel() for name in ("damping", "phase", "map"))
    assert all("[" in panels[name].get_xlabel() for name in ("phase", "map"))


@pytest.mark.parametrize(("style", "name"), [("-", "static_only"), ("--", "converter")])
def test_damping_panel_shows_the_three_kinds_of_mode(script, panels, grid, style, name):
    color = dict(zip(("antiphase", "slow", "fast"), script.MODE_COLORS, strict=True))
    modes = floquet_modes(getattr(script, name)(grid.static_gammas[-1]))
    decay, swings = modes["decay_rate"].values, np.abs(modes["frequency"].values) > 0.5
    expected = {"antiphase": decay[swings][0], "slow": decay[~swings].min(), "fast": decay.max()}
    for kind, value in expected.items():
        ((x, y),) = curves(panels["damping"], style, color[kind])
        assert_array_equal(x, grid.static_gammas)
        assert y[-1] == pytest.approx(value, rel=1e-9)  # rounding


def test_damping_panel_shows_the_rate_of_the_driven_reservoir(script, panels):
    ((_, y),) = curves(panels["damping"], "--", script.GRAY)
    assert_allclose(y, 12.0, atol=0.2)  # its cut-off, next to which a root passes


def test_limits_are_reached(script, panels):
    drawn = [line.get_xydata().T for line in panels["damping"].lines if line.get_color() == "k"]
    assert len(drawn) == 4
    for color in script.MODE_COLORS:
        ((x, y),) = curves(panels["damping"], "-", color)
        gaps = [abs(limit_y[-1] / y[-1] - 1) for limit_x, limit_y in drawn if limit_x[-1] == x[-1]]
        assert min(gaps) < 1e-3  # discretisation: next order in 1/γ_2


@pytest.mark.parametrize("style", ["-", "--"])
def test_shape_panel_ends_in_antiphase(script, panels, style):
    ((_, ratio),) = curves(panels["ratio"], style, script.MODE_COLORS[0])
    ((_, phase),) = curves(panels["phase"], style, script.MODE_COLORS[0])
    assert ratio[-1] == pytest.approx(1.0, abs=1e-3)
    assert phase[-1] == pytest.approx(1.0, abs=2e-3)
    assert ratio[0] < 0.5


def test_shape_panel_shows_b_over_a_of_the_machine(script, panels, grid):
    ((_, ratio),) = curves(panels["ratio"], "-", script.MODE_COLORS[0])
    ((_, phase),) = curves(panels["phase"], "-", script.MODE_COLORS[0])
    for k, gamma in enumerate(grid.static_gammas):
        modes = floquet_modes(script.static_only(gamma))
        mode = modes.isel(mode=int(np.argmax(modes["frequency"].values)))
        amplitude, angle = mode["shape_amplitude"].values, mode["shape_phase"].values
        assert ratio[k] == pytest.approx(amplitude[1] / amplitude[0])
        assert np.exp(1j * np.pi * phase[k]) == pytest.approx(np.exp(1j * (angle[1] - angle[0])))


def test_map_shows_the_largest_multiplier(script, panels, grid):
    (mesh,) = (item for item in panels["map"].collections if isinstance(item, mpl.collections.QuadMesh))
    colors = mesh.get_array().reshape(len(grid.strengths), len(grid.drive_frequencies))
    for k, frequency in enumerate(grid.drive_frequencies):
        for i, strength in enumerate(grid.strengths):
            machine = script.structured(strength, frequency, script.STRONG)
            expected = np.log(Embedding(machine).max_multiplier)
            assert colors[i, k] == pytest.approx(expected, rel=1e-2)  # as the scan is refined


@pytest.mark.parametrize(("gamma", "style"), [("STRONG", "-"), ("WEAK", "--")])
def test_boundary_separates_stable_from_unstable(script, panels, gamma, style):
    ((x, y),) = (data for data in curves(panels["map"], style, "k") if data.shape[1] > 2)
    assert np.count_nonzero(~np.isnan(y)) >= 2
    for frequency, strength in zip(x[~np.isnan(y)], y[~np.isnan(y)], strict=True):
        below, above = (
            Embedding(script.structured(factor * strength, frequency, getattr(script, gamma))).max_multiplier
            for factor in (0.99, 1.01)
        )
        assert below < 1 < above


def test_example_is_unstable(script, panels):
    (marker,) = (line for line in panels["map"].lines if line.get_marker() == "x")
    ((frequency, strength),) = marker.get_xydata()
    assert Embedding(script.structured(strength, frequency, script.WEAK)).max_multiplier > 1.1


def test_color_bar_is_labeled_by_multipliers(script, panels):
    assert_allclose(panels["colors"].get_xticks(), np.log(script.TICKS))
    labels = [float(label.get_text()) for label in panels["colors"].get_xticklabels()]
    assert_allclose(labels, script.TICKS)


def test_curve_is_cut_between_tongues_only(script):
    values = np.array([1.0, 1.1, np.nan, 0.9, 0.2, 0.19])
    assert_array_equal(script.without_jumps(values), [1.0, 1.1, np.nan, 0.9, np.nan, 0.19])


def test_command_line_writes_pdf_and_small_png(script, grid, tmp_path, capsys):
    few = script.Grid(np.geomspace(1e-1, 1e2, 7), grid.drive_frequencies, grid.strengths)
    script.main(["-o", str(tmp_path / "figures")], few)
    assert (tmp_path / "figures" / "fig_stability.pdf").read_bytes().startswith(b"%PDF")
    png = (tmp_path / "figures" / "fig_stability.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert len(png) < 150_000
    assert "4/4" in capsys.readouterr().err
