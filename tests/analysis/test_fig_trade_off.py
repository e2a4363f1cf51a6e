"""Figures of the trade-off of engines and of bounds of periodic drives: what is drawn, on coarse axes."""

import sys
from importlib import import_module
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose

from langevin_qtm import load_sweep, run_sweep

ROOT = Path(__file__).resolve().parents[2]
ROUNDING = 1e-9
SHARED = ("paths", "published", "saving")
COARSE = {
    "trade_off": {"sweep.drive.frequency": {"start": 0.12, "stop": 0.78, "num": 12}},
    "periodic_bounds": {
        "sweep.temperature.num": 4,
        "sweep.drive.frequency": {"start": 0.01, "stop": 1000.0, "num": 11, "scale": "log"},
    },
}


@pytest.fixture(scope="module")
def scripts():
    """The scripts as modules, by name."""
    before = set(sys.modules)
    names = [f"fig_{name}" for name in COARSE]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "analysis")
        plt.switch_backend("Agg")
        yield {name.removeprefix("fig_"): import_module(name) for name in names}
    for name in {*SHARED, *names} - before:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def datasets(scripts):
    """Coarse curves and maps; second order in the place of samples, with errors of a tenth."""
    found = {}
    for name, overrides in COARSE.items():
        script = scripts[name].SCRIPT
        load = lambda stem, given, name=name: run_sweep(  # noqa: E731
            load_sweep(ROOT / "runs" / name / f"{stem}.toml", given)
        )
        own = {stem: load(stem, overrides) for stem in script.exact}
        for stem in script.sampled:
            points = own[stem] = load(stem, {"solver": {"method": "second_order"}})
            for quantity in script.compared:
                points[f"exact_{quantity}"] = points[f"second_order_{quantity}"] = points[quantity]
                points[f"{quantity}_se"] = 0.1 * abs(points[quantity])
                points[f"{quantity}_bias"] = points[f"exact_{quantity}_error"] = 0.0 * points[quantity]
        found[name] = dict(script.derive(own))
    return found


@pytest.fixture(scope="module")
def drawn(scripts, datasets):
    """Panels by name of the figure."""
    with mpl.rc_context(fname=ROOT / "langevin_qtm" / "inspection" / "langevin.mplstyle"):
        figures = {name: scripts[name].draw(datasets[name]) for name in COARSE}
        yield {name: figure.axes for name, figure in figures.items()}
        for figure in figures.values():
            plt.close(figure)


def test_tradeoff_curves_are_reciprocal_uncertainty_ratios_of_engines(datasets, drawn):
    curves = datasets["trade_off"]["curves"].sel(cold_gamma=100.0, cold_temperature=0.1)
    x, y = drawn["trade_off"][0].lines[0].get_data()
    assert_allclose(x, curves["drive_frequency"], rtol=ROUNDING)
    assert_allclose(y, (1 / curves["power_tur_ratio"]).where(curves["power"] < 0), rtol=1e-6)


def test_tradeoff_is_bounded_and_sampled_points_stand_on_the_curves(scripts, datasets, drawn):
    script = scripts["trade_off"]
    assert float(script.tradeoff(datasets["trade_off"]["weighted"]).max()) < script.BOUND
    for index, panel in enumerate(drawn["trade_off"][:4]):
        assert len(panel.containers) == datasets["trade_off"]["points"].sizes["point"]
        for bars, one in zip(panel.containers, script.each(datasets["trade_off"]["points"]), strict=True):
            value, error = script.QUANTITIES[index]
            assert_allclose(
                bars.lines[0].get_xydata()[0], [one["drive_frequency"], value(one)], rtol=ROUNDING
            )
            assert float(error(one)) > 0


def test_weighted_points_have_the_weight_of_their_frequency(datasets):
    points = datasets["trade_off"]["points"]
    amplitude, omega = points["hot_B_amplitude"].values, points["drive_frequency"].values
    weighted = amplitude != 1
    assert weighted.sum() == 4
    assert_allclose(amplitude[weighted], omega[weighted] / 1.29, rtol=1e-5)


def test_efficiency_panel_is_relative_to_carnot(datasets, drawn):
    curves = datasets["trade_off"]["curves"].sel(cold_gamma=100.0, cold_temperature=0.1)
    assert_allclose(drawn["trade_off"][1].lines[0].get_ydata(), curves["efficiency"] / 0.9, rtol=1e-6)


def test_maps_show_ratios_below_two_for_the_weights_they_name(scripts, datasets, drawn):
    script, ratios = scripts["periodic_bounds"], datasets["periodic_bounds"]["ratios"]
    panels = drawn["periodic_bounds"][:8]
    for panel, (r, (gamma, cutoff)) in zip(
        panels, [(r, c) for r in (0, 1) for c in script.COLUMNS], strict=True
    ):
        one = ratios.sel({"r": r, "static_gamma": gamma, "driven_cutoff": cutoff, "oscillator": "A"})
        shown = panel.collections[0].get_array()
        expected = one["koyuk_seifert_ratio"].transpose("temperature", "drive_frequency").values
        below = expected < 2
        assert_allclose(np.ma.getdata(shown)[below.reshape(shown.shape)], expected[below], rtol=ROUNDING)
        assert np.array_equal(np.ma.getmaskarray(shown).reshape(below.shape), ~below)


def test_plain_ratio_of_unweighted_drives_is_that_of_the_run_file(datasets):
    maps, ratios = (datasets["periodic_bounds"][name] for name in ("maps", "ratios"))
    plain = ratios["tur_ratio"].sel(r=0).transpose(*maps["tur_ratio"].dims)
    # a ratio of P_A ~ 0 has no digits left
    assert_allclose(np.log(plain), np.log(maps["tur_ratio"]), rtol=1e-5, atol=1e-5)


def test_three_ingredients_for_periodic_drives(scripts, datasets):
    """r = 1: without memory nothing is extracted precisely; r = 0: nothing without strong coupling."""
    sentences = scripts["periodic_bounds"].numbers(datasets["periodic_bounds"])
    nowhere = {text.split(":")[0] for text in sentences if "nowhere" in text}
    assert nowhere == {
        "r = 0, γ_2 = 0.01, w_c = 12",
        "r = 0, γ_2 = 0.01, w_c = 1000",
        "r = 1, γ_2 = 100, w_c = 1000",
        "r = 1, γ_2 = 0.01, w_c = 1000",
    }


def test_sentences_quote_the_datasets(scripts, datasets):
    text = "\n".join(scripts["trade_off"].numbers(datasets["trade_off"]))
    largest = float(scripts["trade_off"].tradeoff(datasets["trade_off"]["weighted"]).max())
    assert f"{largest:.4f}" in text
