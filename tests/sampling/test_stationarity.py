"""Identities of the periodic steady state: they hold, they explain scatter, they bring no bias."""

import numpy as np
import pytest
from helpers.judging import z_limit
from sampler_machines import exact, preparation

from langevin_qtm.sampling import stationarity
from langevin_qtm.sampling.group import new_group
from langevin_qtm.sampling.normals import LANES
from langevin_qtm.sampling.observables import balanced, period_averages, phase_moments
from langevin_qtm.sampling.products import products
from langevin_qtm.sampling.start import start_covariance
from langevin_qtm.sampling.statistics import mean_and_error

NAMES = ["standard", "converter", "engine", "independent", "three oscillators", "mean and harmonics"]


@pytest.fixture(scope="module", params=NAMES)
def plan(request):
    return preparation(request.param).plan


def averages_of(plan, groups=8, periods=100):
    covariance, parts = start_covariance(plan.law, "steady", None), []
    for index in range(groups):
        group = new_group(plan, 11, index, covariance)
        group.advance(plan.kernel_steps, periods)
        parts.append(period_averages(plan, group.totals))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_identities_hold_in_the_law_of_the_steps(plan):
    found = products(plan, stationarity.expected_totals(plan))
    left = stationarity.left_sides(plan, found)
    machine = plan.law.machine
    # discretisation: against the terms that cancel
    scale = np.abs(found.velocity).max() + np.abs(found.position).max() * machine.omega.max() ** 2
    assert np.abs(left).max() < 2e-4 * scale


def test_number_of_identities(plan):
    machine, bodies = plan.law.machine, plan.bodies
    left = stationarity.left_sides(plan, products(plan, stationarity.expected_totals(plan)))
    pairs = bodies * (bodies - 1) // 2
    crossed = 3 * pairs if machine.wiring == "joint" else 0
    assert left.shape == (1, 3 * bodies + pairs + crossed)


def test_expected_sums_give_the_moments_of_the_law(plan):
    found = phase_moments(plan, stationarity.expected_totals(plan))
    power = found["local_power"][0].mean(axis=-1)
    np.testing.assert_allclose(power, plan.law.steady_power, atol=1e-6 * np.abs(power).max())


def test_residuals_have_mean_zero(plan):
    mean, error = mean_and_error(averages_of(plan)["residuals"])
    assert np.abs(mean / error).max() < z_limit(len(mean), 8 * LANES - 1)


def test_identities_explain_scatter_and_bring_no_bias():
    plan, reference = preparation("standard").plan, exact("standard")
    averages = averages_of(plan, groups=8, periods=400)
    plain, freed = balanced(averages, False), balanced(averages, True)
    for name in ("local_power", "heat_current"):
        (_, before), (mean, after) = mean_and_error(plain[name]), mean_and_error(freed[name])
        assert np.all(after < 0.6 * before)
        z = (mean - reference[name].values) / after
        assert np.abs(z).max() < z_limit(2, 8 * LANES - 1)


def test_a_wrong_identity_biases_what_it_explains():
    plan, reference = preparation("standard").plan, exact("standard")
    averages = averages_of(plan, groups=8, periods=400)
    averages["residuals"] = averages["residuals"] + 3 * averages["residuals"].std(axis=0)
    mean, error = mean_and_error(balanced(averages, True)["heat_current"])
    assert np.abs((mean - reference["heat_current"].values) / error).max() > 10


def test_few_trajectories_get_few_control_variates():
    plan = preparation("three oscillators").plan
    averages = averages_of(plan, groups=1)
    assert averages["residuals"].shape[1] > LANES // 8
    mean, error = mean_and_error(balanced(averages, True)["local_power"])
    assert np.all(np.isfinite(mean) & (error > 0))
