"""Runs: the same numbers whatever the threads, cuts and records; a complete dataset; stopping; refusals."""

import pickle

import numpy as np
import pytest
from helpers.judging import assert_agrees
from sampler_machines import MACHINES, all_driven, exact, isothermal, preparation, static_only
from threadpoolctl import threadpool_limits

from langevin_qtm.errors import AccuracyWarning, InputError, NotConvergedError, UnstableMachineError
from langevin_qtm.physics.reservoir import DrudeLorentz
from langevin_qtm.sampling import noise_filter
from langevin_qtm.sampling.group import new_group
from langevin_qtm.sampling.normals import LANES
from langevin_qtm.sampling.row_maps import LINE
from langevin_qtm.sampling.settings import Recording, SimulateSettings
from langevin_qtm.sampling.simulate import simulate
from langevin_qtm.sampling.start import start_covariance
from langevin_qtm.schema import PERIOD_AVERAGES, PHASE_RESOLVED, SPECTRA, TRAJECTORIES

ENGINE = MACHINES["engine"]
SHORT = {"trajectories": 128, "periods": 40, "seed": 5, "recording": Recording(trajectories=2, periods=3)}


@pytest.fixture(scope="module")
def short_run():
    return simulate(ENGINE, threads=1, **SHORT)


def assert_same_bits(one, other, names=None):
    names = list(one.data_vars) if names is None else names
    for name in names:
        np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=name)


# -------------------------------------------------------------------------------------------- reproducibility


def test_results_do_not_depend_on_the_number_of_threads(short_run):
    assert_same_bits(short_run, simulate(ENGINE, threads=2, **SHORT))


def test_results_do_not_depend_on_the_threads_of_linear_algebra(short_run):
    with threadpool_limits(2):
        assert_same_bits(short_run, simulate(ENGINE, threads=1, **SHORT))


def test_seeds_give_different_results(short_run):
    other = simulate(ENGINE, threads=1, **SHORT | {"seed": 6})
    for name in ("local_power", "heat_current", "position_covariance", "fluctuation_cnumber"):
        assert not np.any(short_run[name].values == other[name].values)
    assert np.all(short_run.position.values != other.position.values)


@pytest.mark.parametrize("recording", [Recording(trajectories=0), Recording(trajectories=64, interval=1.0)])
def test_recording_does_not_change_averages(short_run, recording):
    other = simulate(ENGINE, threads=1, **SHORT | {"recording": recording})
    averages = [*PERIOD_AVERAGES, *PHASE_RESOLVED]
    assert_same_bits(short_run, other, [*averages, *(f"{name}_se" for name in averages)])
    assert ("position" in other) == (recording.trajectories > 0)


def test_more_trajectories_do_not_change_the_first_ones(short_run):
    other = simulate(ENGINE, threads=1, **SHORT | {"trajectories": 64})
    assert_same_bits(short_run, other, TRAJECTORIES)


def fresh_group(name):
    plan = preparation(name).plan
    covariance = start_covariance(plan.law, "equilibrated", None)
    return new_group(plan, 3, 1, covariance, work_periods=3)


def assert_same_group(one, other, rows):
    np.testing.assert_array_equal(one.state[: rows * LANES], other.state[: rows * LANES])
    np.testing.assert_array_equal(one.rng, other.rng)
    np.testing.assert_array_equal(one.totals.phase, other.totals.phase)
    np.testing.assert_array_equal(one.totals.mean, other.totals.mean)
    np.testing.assert_array_equal(one.window, other.window)
    np.testing.assert_array_equal(one.window_sums, other.window_sums)
    np.testing.assert_array_equal(one.works, other.works)
    np.testing.assert_array_equal(one.marks, other.marks)


@pytest.mark.parametrize("name", ["standard", "engine"])
def test_run_does_not_depend_on_how_it_is_cut(name):
    steps = preparation(name).plan.kernel_steps
    whole, cut = fresh_group(name), fresh_group(name)
    whole.advance(steps, 70)
    for periods in (1, 1, 2, 7, 20, 38, 1):
        cut.advance(steps, periods)
    assert_same_group(whole, cut, preparation(name).plan.sources)


@pytest.mark.parametrize("name", ["standard", "engine"])
def test_a_group_that_travels_goes_on_with_the_same_bits(name):
    steps = preparation(name).plan.kernel_steps
    stayed, moved = fresh_group(name), fresh_group(name)
    stayed.advance(steps, 69)
    for periods in (31, 38):
        moved, arrived = pickle.loads(pickle.dumps((moved, steps)))
        assert all(array.ctypes.data % LINE == 0 for array in (moved.state, moved.totals.phase))
        moved.advance(arrived, periods)
    assert_same_group(stayed, moved, preparation(name).plan.sources)


def test_groups_are_independent():
    plan = preparation("standard").plan
    covariance = start_covariance(plan.law, "steady", None)
    first = plan.reduced.normals * LANES
    states = [new_group(plan, 3, index, covariance).state for index in range(3)]
    assert len(np.unique(np.concatenate([state[first : first + LANES] for state in states]))) == 3 * LANES


# ---------------------------------------------------------------------------------------------------- dataset


def test_dataset_has_every_variable_of_the_schema(short_run):
    assert set(PERIOD_AVERAGES) | set(PHASE_RESOLVED) | set(TRAJECTORIES) | set(SPECTRA) <= set(short_run)
    for name, variable in (PERIOD_AVERAGES | PHASE_RESOLVED).items():
        assert short_run[name].dims == variable.dims
        assert short_run[f"{name}_se"].dims == variable.dims
        assert short_run[name].attrs["ancillary_variables"] == f"{name}_se"
    for name in short_run.data_vars:
        assert short_run[name].attrs["units"]
        assert short_run[name].attrs["long_name"]
    for name in short_run.coords:
        assert short_run[name].attrs["units"]
        assert short_run[name].attrs["long_name"]


def test_every_number_is_finite_or_says_why_not(short_run):
    for name in short_run.data_vars:
        is_finite = np.all(np.isfinite(short_run[name].values))
        parent = str(name).removesuffix("_se")
        assert is_finite or short_run[parent].attrs.get("undefined"), name
        if is_finite and str(name).endswith("_se"):
            assert np.all(short_run[name].values >= 0)
    assert np.all(short_run.local_power_se > 0)


def test_dataset_tells_how_it_was_made(short_run):
    attrs = short_run.attrs
    assert attrs["method"] == "simulate"
    assert (attrs["seed"], attrs["trajectories"], attrs["periods"]) == ("5", 128, 40)
    assert attrs["stop_reason"] == "periods"
    assert attrs["steps_per_period"] * attrs["time_step"] == pytest.approx(ENGINE.period)
    assert attrs["noise_fit_error"] <= 1e-5
    assert attrs["step_error"] <= 5e-4
    # seven relaxation times before the measurement
    assert attrs["run_in_periods"] >= 7 * attrs["relaxation_time"] / ENGINE.period
    assert attrs["steady_state_confirmed"] == 1


def test_noise_audit_is_kept(short_run):
    target, generated = short_run.noise_spectrum_target, short_run.noise_spectrum_filter
    # reference: the error of the noise filter stored with the run
    assert np.abs(generated / target - 1).max() <= 1.01 * short_run.attrs["noise_fit_error"]


def test_phase_resolved_means_average_to_period_averages():
    # no control variate in a transient, where both are the plain means
    run = simulate(ENGINE, threads=1, run_in=0, **SHORT)
    for name in ("local_power", "heat_current", "position_covariance", "power"):
        # rounding
        np.testing.assert_allclose(run[f"{name}_phase"].mean("phase"), run[name], rtol=1e-10, atol=1e-14)


def test_first_law_holds_in_the_reported_numbers(short_run):
    balance = float(short_run.heat_current.sum() + short_run.power)
    # discretisation: what the law of the steps misses of the energy balance
    assert abs(balance) < 1e-6 * float(np.abs(short_run.heat_current).max())
    assert abs(short_run.balance_residual) < 6 * short_run.balance_residual_se


@pytest.mark.slow
def test_heat_of_an_overdamped_reservoir_is_not_biased_by_the_step():
    # <v F> of a strictly Ohmic reservoir is a small difference of large moments, whose discretisation shows
    run = simulate(MACHINES["high cut-off"], trajectories=256, periods=6000, seed=2)
    largest = float(np.abs(exact("high cut-off").local_power).max())
    assert np.all(run.heat_current_se < 0.005 * largest)
    assert_agrees(run, exact("high cut-off"), ["heat_current", "local_power"])


def test_recorded_trajectories_have_the_exact_moments():
    recording = Recording(trajectories=64, periods=30)
    run = simulate(
        MACHINES["three oscillators, soft"], trajectories=64, periods=30, seed=4, recording=recording
    )
    assert run.position.shape == (64, 30 * run.attrs["steps_per_period"], 3)
    reference = exact("three oscillators, soft")
    for name, samples in (
        ("position_covariance", run.position.values[..., None] * run.position.values[:, :, None]),
        ("velocity_covariance", run.velocity.values[..., None] * run.velocity.values[:, :, None]),
        ("local_power", run.instantaneous_power.values),
    ):
        means = samples.mean(axis=1)
        z = (means.mean(axis=0) - reference[name].values) / (means.std(axis=0, ddof=1) / 8)
        assert np.abs(z).max() < 7.0, name  # sampling: Student's t of 63 degrees, 1e-6 shared by 18 numbers
    step = np.diff(run.time.values)
    assert np.all(np.abs(step - run.attrs["time_step"]) < 1e-12)
    moved = np.diff(run.position.values, axis=1) / run.attrs["time_step"]
    middle = (run.velocity.values[:, 1:] + run.velocity.values[:, :-1]) / 2
    # discretisation: white forces of the largest noise power S would leave sqrt(S h / 12) to the trapezoid
    strongest = float(run.noise_spectrum_target.max("frequency").sum())
    assert np.std(moved - middle) < np.sqrt(strongest * run.attrs["time_step"] / 12)


# --------------------------------------------------------------------------------------------------- stopping


def test_run_stops_when_its_powers_are_known():
    run = simulate(MACHINES["standard"], target_error=0.05, trajectories=64)
    assert run.attrs["stop_reason"] == "target_error"
    assert np.all(run.local_power_se <= 0.05 * np.abs(run.local_power))


def test_run_stops_when_its_time_is_up():
    run = simulate(ENGINE, time_limit=0.01, target_error=1e-9, trajectories=64)
    assert run.attrs["stop_reason"] == "time_limit"
    assert run.attrs["periods"] > 0


def test_run_reports_its_progress():
    seen = []
    simulate(ENGINE, progress=seen.append, **SHORT)
    stages = [one.stage for one in seen]
    assert stages[0] == "prepare"
    assert stages[-1] == "evaluate"
    measured = [one for one in seen if one.stage == "measure" and one.total]
    assert measured[-1].done == measured[-1].total == SHORT["periods"]


def test_run_without_windows_says_so():
    run = simulate(ENGINE, **SHORT | {"periods": 4})
    assert np.all(np.isnan(run.fluctuation_quantum))
    assert "needs four windows of" in run.fluctuation_quantum.attrs["undefined"]
    assert "needs four windows of" in run.tur_ratio.attrs["undefined"]


def test_static_machine_in_equilibrium_carries_no_current():
    run = simulate(static_only(DrudeLorentz(gamma=0.4, cutoff=10.0), 0.3), trajectories=64, periods=20)
    assert run.power == 0.0
    assert abs(run.heat_current.item()) < 1e-12  # the first law leaves nothing else


def test_zero_temperature_leaves_entropy_production_undefined():
    run = simulate(MACHINES["zero temperature"], trajectories=64, periods=8)
    assert np.isnan(run.entropy_production)
    assert "zero temperature" in run.entropy_production.attrs["undefined"]
    assert np.all(np.isfinite(run.local_power))


def test_run_that_has_not_settled_warns():
    with pytest.warns(AccuracyWarning, match=r"Block averages still drift .*lengthen `solver\.run_in`"):
        run = simulate(
            isothermal(2.0, 1.3, 0.001, static_gamma=0.02),
            start={"kind": "factorised", "temperature": 0.0},
            run_in=0,
            periods=32,
            trajectories=256,
        )
    assert run.attrs["steady_state_confirmed"] == 0
    assert max(run.attrs["steady_change_z"], run.attrs["steady_trend_z"]) > 4


# --------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"trajectories": 100}, "`trajectories` = 100 is not allowed: it must be a multiple of 64."),
        ({"trajectories": 0}, "`trajectories` = 0 is not allowed: it must be greater than or equal to 64."),
        ({"seed": -1}, "`seed` = -1 is not allowed: it must be greater than or equal to 0."),
        ({"seed": 1.5}, "`seed` = 1.5 is not allowed: it must be a valid integer."),
        ({"run_in": -1}, "`run_in` = -1 is not allowed: it must be greater than or equal to 0."),
        ({"periods": 0}, "`periods` = 0 is not allowed: it must be greater than or equal to 1."),
        (
            {"steps_per_period": 4},
            "`steps_per_period` = 4 is not allowed: it must be greater than or equal to 8.",
        ),
        ({"target_error": 0.0}, "`target_error` = 0.0 is not allowed: it must be greater than 0."),
        ({"time_limit": float("inf")}, "`time_limit` = inf is not allowed: it must be a finite number."),
        (
            {"start": {"kind": "factorised", "temperature": -0.1}},
            "`start.temperature` = -0.1 is not allowed: it must be greater than or equal to 0.",
        ),
        (
            {"start": "cold"},
            "`start.kind` = 'cold' is not known; use one of 'factorised', 'equilibrated', 'steady', "
            "'continued'.",
        ),
        ({"perods": 3}, "`perods` = 3 is not a known key; remove it or correct its spelling."),
        (
            {"recording": {"trajectories": 65}},
            "`recording.trajectories` = 65 is not allowed: it must be less than or equal to 64.",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_settings_out_of_range_are_refused(changes, text):
    with pytest.raises(InputError) as caught:
        simulate(MACHINES["standard"], **changes)
    assert str(caught.value) == text
    with pytest.raises(InputError):
        SimulateSettings(**changes)


def test_unstable_machine_is_refused():
    pumped = isothermal(0.5, 2.0, 3.0, static_gamma=0.001)
    with pytest.raises(UnstableMachineError, match="pumps it parametrically") as caught:
        simulate(pumped)
    assert caught.value.max_multiplier > 1


def test_equilibrated_start_needs_a_static_reservoir():
    with pytest.raises(InputError, match=r"start"):
        simulate(all_driven(), periods=2)
    run = simulate(all_driven(), periods=2, start="steady")
    assert np.all(np.isfinite(run.local_power))


def test_tolerances_out_of_reach_are_refused(monkeypatch):
    with pytest.raises(
        NotConvergedError, match=r"Step law .* target 1\.00e-16; loosen `solver\.step_tolerance`"
    ):
        simulate(ENGINE, step_tolerance=1e-16, steps_per_period=8)
    monkeypatch.setattr(noise_filter, "POLES", (2,))
    with pytest.raises(NotConvergedError, match=r"Noise filter .*loosen `solver\.noise_tolerance`"):
        simulate(ENGINE)
