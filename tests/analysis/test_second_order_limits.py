"""Where second order ends: the computed deviations and optima, and that the figures show them.

Tolerances: "coarse" is the factor up to which a golden-rule estimate or a remembered percentage is held;
`ROUNDING` is for what is copied or done in a few operations.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal

from langevin_qtm import open_dataset
from langevin_qtm.data.files import save

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"
MODULES = ("second_order_limits", "fig_second_order_limits", "engine_saturation", "fig_engine_saturation")
ROUNDING = 1e-12
STRONG = 100.0  # γ_2
WEAK_GAMMA, GAMMA, LOW_GAMMA = 1e-5, 1e-3, 1e-2  # γ_1: two for the fast drive, one for the slow
SLOW, FAST = 0.3, 200.0  # Ω


@pytest.fixture(scope="module")
def scripts():
    """The four scripts as modules, by name."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        plt.switch_backend("Agg")
        yield {name: __import__(name) for name in MODULES}
    for name in {*MODULES, "paths"} - before:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def limits(scripts):
    """The script that computes the map."""
    return scripts["second_order_limits"]


@pytest.fixture(scope="module")
def engines(scripts):
    """The script that computes the engine."""
    return scripts["engine_saturation"]


@pytest.fixture(scope="module")
def corner(limits):
    """Exact and second-order powers at γ_2 = 100 on six points."""
    table = limits.empty_table([STRONG], np.array([WEAK_GAMMA, GAMMA, LOW_GAMMA]), np.array([SLOW, FAST]))
    for drive_frequency in (SLOW, FAST):
        assert limits.fill(table, STRONG, drive_frequency)
    return limits.with_deviation(table).sel(static_gamma=STRONG)


def deviation(corner, driven_gamma, drive_frequency):
    """One deviation."""
    return float(corner["deviation"].sel(driven_gamma=driven_gamma, drive_frequency=drive_frequency))


def test_second_order_fails_early_under_fast_drive_and_late_under_slow(corner):
    assert deviation(corner, LOW_GAMMA, SLOW) < 0.01
    assert 0.005 < deviation(corner, WEAK_GAMMA, FAST) < 0.05  # coarse: about a percent
    assert 0.2 < deviation(corner, GAMMA, FAST) < 2.0  # coarse: tens of percents


def test_numerical_error_of_the_deviation_is_far_below_it(corner):
    assert (
        (corner["deviation_error"] < 0.01 * corner["deviation"]).where(corner["deviation"] > 1e-4, True).all()
    )


def test_deviation_starts_linear_in_the_driven_coupling(corner):
    ratio = deviation(corner, GAMMA, FAST) / deviation(corner, WEAK_GAMMA, FAST)
    assert_allclose(ratio, GAMMA / WEAK_GAMMA, rtol=0.05)  # discretization: next order, measured 0.2 %


def test_second_order_power_is_proportional_to_the_driven_coupling(corner):
    rate = corner["second_order_power"] / corner["driven_gamma"]
    assert_allclose(rate, rate.isel(driven_gamma=[0, 0, 0]).values, rtol=1e-7)  # quadrature


def test_deviation_is_relative_to_the_larger_power_and_undefined_without_steady_state(limits):
    table = limits.empty_table([1.0], np.array([0.1, 0.2]), np.array([1.0]))
    table["second_order_power"][0, :, 0] = [[0.0, -2.0], [1.0, 1.0]]
    table["local_power"][0, :, 0] = [[0.5, -2.2], [3.0, 3.0]]
    table["local_power_error"][:], table["second_order_power_error"][:] = 0.02, 0.0
    table["status"][0, :, 0] = [limits.DONE, limits.UNSTABLE]
    judged = limits.with_deviation(table)
    assert_allclose(judged["deviation"].values.ravel(), [0.25, np.nan], rtol=ROUNDING)
    assert_allclose(judged["deviation_error"].values.ravel(), [0.01, np.nan], rtol=ROUNDING)


def test_unstable_machines_are_marked_and_have_no_exact_power(limits):
    table = limits.empty_table([STRONG], np.array([1.0]), np.array([30.0]))
    limits.fill(table, STRONG, 30.0)
    assert table["status"].item() == limits.UNSTABLE
    assert table["local_power"].isnull().all()
    assert table["second_order_power"].notnull().all()


def test_growth_rate_changes_sign_at_the_boundary_of_stability(limits):
    assert limits.growth_rate(limits.converter(STRONG, 1.0, 30.0)) > 0
    assert limits.growth_rate(limits.converter(STRONG, 1e-3, 30.0)) < 0


def test_points_that_do_not_converge_are_marked(limits, monkeypatch):
    def fails(*_, **__):
        raise limits.NotConvergedError("Harmonics", 1.0, 0.1, "wait")

    monkeypatch.setattr(limits, "periodic_steady_state", fails)
    assert limits.steady_state(None, 0.1) == (limits.NOT_CONVERGED, None)


def test_slowest_mode_at_strong_damping_is_the_antiphase_one(limits):
    ((w, damping, shape),) = limits.static_modes(STRONG)
    middle = (1.0 + 0.36) / 2
    assert_allclose(w, np.sqrt(middle), rtol=1e-4)  # discretization: next order in 1/γ_2
    assert_allclose(damping, 0.64**2 / (16 * middle * STRONG), rtol=1e-3)
    assert_allclose(abs(np.array([1, -1]) @ shape) / np.sqrt(2), 1.0, rtol=1e-4)


def test_pumping_scale_predicts_the_deviation_under_fast_drive(limits, corner):
    expected = WEAK_GAMMA / limits.pumping_gamma(STRONG, FAST)
    assert 0.5 < deviation(corner, WEAK_GAMMA, FAST) / expected < 2.0  # coarse


def test_pumping_scale_grows_without_bound_below_the_pair_threshold(limits):
    scales = [limits.pumping_gamma(STRONG, omega) for omega in (3.0, 0.3, 0.03)]
    assert scales[0] < 1e-2 * scales[1] < 1e-3 * scales[2]


def test_refined_axis_holds_the_old_points(limits):
    fine = limits.refined(np.array([1.0, 10.0, 1000.0]), 2)
    assert_allclose(fine, [1.0, np.sqrt(10), 10.0, 100.0, 1000.0], rtol=ROUNDING)


def test_interrupted_map_is_resumed_on_its_own_grid_alone(limits, tmp_path):
    path, gammas, omegas = tmp_path / "map.nc", np.array([1e-3]), np.array([3.0, 30.0])
    empty = limits.empty_table([1.0], gammas, omegas)
    table = empty.copy(deep=True)
    limits.fill(table, 1.0, 3.0)
    save(table, path)
    again = limits.resumed(path, empty)
    assert_array_equal(again["status"].values.ravel(), [limits.DONE, limits.TO_DO])
    assert_array_equal(again["local_power"], table["local_power"])
    assert not limits.fill(again, 1.0, 3.0)
    other = limits.empty_table([1.0], gammas, omegas + 1.0)
    stricter = empty.assign_attrs(tolerance=1e-8)
    assert all((limits.resumed(path, fresh)["status"] == limits.TO_DO).all() for fresh in (other, stricter))


def test_quick_map_runs_resumes_and_is_drawn(scripts, limits, monkeypatch, tmp_path):
    gammas, omegas, _ = limits.grids(quick=True)
    assert len(gammas) * len(omegas) * 10 < len(limits.grids()[0]) * len(limits.grids()[1])
    monkeypatch.setattr(limits, "STATIC_GAMMAS", (1.0,))
    monkeypatch.setattr(limits, "grids", lambda quick: (gammas[1::2], omegas[1:3], 2) if quick else None)
    path = tmp_path / "quick.nc"
    limits.main(["--quick", "-o", str(path)])
    first = open_dataset(path)
    assert first["status"].shape == (1, 3, 2)
    assert set(first["status"].values.ravel()) == {limits.DONE, limits.UNSTABLE}
    assert_array_equal(first["deviation"].notnull(), first["status"] == limits.DONE)
    monkeypatch.setattr(limits, "steady_state", None)  # nothing may be computed again
    limits.main(["--quick", "-o", str(path)])
    xr.testing.assert_identical(open_dataset(path), first)
    check_files(scripts["fig_second_order_limits"], path, tmp_path / "figures")


def check_files(script, dataset, folder):
    """The script writes a PDF and a small PNG."""
    script.main([str(dataset), "-o", str(folder)])
    assert (folder / f"{script.NAME}.pdf").read_bytes().startswith(b"%PDF")
    png = (folder / f"{script.NAME}.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert len(png) < 150_000


@pytest.fixture(scope="module")
def toy_map(limits):
    """Random powers on the real axes of a small map."""
    rng = np.random.default_rng(3)
    table = limits.empty_table(
        [0.01, 1.0, 100.0], np.geomspace(1e-5, 1.0, 6), np.array([0.3, 3.0, 30.0, 200.0])
    )
    for name in ("local_power", "local_power_error", "second_order_power", "second_order_power_error"):
        table[name][:] = rng.uniform(0.1, 1.0, table[name].shape)
    table["status"][:] = limits.DONE
    table["status"][:, -1, -1] = limits.UNSTABLE
    growth = xr.DataArray(
        rng.uniform(-1.0, 1.0, (3, 3, 2)),
        {
            "static_gamma": table["static_gamma"],
            "stability_gamma": [1e-4, 1e-2, 1.0],
            "stability_frequency": [1, 9],
        },
        name="growth_rate",
    )
    return xr.merge([limits.with_deviation(table), limits.theory(table, points=5), growth])


@pytest.fixture(scope="module")
def map_panels(scripts, toy_map):
    """Axes of the figure of the maps: three maps, their bar, collapse, cut."""
    script = scripts["fig_second_order_limits"]
    with mpl.rc_context(fname=script.STYLE):
        figure = script.draw(toy_map)
        yield figure.axes
        plt.close(figure)


def test_maps_show_deviation_levels_and_scale(map_panels, toy_map):
    for axes, static_gamma in zip(map_panels[:3], toy_map["static_gamma"].values, strict=True):
        one = toy_map.sel(static_gamma=static_gamma)
        mesh, levels, boundary = axes.collections[:3]
        assert_array_equal(np.ma.filled(mesh.get_array(), np.nan).reshape(6, 4), one["deviation"].values)
        assert_allclose(np.exp(levels.levels), [0.01, 0.1, 1.0], rtol=ROUNDING)
        assert_array_equal(boundary.levels, [0.0])
        (line,) = (line for line in axes.lines if len(line.get_xdata()) == 5)
        assert_array_equal(line.get_ydata(), one["pumping_gamma_fine"].values)
        assert f"{static_gamma:g}" in axes.get_title()


def test_collapse_shows_deviation_over_scaled_coupling_for_fast_drives(map_panels, toy_map):
    axes = map_panels[-2]
    for index in range(3):
        one = toy_map.isel(static_gamma=index)
        x, y = axes.lines[index].get_data()
        fast = one.sel(drive_frequency=[3.0, 30.0, 200.0])
        there = np.isfinite(x) & np.isfinite(y)
        expected = (fast["driven_gamma"] / fast["pumping_gamma"]).where(fast["deviation"].notnull())
        assert_allclose(
            np.sort(x[there]), np.sort(expected.stack(p=expected.dims).dropna("p")), rtol=ROUNDING
        )
        assert_allclose(
            np.sort(y[there]), np.sort(fast["deviation"].stack(p=[*fast["deviation"].dims]).dropna("p"))
        )


def test_cut_shows_exact_and_second_order_power_over_coupling(scripts, map_panels, toy_map):
    axes, one = map_panels[-1], toy_map.isel(static_gamma=-1, oscillator=0)
    for line, gamma in zip(axes.lines, scripts["fig_second_order_limits"].CUT_GAMMAS, strict=False):
        row = one.sel(driven_gamma=gamma, method="nearest")
        assert_allclose(line.get_ydata(), row["local_power"] / gamma, rtol=ROUNDING)
    dashed = next(line for line in axes.lines if line.get_linestyle() == "--")
    first = one.isel(driven_gamma=0)
    assert_allclose(dashed.get_ydata(), first["second_order_power"] / first["driven_gamma"], rtol=ROUNDING)


def test_quoted_numbers_are_where_the_deviation_reaches_a_level(scripts):
    rows = [[1e-3, 1e-1, 10.0], [0.5, 0.6, np.nan], [1e-4, 1e-3, np.nan]]
    axes = {"drive_frequency": [1.0, 2.0, 3.0], "driven_gamma": [1e-4, 1e-2, 1.0]}
    found = scripts["fig_second_order_limits"].reach(
        xr.Dataset({"deviation": (tuple(axes), rows)}, axes), level=0.01
    )
    assert_allclose(found, [1e-3, 1e-4, np.nan], rtol=ROUNDING)


TUNED = (0.4647, 1.2893)  # Ω and w_1 of largest second-order power at γ_2 = 100


@pytest.fixture(scope="module")
def strong_engine(engines):
    """Curve, best strength and output there, of the engine at γ_2 = 100."""
    curve = engines.follow(STRONG, TUNED, np.array([1e-7, 5e-4, 1e-3, 2e-3]))
    return curve, *engines.refine(STRONG, TUNED, curve)


def test_optimum_is_a_maximum_by_more_than_the_errors(engines, strong_engine):
    _, strength, best = strong_engine
    for factor in (0.8, 1.25):
        beside = engines.output(engines.engine(STRONG, *TUNED, factor * strength))
        assert best["power"] - beside["power"] > 10 * (best["error"] + beside["error"])


def test_second_order_holds_for_the_weak_engine_and_fails_at_the_optimum(engines, strong_engine):
    curve, strength, best = strong_engine
    slope = engines.second_order_slope(STRONG, *TUNED)
    weakest = curve.isel(strength=0)
    assert_allclose(weakest["power"] / weakest["strength"], slope, rtol=0.01)  # next order in d
    assert slope * strength > 10 * best["power"]


def test_optimum_is_near_the_bottleneck_of_rates_in_series(engines, strong_engine):
    limit = engines.bottleneck(STRONG, *TUNED)
    assert 0.7 * limit < strong_engine[2]["power"] < limit


def test_efficiency_at_the_optimum_is_that_of_quanta_lost_and_below_carnot(engines, strong_engine):
    efficiency = strong_engine[2]["efficiency"]
    assert 0.8 * TUNED[0] / TUNED[1] < efficiency < TUNED[0] / TUNED[1] < 1 - engines.COLD / engines.HOT


def test_unstable_engine_has_no_output_and_is_no_optimum(engines):
    machine = engines.engine(10.0, 0.465, 1.29, 10.0)
    assert engines.output(machine)["status"] == engines.UNSTABLE
    assert np.isnan(engines.output(machine)["power"])
    assert engines.search_loss(machine, engines.TOLERANCE) > 0


def test_tuned_engine_is_a_maximum_of_second_order(engines):
    at = np.array(engines.tuned(1.0, points=1))
    best = engines.second_order_slope(1.0, *at)
    for factors in ((0.98, 1.0), (1.02, 1.0), (1.0, 0.98), (1.0, 1.02)):
        assert engines.second_order_slope(1.0, *(at * factors)) < best


def test_quick_engine_runs_and_is_drawn(scripts, engines, monkeypatch, tmp_path):
    gammas, strengths = engines.grids(quick=True)
    assert len(gammas) * len(strengths) * 10 < len(engines.grids()[0]) * len(engines.grids()[1])
    monkeypatch.setattr(engines, "TOLERANCE", 1e-4)
    monkeypatch.setattr(engines, "grids", lambda quick: (gammas[1:2], strengths[2:]) if quick else None)
    path = tmp_path / "quick.nc"
    engines.main(["--quick", "-o", str(path)])
    found = open_dataset(path)
    assert found.sizes == {"static_gamma": 1, "strength": 5}
    assert found["optimum_power"].item() >= found["power"].max().item()
    assert_allclose(found["second_order_power"][0], found["second_order_slope"].item() * found["strength"])
    check_files(scripts["fig_engine_saturation"], path, tmp_path / "figures")
    _, _, row = scripts["fig_engine_saturation"].numbers(found)
    promised = (found["second_order_slope"] * found["optimum_strength"]).item()
    assert [f"{found['optimum_power'].item():.2e}", f"{promised:.1e}"] == [row.split()[i] for i in (8, 12)]


@pytest.mark.slow
def test_free_optimum_is_a_maximum_not_below_the_tuned_one(engines):
    at = engines.tuned(1.0, points=1)
    strengths = np.array([1e-2, 1e-1, 1.0])
    strength, tuned = engines.refine(1.0, at, engines.follow(1.0, at, strengths))
    best, free = engines.free_optimum(1.0, (strength, *at))
    assert free["power"] >= tuned["power"]
    for index in range(3):
        for factor in (0.8, 1.25):
            d, *beside = np.array(best) * np.where(np.arange(3) == index, factor, 1.0)
            assert engines.output(engines.engine(1.0, *beside, d))["power"] < free["power"]


@pytest.fixture(scope="module")
def toy_engines():
    """Random numbers for three static couplings."""
    rng = np.random.default_rng(5)
    gammas, strengths = [0.01, 3.0, 100.0], np.geomspace(1e-5, 1.0, 6)
    curves = ("power", "efficiency", "second_order_power", "series_power")
    points = ("optimum_strength", "optimum_power", "optimum_efficiency", "free_power", "bottleneck")
    variables = {name: (("static_gamma", "strength"), rng.uniform(1e-4, 1e-2, (3, 6))) for name in curves}
    variables |= {name: ("static_gamma", rng.uniform(1e-4, 1e-2, 3)) for name in points}
    return xr.Dataset(variables, {"static_gamma": gammas, "strength": strengths})


def test_engine_figure_shows_the_dataset(scripts, toy_engines):
    script = scripts["fig_engine_saturation"]
    with mpl.rc_context(fname=script.STYLE):
        figure = script.draw(toy_engines)
    power, efficiency, optimum = (
        [line.get_ydata() for line in axes.lines if len(line.get_ydata())] for axes in figure.axes
    )
    weak, strong = toy_engines.isel(static_gamma=0), toy_engines.isel(static_gamma=2)  # 3 is not shown
    names = ("power", "second_order_power", "series_power", "optimum_power")
    expected = [np.atleast_1d(one[name]) for one in (weak, strong) for name in names]
    assert_array_equal(np.concatenate(power), np.concatenate(expected))
    names = ("efficiency", "optimum_efficiency")
    expected = [np.atleast_1d(one[name]) for one in (weak, strong) for name in names]
    assert_array_equal(np.concatenate(efficiency), np.concatenate(expected))
    given = toy_engines.sel(strength=script.GIVEN_STRENGTH, method="nearest")
    names = ("optimum_power", "free_power", "bottleneck")
    expected = [*(toy_engines[name] for name in names), given["second_order_power"], given["power"]]
    assert_array_equal(np.array(optimum), np.array(expected))
    plt.close(figure)
