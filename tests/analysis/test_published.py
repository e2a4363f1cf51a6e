"""Figures of published results: run files, datasets, what is drawn, and what it claims.

Exact datasets are the coarse ones of `--quick`; sampled ones are made up from second order, with errors of
1 %.
"""

import sys
import tomllib
from importlib import import_module
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose
from scipy import stats

from langevin_qtm import load_sweep, periodic_steady_state, run_sweep, second_order
from langevin_qtm.data.files import save

ROOT = Path(__file__).resolve().parents[2]
SHARED = ("make_all", "paths", "published", "saving", "write_numbers")
CONVERTER = ("synchronisation", "ingredients", "precision", "conversion")
RUN_FILES = sorted(path.relative_to(ROOT / "runs") for path in (ROOT / "runs").glob("*/*.toml"))
SAMPLED = [path for path in RUN_FILES if path.stem.startswith("points")]
ERROR = 0.01  # of made-up samples
ROUNDING = 1e-9


@pytest.fixture(scope="module")
def modules():
    """The scripts by name."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "analysis")
        plt.switch_backend("Agg")
        yield {name: import_module(name) for name in (*SHARED, *(f"fig_{name}" for name in CONVERTER))}
    for name in {name for name in sys.modules if name in SHARED or name.startswith("fig_")} - before:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def datasets(modules):
    """Datasets of the four figures by name and run file."""
    found = {}
    for name in CONVERTER:
        script = modules[f"fig_{name}"].SCRIPT
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(modules["published"], "DATA", Path("nowhere"))
            patch.setattr(
                modules["published"], "ROUTES", {"second_order": {"solver": {"method": "second_order"}}}
            )
            exact = {stem: load(name, stem, script.quick.get(stem)) for stem in script.exact}
            found[name] = exact | {stem: made_up(name, stem, script) for stem in script.sampled}
    return found


def load(name, stem, overrides=None):
    """Dataset of a run file."""
    return run_sweep(load_sweep(ROOT / "runs" / name / f"{stem}.toml", overrides))


def made_up(name, stem, script):
    """Second order in the place of samples, one and a half of their standard errors too large."""
    dataset = load(name, stem, {"solver": {"method": "second_order"}})
    for quantity in script.compared:
        exact = dataset[quantity]
        error = ERROR * abs(exact)
        dataset[f"exact_{quantity}"] = dataset[f"second_order_{quantity}"] = exact
        dataset[f"{quantity}_se"] = error
        dataset[f"{quantity}_bias"] = dataset[f"exact_{quantity}_error"] = 0.0 * error
        dataset[quantity] = exact + 1.5 * error
    return dataset


@pytest.fixture
def drawn(modules, datasets):
    """Figure by name, in the style of the folder."""

    def draw(name, without=()):
        given = {stem: one for stem, one in datasets[name].items() if stem not in without}
        return modules[f"fig_{name}"].draw(given)

    with mpl.rc_context(fname=ROOT / "langevin_qtm" / "inspection" / "langevin.mplstyle"):
        yield draw
    plt.close("all")


# ----------------------------------------------------------------------------------------------- run files


@pytest.mark.parametrize("path", RUN_FILES, ids=str)
def test_run_file_describes_a_sweep_and_says_why_and_at_what_cost(path):
    text = (ROOT / "runs" / path).read_text(encoding="utf-8")
    axes = tomllib.loads(text)["sweep"]
    short = {f"sweep.{key}.num": 2 for key, axis in axes.items() if isinstance(axis, dict) and "num" in axis}
    assert load_sweep(ROOT / "runs" / path, short).size > 1
    assert all(f"\n# {word}:" in text for word in ("Purpose", "Cost"))


@pytest.mark.parametrize("path", SAMPLED, ids=str)
def test_sampled_points_end_after_fixed_periods_and_reach_strong_coupling(path):
    sweep = load_sweep(ROOT / "runs" / path)
    for run in sweep.runs:
        assert run.solver.periods
        assert run.solver.time_limit is None  # or else results depend on the machine
        assert run.solver.target_error is None
    gammas = [reservoir.spectral_density.gamma for run in sweep.runs for reservoir in run.machine.reservoirs]
    assert max(gammas) == 100.0
    assert sweep.size >= 5 or path.parent.name == "precision"  # which has two such files


# ------------------------------------------------------------------------------------------ shared machinery


def test_collect_takes_what_is_given_by_its_configuration_and_computes_exact_ones(modules, capsys, tmp_path):
    published, script = modules["published"], modules["fig_synchronisation"].SCRIPT
    axis = "sweep.reservoir.static.spectral_density.gamma"
    quick = {"coupling": {axis: [1.0, 2.0]}, "temperature": {axis: [1.0], "sweep.temperature.num": 2}}
    tiny = published.Script(**{**vars(script), "quick": quick})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published, "DATA", tmp_path)
        given = load("synchronisation", "coupling", quick["coupling"]).assign_attrs(mark=1)
        other = load("synchronisation", "coupling", {axis: [1.0, 3.0]}).assign_attrs(mark=2)
        found = published.collect(tiny, [other, given], quick=True)
    assert found["coupling"].attrs["mark"] == 1
    assert "mark" not in found["temperature"].attrs
    assert "points" not in found
    assert "langevin-qtm run runs/synchronisation/points.toml" in capsys.readouterr().out


def test_collect_takes_what_is_kept(modules, tmp_path, monkeypatch):
    published, script = modules["published"], modules["fig_synchronisation"].SCRIPT
    monkeypatch.setattr(published, "DATA", tmp_path)
    axis = "sweep.reservoir.static.spectral_density.gamma"
    quick = {"coupling": {axis: [1.0, 2.0]}}
    one = published.Script(**{**vars(script), "exact": ("coupling",), "sampled": (), "quick": quick})
    dataset = load("synchronisation", "coupling", quick["coupling"]).assign_attrs(mark=1)
    save(dataset, published.kept(one, "coupling"))
    assert published.collect(one, quick=True)["coupling"].attrs["mark"] == 1


def test_bias_is_relative_to_the_largest_number_of_a_point(modules):
    sampled = xr.Dataset(
        {
            "local_power": (("point", "oscillator"), [[-3.0, 1.0], [0.5, 2.0]]),
            "step_error": ("point", [0.01, 0.02]),
            "noise_fit_error": ("point", [0.001, 0.002]),
        }
    )
    found = modules["published"].with_routes(sampled, {}, ["local_power"])
    assert_allclose(found["local_power_bias"], [3.0 * 0.011, 2.0 * 0.022], rtol=ROUNDING)


def test_deviation_is_in_units_of_all_errors_together(modules):
    errors = {"power_se": 3.0, "power_bias": 4.0, "exact_power_error": 12.0}
    one = xr.Dataset({"power": 27.0, "exact_power": 1.0, **errors})
    assert_allclose(modules["published"].deviation(one, "power"), 2.0, rtol=ROUNDING)


def test_routes_are_those_of_the_same_machines(modules):
    published = modules["published"]
    overrides = {"sweep.point.values": [[1.0, 0.1, 0.1, 64], [0.1, 0.1, 0.1, 128]], "solver.trajectories": 64}
    path = ROOT / "runs" / "synchronisation" / "points.toml"
    sampled = run_sweep(load_sweep(path, overrides))
    others = {
        name: run_sweep(load_sweep(path, overrides | route)) for name, route in published.ROUTES.items()
    }
    found = published.with_routes(sampled, others, ["pearson", "local_power"])
    for index, run in enumerate(load_sweep(path, overrides).runs):
        one = published.of_first(found.isel(point=index))
        exact, second = periodic_steady_state(run.machine, 1e-7, 4), second_order(run.machine)
        assert_allclose(one["exact_pearson"], exact["pearson"], rtol=ROUNDING)
        assert_allclose(one["exact_local_power"], exact["local_power"][0], rtol=ROUNDING)
        assert_allclose(one["second_order_local_power"], second["local_power"][0], rtol=ROUNDING)
        bias = (one["step_error"] + one["noise_fit_error"]) * abs(one["pearson"])
        error = np.sqrt(one["pearson_se"] ** 2 + exact["pearson_error"] ** 2 + bias**2)
        z = (one["pearson"] - exact["pearson"]) / error
        assert_allclose(published.deviation(one, "pearson"), z, rtol=ROUNDING)
        assert abs(z) < 6  # sampling: a false alarm in 1e9


def test_table_has_a_row_for_each_number_with_an_error(modules, datasets):
    published, script = modules["published"], modules["fig_conversion"].SCRIPT
    lines = published.tables(script, datasets["conversion"])
    points = published.of_first(datasets["conversion"]["points"])
    finite = sum(int(np.isfinite(points[f"{name}_se"]).sum()) for name in script.compared)
    assert len(lines) == 3 + finite
    assert lines[3].startswith("| 100, 0.1, 0.01 | $P_A$ | -1.97")
    assert lines[3].split(" | ")[4] in ("+1.5", "-1.5")


def test_deviations_are_drawn_one_point_after_the_other(modules, datasets, drawn):
    axes = drawn("precision").axes[3]
    script = modules["fig_precision"].SCRIPT
    marks = {line.get_label(): line.get_ydata() for line in axes.lines if line.get_linestyle() == "None"}
    assert list(marks) == list(script.compared.values())
    sizes = [datasets["precision"][stem].sizes["point"] for stem in script.sampled]
    for z in marks.values():
        assert len(z) == sum(sizes)
        assert_allclose(
            np.abs(z[np.isfinite(z)]), 1.5, rtol=1e-3
        )  # made up so; errors of second order are small


@pytest.mark.parametrize("name", CONVERTER)
def test_figures_without_sampled_points_say_so_or_leave_them_out(modules, drawn, name):
    figure = drawn(name, without=modules[f"fig_{name}"].SCRIPT.sampled)
    circles = [bars for axes in figure.axes for bars in axes.containers]
    assert not circles


def test_blocks_of_texts_are_filled_and_others_are_left(modules):
    text = "a\n<!-- numbers: one -->\nold\n<!-- end -->\nb\n<!-- numbers: two -->\nkept\n<!-- end -->\n"
    after = modules["write_numbers"].filled(text, {"one": "new\n"})
    assert after == text.replace("old", "new")


def test_scores_are_standardised(modules, datasets):
    write, script = modules["write_numbers"], modules["fig_synchronisation"].SCRIPT
    z = write.scores(script, datasets["synchronisation"])
    assert_allclose(np.abs(z), 1.5, rtol=1e-3)
    row = write.deviations({"one": z}).splitlines()[2]
    assert row.startswith(f"| one | {len(z)} | 1.50 | 1.5 |")


def test_table_of_deviations_tells_spread_largest_and_what_is_usual(modules):
    """Half of all sets of five normal numbers stay below 1.52: 2 Φ(1.52) - 1 = 0.5^(1/5)."""
    rows = modules["write_numbers"].deviations({"one": np.array([3.0, 4.0, 0.0, 0.0, -5.0])}).splitlines()
    assert rows[2:] == ["| one | 5 | 3.16 | 5.0 | 1.5 |", "| all | 5 | 3.16 | 5.0 | 1.5 |"]
    usual = stats.norm.isf(0.5 * (1 - 0.5**0.2))
    assert 1.45 < usual < 1.55


def test_every_published_result_has_a_figure_and_sampled_points(modules):
    for name, script in modules["make_all"].scripts().items():
        assert script.name == name
        files = {path.stem for path in RUN_FILES if path.parent.name == name}
        assert files == {*script.exact, *script.sampled}
        assert script.sampled or name == "periodic_bounds"  # derivatives are not sampled
        assert set(script.quick) <= set(script.exact)


# ---------------------------------------------------------------------------- what figures draw and claim


def test_conversion_draws_the_ratio_of_powers_and_the_sampled_points(modules, datasets, drawn):
    script, curves = modules["fig_conversion"], datasets["conversion"]["curves"]
    axes = drawn("conversion").axes[0]
    powers = curves["local_power"].sel(script.CHOSEN)
    for line, gamma in zip(axes.lines, script.COLORS, strict=False):
        one = powers.sel(static_gamma=gamma)
        assert_allclose(line.get_ydata(), -one.sel(oscillator="A") / one.sel(oscillator="B"), rtol=ROUNDING)
    points = datasets["conversion"]["points"]
    shown = [bars.lines[0].get_xydata()[0] for bars in axes.containers]
    wanted = np.stack([points["drive_frequency"], points["conversion_efficiency"]], axis=1)
    assert_allclose(shown, wanted, rtol=ROUNDING)


def test_conversion_fills_points_of_weak_drives(modules, datasets, drawn):
    script, points = modules["fig_conversion"], datasets["conversion"]["points"]
    faces = [bars.lines[0].get_markerfacecolor() for bars in drawn("conversion").axes[0].containers]
    weak = points["driven_gamma"].values <= 1e-3
    colors = [script.COLORS[gamma] for gamma in points["static_gamma"].values]
    assert faces == [color if filled else "w" for color, filled in zip(colors, weak, strict=True)]
    assert 0 < weak.sum() < weak.size


def test_conversion_shades_the_range_over_frequencies_of_b(modules, datasets, drawn):
    script, curves = modules["fig_conversion"], datasets["conversion"]["curves"]
    powers = curves["local_power"].sel(temperature=script.CHOSEN["temperature"])
    shades = drawn("conversion").axes[0].collections
    for shade, gamma in zip(shades, script.COLORS, strict=False):
        one = powers.sel(static_gamma=gamma)
        ratio = -one.sel(oscillator="A") / one.sel(oscillator="B")
        lowest, highest = ratio.min("frequency_B").values, ratio.max("frequency_B").values
        for x, *ends in zip(ratio["drive_frequency"].values, lowest, highest, strict=True):
            shown = shade.get_paths()[0].vertices
            at = shown[np.isclose(shown[:, 0], x, rtol=ROUNDING), 1]
            assert_allclose([at.min(), at.max()], ends, rtol=ROUNDING)


def test_conversion_draws_and_quotes_power_that_is_extracted(modules, datasets, drawn):
    script, curves = modules["fig_conversion"], datasets["conversion"]["curves"]
    extracted = -curves["local_power"].sel(script.CHOSEN).sel(oscillator="A") / 0.01  # its γ_1
    for line, gamma in zip(drawn("conversion").axes[1].lines, script.COLORS, strict=True):
        one = extracted.sel(static_gamma=gamma)
        assert_allclose(line.get_ydata(), one.where(one > 0), rtol=ROUNDING)
    slow = extracted.sel(static_gamma=100.0).isel(drive_frequency=0)
    assert float(slow) > 0
    (sentence,) = (
        one for one in script.numbers(datasets["conversion"]) if "γ_2 = 100: largest -P_A/P_B of slow" in one
    )
    assert sentence.endswith(f"-P_A/γ_1 = {float(slow):.2g}.")


def test_most_work_is_converted_at_strong_coupling(datasets):
    exact = datasets["conversion"]["exact"].sel(driven_gamma=1e-4)
    power = exact["local_power"]
    ratio = -power.sel(oscillator="A") / power.sel(oscillator="B")
    for omega in (0.1, 1000.0):
        strong, weak = (
            float(ratio.sel(static_gamma=g).sel(drive_frequency=omega, method="nearest")) for g in (100, 0.01)
        )
        assert strong > 0.8
        assert weak < 0.5


def test_locking_is_that_of_the_fluctuation_dissipation_theorem(datasets):
    """C of two oscillators in one Ohmic reservoir, by a quadrature of coth(w/2T) chi''(w) over its lines."""
    coupling = datasets["synchronisation"]["coupling"]
    for gamma, temperature in ((0.1, 0.1), (1.0, 0.3), (10.0, 0.1)):
        at = coupling["pearson"].sel(frequency_B=0.6, temperature=temperature)
        shown = at.sel(static_gamma=gamma, method="nearest")
        omega = np.concatenate([np.geomspace(1e-6, 2.0, 400001), np.geomspace(2.0, 1e6, 200001)[1:]])
        inverse_a, inverse_b = 1.0 - omega**2, 0.36 - omega**2
        friction = 1j * omega * float(shown["static_gamma"])
        determinant = inverse_a * inverse_b - friction * (inverse_a + inverse_b)
        chi = {"AA": inverse_b - friction, "BB": inverse_a - friction, "AB": friction}
        weight = 1 / np.tanh(omega / (2 * temperature)) / np.pi
        moments = {
            key: np.trapezoid(weight * (value / determinant).imag, omega) for key, value in chi.items()
        }
        pearson = moments["AB"] / np.sqrt(moments["AA"] * moments["BB"])
        assert_allclose(shown, pearson, atol=2e-4)  # discretization of the trapezoidal rule
    assert float(coupling["pearson"].sel(static_gamma=100.0, temperature=0.1, frequency_B=0.6)) < -0.5
    assert abs(float(coupling["pearson"].sel(static_gamma=1e-4, temperature=0.1, frequency_B=0.6))) < 1e-4


def test_synchronisation_draws_points_on_the_curve_of_their_temperature(datasets, drawn):
    points = datasets["synchronisation"]["points"]
    axes = drawn("synchronisation").axes[0]
    shown = np.concatenate([bars.lines[0].get_xydata() for bars in axes.containers])
    wanted = np.stack([points["static_gamma"], points["pearson"]], axis=1)
    assert_allclose(np.sort(shown, axis=0), np.sort(wanted, axis=0), rtol=ROUNDING)


def test_precision_draws_ratio_against_pearson(modules, datasets, drawn):
    script = modules["fig_precision"]
    curves = datasets["precision"]["curves"].sel(script.CHOSEN).sel(oscillator="A")
    figure = drawn("precision")
    for axes, omega in zip(figure.axes, (script.FAST, script.SLOW), strict=False):
        lines = {line.get_label(): line.get_xydata() for line in axes.lines}
        one = curves.sel(drive_frequency=omega)
        wanted = np.stack([one["pearson"], one["tur_ratio"]], axis=1)
        assert_allclose(lines[r"$\gamma_1 \to 0$"], wanted, rtol=ROUNDING)


def test_stronger_locking_is_more_precise(modules, datasets):
    curves = datasets["precision"]["curves"].sel(modules["fig_precision"].CHOSEN).sel(oscillator="A")
    for omega in curves["drive_frequency"].values:
        one = curves.sel(drive_frequency=omega)
        extracted = one.isel(static_gamma=np.flatnonzero(one["local_power"] < 0))
        assert extracted.sizes["static_gamma"] > 5
        assert np.all(np.diff(extracted["pearson"]) < 0)
        assert np.all(np.diff(extracted["tur_ratio"]) < 0)


def test_power_is_extracted_only_with_a_phase_and_precise_at_fast_drives_with_all_ingredients(
    modules, datasets
):
    script = modules["fig_ingredients"]
    for label, maps, _ in script.families(datasets["ingredients"]):
        for gamma, cutoff in script.COLUMNS:
            one = maps.sel({script.STATIC: gamma, script.CUTOFF: cutoff, "oscillator": "A"})
            extracted = one["local_power"] < 0
            both = extracted & (one["tur_ratio"] < 2)
            if script.NAMES[label] == "Phase 0":
                assert not extracted.any()
            is_complete = (gamma, cutoff) == (100.0, 12.0) and script.NAMES[label] != "Phase 0"
            fast = both.sel(drive_frequency=slice(2.0, None))
            assert bool(fast.any()) == is_complete, (label, gamma, cutoff)


def test_maps_hatch_where_nothing_is_extracted_or_precise(modules, datasets, drawn, monkeypatch):
    script = modules["fig_ingredients"]
    plain, hatched = script.draw_map, []

    def noted(axes, values, where, **style):
        hatched.append((axes, where))
        return plain(axes, values, where, **style)

    monkeypatch.setattr(script, "draw_map", noted)
    grid = drawn("ingredients").axes
    maps = datasets["ingredients"]["maps"]
    one = maps.sel(static_gamma=100.0, driven_cutoff=12.0, oscillator="A").isel(driven_B_phase=-1)
    by_axes = dict(hatched)
    for axes, name, limit in ((grid[0], "local_power", 0.0), (grid[4], "tur_ratio", 2.0)):
        values = one[name].transpose("temperature", "drive_frequency").values
        is_hatched = by_axes[axes].transpose("temperature", "drive_frequency").values
        np.testing.assert_array_equal(is_hatched, values >= limit)
        assert is_hatched.any()
        assert not is_hatched.all()
        shown = np.ma.filled(axes.collections[0].get_array(), np.nan).reshape(values.shape)
        assert_allclose(shown[~is_hatched], values[~is_hatched], rtol=ROUNDING)


def test_ingredients_quote_shares_of_the_maps(modules, datasets):
    script = modules["fig_ingredients"]
    maps = datasets["ingredients"]["maps"]
    one = maps.sel(static_gamma=100.0, driven_cutoff=12.0, oscillator="A").isel(driven_B_phase=-1)
    extracted, precise = one["local_power"].values < 0, one["tur_ratio"].values < 2
    first = script.numbers(datasets["ingredients"])[0]
    words = f"extracted on {extracted.mean():.0%} of the map, precise on {precise.mean():.0%}"
    assert words in first
    assert 0.1 < extracted.mean() < 0.9


def test_ingredients_draw_powers_relative_to_exact_ones(modules, datasets, drawn):
    axes = drawn("ingredients").axes[-2]
    points = modules["published"].of_first(datasets["ingredients"]["points"])
    sampled = points["local_power"] / points["exact_local_power"]
    assert_allclose(axes.containers[0].lines[0].get_ydata(), sampled, rtol=ROUNDING)
    second = points["second_order_local_power"] / points["exact_local_power"]
    assert_allclose(axes.lines[1].get_ydata(), second, rtol=ROUNDING)
