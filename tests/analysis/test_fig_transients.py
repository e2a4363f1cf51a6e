"""Figures of transients: data of the artists against the dataset and `transient`, on tiny ensembles."""

import sys
from importlib import import_module
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal

from langevin_qtm import floquet_modes, load_run, simulate, transient
from langevin_qtm.data.files import open_dataset, save, stored_machine

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("switch_on", "ramp", "quench", "burst", "instability")
SHORT = {"quench": 12.0}  # the jump is at 10
POINTS = 7
ROUNDING = 1e-9


@pytest.fixture(scope="module")
def scripts():
    """The figure scripts and their helper, by name."""
    before = set(sys.modules)
    names = ("transients", *(f"fig_{name}" for name in NAMES))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "analysis")
        plt.switch_backend("Agg")
        yield {name: import_module(name) for name in names}
    for name in {*names, "paths"} - before:
        sys.modules.pop(name, None)


def small(name):
    """Tiny ensemble of a run file over a short time, soft reservoirs."""
    overrides = {"solver.trajectories": 64, "solver.points": POINTS, "solver.duration": SHORT.get(name, 3.0)}
    run = load_run(ROOT / "runs" / f"{name}.toml", overrides)
    settings = {key: getattr(run.solver, key) for key in run.solver.model_fields_set - {"method"}}
    return simulate(run.machine, **settings)


@pytest.fixture(scope="module")
def quench():
    return small("quench")


@pytest.fixture(scope="module")
def exact(scripts, quench):
    return scripts["transients"].exact_curve(quench)


@pytest.fixture(scope="module")
def axes(scripts, quench, exact):
    """Panels of the quench."""
    with mpl.rc_context(fname=scripts["transients"].STYLE):
        figure = scripts["fig_quench"].draw(quench, exact)
        yield figure.axes
        plt.close(figure)


@pytest.mark.parametrize("name", NAMES)
def test_run_file_asks_for_an_ensemble_over_time(name):
    run = load_run(ROOT / "runs" / f"{name}.toml")
    assert run.solver.method == "simulate"
    assert run.solver.duration > 0
    times = np.linspace(0.0, run.solver.duration, 9)
    for contact in run.machine.contacts:
        assert np.all(np.isfinite(contact.couplings(times)))
    header = (ROOT / "runs" / f"{name}.toml").read_text(encoding="utf-8")
    assert all(f"\n# {word}:" in header for word in ("Purpose", "See", "Cost"))


def test_exact_curve_is_the_transient_of_the_stored_machine(quench, exact):
    run = load_run(ROOT / "runs" / "quench.toml")
    assert len(exact["time"]) == 8 * (POINTS - 1) + 1
    assert_allclose(exact["time"][::8], quench["time"], atol=1e-12)
    direct = transient(run.machine, quench["time"].values, run.solver.start)
    for name in ("position_mean", "position_covariance", "pearson", "work"):
        assert_allclose(exact[name][::8], direct[name], atol=ROUNDING)


def test_points_are_sampled_means_with_their_errors_on_exact_curves(scripts, axes, quench, exact):
    panel = axes[3]
    series = scripts["transients"].series
    shown = dict(series(quench, "position_covariance"))
    errors = dict(series(quench, "position_covariance_se"))
    assert list(shown) == ["AA", "AB", "BB"]
    for container, (label, points) in zip(panel.containers, shown.items(), strict=True):
        x, y = container.lines[0].get_data()
        assert_array_equal(x, quench["time"])
        assert_array_equal(y, points)
        bars = [bar[1, 1] - bar[0, 1] for bar in container.lines[2][0].get_segments()]
        assert_allclose(bars, 2 * errors[label], atol=ROUNDING)
    curves = [line.get_ydata() for line in panel.lines if len(line.get_xdata()) == len(exact["time"])]
    for curve, (_, values) in zip(curves, series(exact, "position_covariance"), strict=True):
        assert_array_equal(curve, values)


def test_deviations_are_in_standard_errors(scripts, axes, quench, exact):
    covariance = "position_covariance"
    scores = scripts["transients"].standardized(quench, exact, covariance)
    expected = (quench[covariance][:, 0, 0] - exact[covariance][::8, 0, 0]) / quench[f"{covariance}_se"][
        :, 0, 0
    ]
    assert_allclose(scores["AA"], expected, atol=ROUNDING)
    shown = [line.get_ydata() for line in axes[5].lines if line.get_marker() == "."]
    assert len(shown) == 6
    assert any(np.array_equal(score, scores["AA"]) for score in shown)


def test_energies_obey_the_first_law(scripts, exact):
    figure, panel = plt.subplots()
    scripts["transients"].draw_energies(panel, exact)
    lines = {line.get_label(): line.get_ydata() for line in panel.lines}
    plt.close(figure)
    stored = lines["oscillators"] + lines["interaction"] + lines["common reservoir"]
    assert lines["work $W$"][-1] > 1
    assert_allclose(stored, lines["work $W$"], atol=1e-6)


def test_panels_are_lettered_and_every_axis_is_labeled(axes):
    assert [panel.get_title(loc="left")[-4] for panel in axes] == list("abcdef")
    assert all(panel.get_ylabel() for panel in axes)
    assert all("[" in panel.get_xlabel() for panel in axes[-2:])


def test_growth_rate_is_that_of_the_largest_multiplier(scripts):
    run = load_run(ROOT / "runs" / "instability.toml")
    script, period = scripts["fig_instability"], run.machine.period
    multiplier = float(floquet_modes(run.machine)["modulus"].max())
    assert multiplier > 1
    late = transient(run.machine, period * np.arange(31), run.solver.start)
    rate, error = script.growth_rate(late, period)
    assert error == 0
    assert_allclose(script.multiplier_rate(late), 2 * np.log(multiplier) / period, rtol=1e-6)
    assert_allclose(rate, 2 * np.log(multiplier) / period, rtol=0.01)


def test_period_rates_come_from_whole_periods_with_errors_of_both_ends(scripts):
    dataset = small("instability")
    period = 1.0
    middle, rates, errors = scripts["fig_instability"].period_rates(dataset, period)
    total = np.einsum("tii->t", dataset["position_covariance"].values)[::2]
    relative = np.einsum("tii->t", dataset["position_covariance_se"].values)[::2] / total
    assert_allclose(middle, [0.5, 1.5, 2.5])
    assert_allclose(rates, np.diff(np.log(total)), rtol=1e-9)
    assert_allclose(errors, np.hypot(relative[1:], relative[:-1]), rtol=1e-9)


def test_period_average_of_a_constant_power(scripts):
    run = load_run(ROOT / "runs" / "ramp.toml")
    times = np.linspace(0.0, 200.0, 801)
    work = transient(run.machine, times[:3], "equilibrated")["work"][:, 0]
    work = work.isel(time=np.zeros(801, dtype=int)).assign_coords(time=times).copy(data=0.3 * times)
    shown, power = scripts["fig_ramp"].period_average(run.machine, work)
    assert shown[0] >= np.pi / 0.2 - 0.25
    assert_allclose(power, 0.3, rtol=1e-9)


def test_main_writes_both_formats(scripts, quench, tmp_path):
    save(quench, tmp_path / "quench.nc")
    assert stored_machine(open_dataset(tmp_path / "quench.nc")).oscillators == ("A", "B")
    scripts["fig_quench"].main([str(tmp_path / "quench.nc"), "-o", str(tmp_path)])
    assert {path.suffix for path in tmp_path.iterdir()} == {".nc", ".pdf", ".png"}
