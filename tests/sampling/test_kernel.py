"""Kernels against the same steps in plain numpy: state, moments, work windows, record."""

import numpy as np
import pytest
from helpers.judging import z_limit
from reference_step import ReferencePath, ReferenceRun
from sampler_machines import preparation

from langevin_qtm.sampling.group import Plan, gaussian_draws, new_group
from langevin_qtm.sampling.normals import LANES, seed_lanes
from langevin_qtm.sampling.observables import period_averages, phase_moments, window_moments
from langevin_qtm.sampling.settings import Recording
from langevin_qtm.sampling.start import start_covariance
from langevin_qtm.sampling.trajectories import STREAM, sample_trajectories, stored_trajectories

PERIODS = 4
SEED = 7
CASES = ["low temperature", "independent engine", "driven Ohmic", "three oscillators"]


class Both:
    """One group by the kernel, and the same trajectories by the reference."""

    def __init__(self, name, run_in=None):
        prepared = preparation(name, steps_per_period=16, run_in=run_in)
        self.plan = Plan(prepared.plan.moments, 1)
        covariance = start_covariance(self.plan.law, "equilibrated", None)
        self.group = new_group(self.plan, SEED, 0, covariance)
        self.reference = ReferenceRun(self.plan, self.group.rng.copy(), self.state().copy(), PERIODS)
        self.group.advance(self.plan.kernel_steps, PERIODS)

    def state(self):
        """r̃ of the group, (r, lane)."""
        first, size = self.plan.reduced.normals, self.plan.reduced.size
        return self.group.state.reshape(-1, LANES)[first : first + size]


@pytest.fixture(scope="module", params=CASES)
def both(request):
    return Both(request.param)


def assert_equal_to_rounding(found, expected, tolerance=1e-11):
    """Rounding: sums of some hundred terms, relative to the largest."""
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def test_state_follows_the_reference(both):
    for row, expected in zip(both.state(), both.reference.states[-1], strict=True):
        assert_equal_to_rounding(row, expected)
    np.testing.assert_array_equal(both.group.rng, both.reference.rng)


def test_moments_are_those_of_the_reference(both):
    assert both.group.totals.periods == PERIODS
    expected, found = both.reference.moments(), phase_moments(both.plan, both.group.totals)
    for name in ("position_covariance", "local_power", "heat"):
        assert_equal_to_rounding(found[name], expected[name])
    averages = period_averages(both.plan, both.group.totals)
    for name in ("position_velocity_covariance", "velocity_covariance"):
        assert_equal_to_rounding(averages[name], expected[name])
    assert_equal_to_rounding(averages["heat"], expected["heat"].mean(axis=-1))


def test_transients_are_followed_one_step_at_a_time():
    both = Both("low temperature", run_in=0)
    assert both.plan.moments.ahead == 1
    expected, found = both.reference.moments(), phase_moments(both.plan, both.group.totals)
    for name in ("position_covariance", "local_power", "heat"):
        assert_equal_to_rounding(found[name], expected[name])


def test_work_windows_are_those_of_the_reference(both):
    assert both.group.window_periods[2] == PERIODS
    # force integrals by two solvers of one regression whose smallest variances are 1e-11 of the largest
    assert_equal_to_rounding(window_moments([both.group]), both.reference.window_moments(1), 1e-8)


def test_record_is_that_of_the_reference(both):
    plan, law = both.plan, both.plan.law
    covariance = start_covariance(law, "equilibrated", None)
    recording = Recording(trajectories=LANES, interval=2 * plan.step, periods=3)
    found, axes = stored_trajectories(plan, sample_trajectories(plan, recording, SEED, covariance))
    rng = seed_lanes(SEED, STREAM)
    start = gaussian_draws(rng, covariance)
    count = 3 * law.steps // 2
    np.testing.assert_allclose(axes["time"], 2 * plan.step * np.arange(count))
    for name, expected in ReferencePath(plan, rng, start, 3).samples(2).items():
        assert_equal_to_rounding(found[name], expected)


def test_mutants_of_the_reference_are_noticed(both):
    expected, found = both.reference.moments(), phase_moments(both.plan, both.group.totals)
    shifted = np.roll(expected["local_power"], 1, axis=-1)  # wrong phase
    assert np.abs(found["local_power"] - shifted).max() > 1e-4 * np.abs(shifted).max()
    works = both.reference.works()
    late = works[: len(works) // 2].sum(axis=0) ** 2  # a window of another length
    assert np.abs(window_moments([both.group])[:, 1] - late.T).max() > 1e-4 * np.abs(late).max()


@pytest.mark.parametrize("start", ["equilibrated", "steady"])
def test_groups_start_from_the_given_gaussian_law(start):
    plan = preparation("standard", run_in=0 if start == "equilibrated" else None).plan
    law, reduced = plan.law, plan.reduced
    covariance = start_covariance(law, start, None)
    first, size, groups = reduced.normals, reduced.size, 60
    draws = np.concatenate(
        [new_group(plan, SEED, i, covariance).state.reshape(-1, LANES) for i in range(groups)], axis=1
    )[first : first + size]
    # what is drawn and what waits to be make up the whole
    expected = reduced.project[0] @ covariance @ reduced.project[0].T - reduced.waiting[0]
    scale = np.sqrt(expected.diagonal())
    expected = expected / np.outer(scale, scale)
    found = (draws / scale[:, None]) @ (draws / scale[:, None]).T / draws.shape[1]
    z = (found - expected) / np.sqrt((1 + expected**2) / draws.shape[1])
    assert np.abs(z).max() < z_limit(size * (size + 1) // 2)
    mean = draws.mean(axis=1) / scale * np.sqrt(draws.shape[1])
    assert np.abs(mean).max() < z_limit(size)
