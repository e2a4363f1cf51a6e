"""Panels show the numbers of the dataset and of the exact solver: data of the artists, not pixels.

What is copied must be equal; the rest agrees to rounding (`ROUNDING`).
"""

import numpy as np
import pytest
import xarray as xr
from helpers.machines import standard_machine
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal

from langevin_qtm import (
    Drive,
    DrudeLorentz,
    Factorised,
    Machine,
    Reservoir,
    Step,
    periodic_steady_state,
    simulate,
    transient,
    validate,
)
from langevin_qtm.data.files import stored_machine
from langevin_qtm.errors import InputError
from langevin_qtm.inspection.labels import axis_label, unit_text
from langevin_qtm.inspection.panels import convergence, energies, locking, over_time, powers, works
from langevin_qtm.inspection.panels.maps import cell_borders
from langevin_qtm.inspection.panels.spectra import draw_ratio, draw_spectrum, measured
from langevin_qtm.inspection.panels.trajectories import (
    covariance_ellipse,
    draw_ensemble,
    draw_phase_portrait,
    draw_trajectory,
)
from langevin_qtm.inspection.reference import exact_curve, exact_steady

ROUNDING = 1e-12


def lines(axes, **properties):
    """Data (x, y) of the lines with these properties."""
    found = axes.lines
    for name, value in properties.items():
        found = [line for line in found if getattr(line, f"get_{name}")() == value]
    return [line.get_xydata().T for line in found]


def dots(axes):
    """Data (x, y) of the lines that consist of markers."""
    return [line.get_xydata().T for line in axes.lines if line.get_marker() in ("o", ".")]


def test_trajectory_is_the_stored_one_with_exact_deviations(axes, run):
    draw_trajectory(axes, run, 3)
    shown = [data for data in lines(axes, linestyle="-") if len(data[0]) == run.sizes["time"]]
    for l, (x, y) in enumerate(shown):
        assert_array_equal(x, run["time"].values)
        assert_array_equal(y, run["position"].values[3, :, l])
    exact = exact_steady(run)
    turn = np.argmin(np.abs(run["time"].values / standard_machine().period - 1))  # phase 0 again
    for l in range(2):
        low, high = lines(axes, linestyle=":")[2 * l : 2 * l + 2]
        sigma = np.sqrt(exact["position_covariance_phase"].values[l, l, 0])
        assert_allclose([low[1][0], high[1][0], high[1][turn]], [-sigma, sigma, sigma], rtol=1e-6)


def test_labels_come_from_units_and_names(axes, run):
    draw_trajectory(axes, run, variable="velocity")
    assert axes.get_ylabel() == r"velocity $[\omega_A^{1/2}]$"
    assert axes.get_xlabel() == r"time $t\ [\omega_A^{-1}]$"
    assert axis_label(run["pearson"]).replace("\n", " ") == "Pearson coefficient of the first two positions"


@pytest.mark.parametrize(
    ("units", "text"),
    [("1", ""), ("omega_A", r"$[\omega_A]$"), ("omega_A^-0.5", r"$[\omega_A^{-1/2}]$"), ("rad", "[rad]")],
)
def test_units_as_mathematics(units, text):
    assert unit_text(units) == text


def test_ensemble_shows_chosen_trajectories_their_mean_and_the_band(axes, run):
    draw_ensemble(axes, run, "B", [5, 2])
    stored = run["position"].sel(oscillator="B").values
    chosen = [y for _, y in lines(axes)]
    assert_array_equal(chosen[0], stored[5])
    assert_array_equal(chosen[1], stored[2])
    assert_allclose(chosen[2], stored.mean(axis=0), rtol=1e-5)  # single precision
    (band,) = axes.collections
    sigma = np.sqrt(exact_steady(run)["position_covariance_phase"].values[1, 1].max())
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(sigma, rel=1e-4)  # phases of the samples


def test_ensemble_over_time_has_the_mean_of_all(axes, ensemble):
    draw_ensemble(axes, ensemble, "A")
    assert_array_equal(lines(axes)[-1][1], ensemble["position_mean"].sel(oscillator="A").values)


@pytest.mark.parametrize(("style", "sigmas"), [("-", 1), ("--", 2)])
def test_plane_has_exact_ellipses_and_all_samples(axes, run, style, sigmas):
    locking.draw_plane(axes, run)
    (z,) = lines(axes, linestyle=style)
    inverse = np.linalg.inv(exact_steady(run)["position_covariance"].values)
    assert_allclose(np.einsum("ip,ij,jp->p", z, inverse, z), sigmas**2, rtol=ROUNDING)
    mesh = axes.collections[0]
    corners = mesh.get_coordinates()
    x, y = np.diff(corners[0, :, 0]), np.diff(corners[:, 0, 1])
    inside = float((mesh.get_array().filled(0.0) * np.outer(y, x)).sum())
    assert inside == pytest.approx(1.0, abs=ROUNDING)


def test_phase_portrait_has_the_exact_covariance_of_position_and_velocity(axes, run):
    draw_phase_portrait(axes, run, "A")
    exact = exact_steady(run)
    matrix = np.diag([exact["position_covariance"].values[0, 0], exact["velocity_covariance"].values[0, 0]])
    assert_allclose(lines(axes, linestyle="--")[0], covariance_ellipse(matrix, 2), atol=1e-6)
    assert axes.get_legend().get_texts()[0].get_text().startswith("exact")


def test_windowed_pearson_has_its_exact_band(axes, run):
    locking.draw_windowed_pearson(axes, run, window=10.0, number=1, color="C0")
    exact = float(exact_steady(run)["pearson"])
    assert lines(axes, linestyle="--")[0][1][0] == pytest.approx(exact, abs=1e-4)
    band = axes.patches[0]
    assert band.get_y() < exact < band.get_y() + band.get_height()
    shown = lines(axes, color="C0")[0]
    step = run["time"].values[1]
    assert len(shown[0]) == run.sizes["time"] - round(10.0 / step) + 1


def test_spectrum_points_are_the_estimate(axes, run):
    draw_spectrum(axes, run, "position", names=["B"])
    estimate = measured(run, "position")
    ((x, y),) = dots(axes)
    assert_array_equal(x, estimate.omega[1:])
    assert_array_equal(y, estimate.values[1:, 1])
    assert "degrees of freedom" in axes.get_title(loc="right")


def test_ratio_scatters_about_one(axes, run):
    draw_ratio(axes, run, "noise", "static")
    ((_, ratio),) = dots(axes)
    assert abs(ratio.mean() - 1) < 0.02  # sampling: 448 segments for each of 300 frequencies


def test_folded_power_is_sampled_on_exact(axes, run):
    powers.draw_folded_power(axes, run)
    exact = exact_steady(run)
    for l, (x, y) in enumerate(dots(axes)):
        assert_array_equal(y, run["local_power_phase"].sel(phase=x).values[l])
    curves = [data for data in lines(axes, linestyle="-") if len(data[0]) == exact.sizes["phase"] + 1]
    for l, (_, y) in enumerate(curves):
        assert_array_equal(y[:-1], exact["local_power_phase"].values[l])
    assert [data[1][0] for data in lines(axes, linestyle="--")] == list(run["local_power"].values)


def test_folded_trajectories_agree_with_the_exact_power(run):
    phase, mean, error = powers.folded(run, 8)
    exact = exact_steady(run)["local_power_phase"].values.reshape(2, 8, -1).mean(axis=2).T
    assert_allclose(phase, (np.arange(8) + 0.5) / 8)
    assert np.abs((mean - exact) / error).max() < 4.5  # sampling: 16 numbers, 1e-4 false alarms


def test_deviations_of_powers_are_in_standard_errors(axes, run):
    powers.draw_power_deviation(axes, run)
    for l, (x, y) in enumerate(dots(axes)):
        truth = np.interp(x, exact_steady(run)["phase"], exact_steady(run)["local_power_phase"].values[l])
        own = run.isel(oscillator=l)
        kept = np.isfinite(y)
        assert kept.sum() >= len(y) - 2  # the drive rests twice in a period
        deviation, error = own["local_power_phase"].values - truth, own["local_power_phase_se"].values
        assert_allclose(y[kept], deviation[kept] / error[kept], rtol=1e-9)


def test_integral_over_a_period_is_that_of_the_harmonics():
    phase = np.arange(16) / 16
    rate = xr.DataArray(
        0.3 + np.cos(2 * np.pi * phase) - 2 * np.sin(6 * np.pi * phase), {"phase": phase}, "phase"
    )
    full = np.linspace(0, 1, 17)
    exact = (
        0.3 * full + np.sin(2 * np.pi * full) / (2 * np.pi) + 2 * (np.cos(6 * np.pi * full) - 1) / (6 * np.pi)
    )
    assert_allclose(energies.integrated(rate, 5.0), 5.0 * exact, atol=1e-12)


def test_work_and_heat_of_a_period_return_the_energy(axes, run):
    energies.draw_period_energies(axes, run)
    (total,) = [y for _, y in lines(axes, label=r"sum, exact: $\Delta E_S$")]
    assert abs(total[-1]) < 1e-8 * np.abs(total).max()


def test_first_law_bars_are_the_averages(axes, run):
    energies.draw_first_law(axes, run)
    heights = [bar.get_height() for bar in axes.patches]
    expected = [*run["local_power"].values, *run["heat_current"].values, float(run["balance_residual"])]
    assert_allclose(heights, expected, rtol=ROUNDING)


def test_histogram_counts_all_works_and_has_the_exact_mean(axes, run):
    works.draw_work_distribution(axes, run, 10, "B")
    (steps,) = [patch for patch in axes.patches if hasattr(patch, "get_data")]
    density, edges, _ = steps.get_data()
    share = float((density * np.diff(edges)).sum())
    assert 0.99 < share <= 1 + ROUNDING  # a few beyond five standard deviations
    mean = float(exact_steady(run)["local_power"][1]) * 10 * standard_machine().period
    assert lines(axes, linestyle="--")[0][0][0] == pytest.approx(mean)


def test_histogram_has_the_work_that_is_faster_than_a_step(axes, run):
    """`window_work` leaves it out; here it is made as large as the spread of the work."""
    duration = 2 * standard_machine().period
    spread = float(run["window_work"].sel(oscillator="B").std())
    missing = run.copy()
    missing["window_work"] = run["window_work"].assign_attrs(short_time_power=[0.0, spread / duration, 0.0])
    works.draw_work_distribution(axes, missing, 2, "B")
    (steps,) = [patch for patch in axes.patches if hasattr(patch, "get_data")]
    density, edges, _ = steps.get_data()
    share, middle = density * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    mean = float((share * middle).sum() / share.sum())
    expected = float(run["window_work"].sel(oscillator="B").mean()) + spread
    assert mean == pytest.approx(expected, abs=0.05 * spread)  # bins


def test_periods_that_were_not_recorded_are_refused(axes, run):
    with pytest.raises(InputError, match="not a multiple of the 2"):
        works.draw_work_distribution(axes, run, 3)


def test_running_power_ends_at_the_exact_one(run):
    exact = exact_steady(run)["local_power"]
    for name in ("A", "B"):
        time, mean, error = works.running_power(run, name)
        assert time[-1] == pytest.approx(200 * standard_machine().period)
        assert abs(mean[-1] - float(exact.sel(oscillator=name))) < 4.5 * error[-1]  # sampling


def test_block_means_lie_on_exact_bands(axes, run):
    convergence.draw_block_means(axes, run)
    blocks = [data for data in dots(axes) if len(data[0])]
    stored = run["position"].values.astype(float) ** 2
    per_period = round(standard_machine().period / run["time"].values[1])
    assert_allclose(blocks[0][1][0], stored[:, :per_period, 0].mean(), rtol=1e-9)
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() < float(exact_steady(run)["position_covariance"][0, 0]) < band.max()


def test_scores_are_those_of_validate(axes, run):
    validation = validate(run)
    convergence.draw_scores(axes, validation)
    shown = axes.collections[-1].get_offsets()
    assert_allclose(shown[:, 0], [row.z for row in validation.judged])
    assert len(axes.get_yticklabels()) == len(validation.judged)


def test_comparison_with_itself_is_zero_and_with_exact_the_z_score(axes, run):
    labels, scores = convergence.compared(run, run)
    assert_array_equal(scores, 0.0)
    exact = periodic_steady_state(standard_machine())
    labels, scores = convergence.compared(run, exact)
    place = labels.index("local_power[B]")
    expected = float((run["local_power"][1] - exact["local_power"][1]) / run["local_power_se"][1])
    assert scores[place] == pytest.approx(expected, rel=1e-3)
    convergence.draw_comparison(axes, run, exact)
    assert_allclose(axes.collections[-1].get_offsets()[:, 0], scores)


@pytest.mark.parametrize("name", ["position_covariance", "local_power", "pearson"])
def test_averages_over_time_are_sampled_on_exact(axes, ensemble, name):
    exact = exact_curve(ensemble)
    over_time.draw_over_time(axes, ensemble, exact, name)
    labels = [label for label, _ in over_time.series(ensemble, name)]
    curves = [data for data in lines(axes, linestyle="-") if len(data[0]) == exact.sizes["time"]]
    assert len(dots(axes)) == len(curves) == len(labels)
    for (x, y), (_, expected) in zip(dots(axes), over_time.series(ensemble, name), strict=True):
        assert_array_equal(x, ensemble["time"].values)
        assert_array_equal(y, expected.values)


def test_exact_curve_is_the_transient_of_the_same_start(ensemble):
    exact = exact_curve(ensemble)
    fresh = transient(
        stored_machine(ensemble), ensemble["time"].values, "equilibrated", float(ensemble.attrs["start_time"])
    )
    there = exact.sel(time=ensemble["time"], method="nearest")
    assert_allclose(there["local_power"].values, fresh["local_power"].values, atol=1e-8)


def test_sampled_work_over_time_adds_up_sampled_powers(axes, ensemble):
    energies.draw_cumulative(axes, ensemble)
    work = energies.cumulative(ensemble, "work").sel(oscillator="B").values
    power, time = ensemble["local_power"].sel(oscillator="B").values, ensemble["time"].values
    assert work[-1] == pytest.approx(np.trapezoid(power, time))
    assert any(np.array_equal(y, work) for _, y in dots(axes))


def test_residual_of_exact_moments_vanishes(axes, ensemble):
    energies.draw_energy_residual(axes, ensemble)
    (exact,) = [y for _, y in lines(axes, label="exact")]
    assert np.abs(exact).max() < 1e-8


def test_deviations_over_time_scatter_like_standard_normal_numbers(axes, ensemble):
    over_time.draw_deviations(axes, ensemble, exact_curve(ensemble))
    scores = np.concatenate([y for _, y in dots(axes)])
    scores = scores[np.isfinite(scores)]
    assert 0.6 < np.sqrt(np.mean(scores**2)) < 1.5  # sampling: correlated times


def test_panels_can_be_drawn_on_the_current_axes(run):
    figure, grid = plt.subplots(1, 2)
    plt.sca(grid[1])
    assert run.qtm.trajectory(0) is grid[1]
    assert run.qtm.power_folded(ax=grid[0]) is grid[0]
    plt.close(figure)


def test_work_at_a_jump_is_left_to_the_exact_moments(axes):
    """A step of a coupling does its work between two output times, where sampled powers miss it."""
    step = Step(time=1.05)
    bath = DrudeLorentz(gamma=0.3, cutoff=10.0)
    coupling = {"A": Drive.constant(1.0, envelope=step), "B": Drive.constant(1.0, envelope=step)}
    machine = Machine(
        frequencies={"A": 1.0, "B": 0.9},
        reservoirs=[Reservoir(name="bath", temperature=0.1, spectral_density=bath, coupling=coupling)],
    )
    start = Factorised(temperature=1.0)
    sampled = simulate(machine, duration=4.0, points=41, trajectories=64, start=start)
    assert not energies.is_resolved(sampled, exact_curve(sampled))
    energies.draw_cumulative(axes, sampled)
    assert dots(axes) == []
    (work,) = [y for _, y in lines(axes, label="$W_{A}$")]
    assert work[-1] > 1.0  # half the counterterm γ w_c times the variance of the positions


def test_energies_of_a_smooth_protocol_are_resolved(ensemble):
    assert energies.is_resolved(ensemble, exact_curve(ensemble))


@pytest.mark.parametrize(
    ("values", "borders"),
    [([1.0, 2.0, 3.0], [0.5, 1.5, 2.5, 3.5]), ([1.0, 10.0, 100.0], [10**-0.5, 10**0.5, 10**1.5, 10**2.5])],
)
def test_cells_of_a_map_are_centered_on_the_scale_of_its_axis(values, borders):
    assert_allclose(cell_borders(np.array(values)), borders)
