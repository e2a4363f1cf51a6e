"""The reduced law against the whole one: what is drawn, what waits, what is never seen."""

import numpy as np
import pytest
from sampler_machines import law, preparation

from langevin_qtm.sampling import reduction
from langevin_qtm.sampling.factors import step_factors
from langevin_qtm.sampling.group import Plan
from langevin_qtm.sampling.moments import MomentPlan
from langevin_qtm.sampling.start import start_covariance

NAMES = ["standard", "converter", "engine", "independent", "driven Ohmic", "zero temperature", "fast drive"]


@pytest.fixture(scope="module", params=NAMES)
def plan(request):
    return preparation(request.param).plan


def settled(transition, noise):
    """Covariance at the start of each step that a recursion settles at, by iterating its period."""
    size = transition.shape[-1]
    flow, added = np.eye(size), np.zeros((size, size))
    for step, kick in zip(transition, noise, strict=True):
        flow, added = step @ flow, step @ added @ step.T + kick @ kick.T
    for _ in range(60):
        flow, added = flow @ flow, added + flow @ added @ flow.T
    covariances = [added]
    for step, kick in zip(transition[:-1], noise[:-1], strict=True):
        covariances.append(step @ covariances[-1] @ step.T + kick @ kick.T)
    return np.array(covariances)


def outputs_of(plan):
    """Positions, and forces one step ahead, in their standard deviations, on carried variables."""
    found, bodies = plan.law, plan.bodies
    carried, fresh = found.layout.carried, found.layout.dynamic + np.array(plan.moments.driven)
    covariance = found.periodic_covariance[:, carried][:, :, carried]
    position = np.zeros((found.steps, bodies, len(carried)))
    position[:, np.arange(bodies), np.arange(bodies)] = 1.0
    force = found.propagator[:, fresh][:, :, carried]
    rows = np.concatenate([position, force], axis=1)
    noise = found.covariance.sum(axis=0)[:, fresh, fresh]
    variance = np.einsum("krn,knm,krm->kr", rows, covariance, rows)
    variance[:, bodies:] += noise
    return rows / np.sqrt(variance.mean(axis=0))[:, None], covariance


def test_what_is_drawn_and_what_waits_make_up_the_whole(plan):
    reduced = plan.reduced
    drawn = settled(reduced.transition, reduced.noise)
    # rounding: of sums over a relaxation time
    np.testing.assert_allclose(
        drawn + reduced.waiting, np.broadcast_to(np.eye(reduced.size), drawn.shape), atol=1e-7
    )
    assert np.linalg.eigvalsh(reduced.waiting).min() > -1e-9


def test_moments_of_the_whole_law_are_kept(plan):
    moments, reduced = plan.moments, plan.reduced
    found, carried = plan.law, plan.law.layout.carried
    by_phase, averages = moments.offsets
    rows, drawn = moments.reduced_rows, settled(reduced.transition, reduced.noise)[:: moments.stride]
    sampled = rows @ drawn @ rows.swapaxes(1, 2)
    later = np.arange(0, found.steps, moments.stride) + moments.ahead
    outputs = moments.outputs(moments.times)
    whole = found.periodic_covariance[:: moments.stride][:, carried][:, :, carried]
    expected = outputs @ whole @ outputs.swapaxes(1, 2)
    phases = later % found.steps // moments.stride
    count = len(moments.position_pairs) + len(moments.contact_pairs)  # pairs without a kick
    first, second = moments.phase_pairs[:count].T
    assert np.array_equal(phases, moments.slots)
    total = sampled[:, first, second] + by_phase[phases][:, :count]
    scale = np.sqrt(np.einsum("kii->ki", expected).mean(axis=0))
    deviation = (total - expected[phases][:, first, second]) / np.outer(scale, scale)[first, second]
    assert np.abs(deviation).max() < 1e-7  # rounding
    first, second = moments.mean_pairs.T
    total = sampled[:, first, second].mean(axis=0) + averages
    deviation = (total - expected[:, first, second].mean(axis=0)) / np.outer(scale, scale)[first, second]
    assert np.abs(deviation).max() < 1e-7


def test_memory_is_that_of_the_whole_law(plan):
    # covariances of outputs at lags beyond those that `short_time` accounts for
    reduced, found = plan.reduced, plan.law
    rows, whole = outputs_of(plan)
    carried = found.layout.carried
    flow = found.propagator[:, carried][:, :, carried]
    seen = rows @ reduced.lift
    exact, drawn = whole @ rows.swapaxes(1, 2), reduced.drawn @ seen.swapaxes(1, 2)
    worst = 0.0
    for lag in range(1, 6 * reduction.LAGS):
        exact = np.roll(flow, 1 - lag, axis=0) @ exact
        drawn = np.roll(reduced.transition, 1 - lag, axis=0) @ drawn
        if lag > reduction.LAGS:
            difference = np.roll(seen, -lag, axis=0) @ drawn - np.roll(rows, -lag, axis=0) @ exact
            worst = max(worst, np.abs(difference).max())
    assert worst < 5e-3  # of the variances of the outputs: what the choice of variables and normals allows


def test_few_variables_and_normals_are_enough(plan):
    assert 2 * plan.bodies <= plan.reduced.size <= len(plan.law.layout.carried) // 2 + 1
    assert plan.contacts // 2 <= plan.reduced.normals < step_factors(plan.law).normals


def test_work_converter_takes_one_normal_a_reservoir():
    reduced = preparation("converter").plan.reduced
    assert (reduced.size, reduced.normals) == (8, 2)


def test_maps_of_a_period_are_lower_triangular_but_the_last(plan):
    transition = plan.reduced.transition
    assert np.array_equal(transition[:-1], np.tril(transition[:-1]))


def test_a_law_outside_its_steady_state_is_not_reduced():
    plan = preparation("standard", run_in=0).plan
    reduced, found = plan.reduced, plan.law
    carried = found.layout.carried
    flow, noise = (a[:, carried][:, :, carried] for a in (found.propagator, found.covariance.sum(axis=0)))
    whole = start_covariance(found, "equilibrated", None)
    part = reduced.project[0] @ whole @ reduced.project[0].T
    scale = np.sqrt(found.periodic_covariance[0].diagonal()[carried])[: 2 * plan.bodies]
    for k in range(found.steps - 1):
        whole = flow[k] @ whole @ flow[k].T + noise[k]
        part = reduced.transition[k] @ part @ reduced.transition[k].T + reduced.noise[k] @ reduced.noise[k].T
        lift = reduced.lift[k + 1][: 2 * plan.bodies]
        difference = lift @ part @ lift.T - whole[: 2 * plan.bodies, : 2 * plan.bodies]
        assert np.abs(difference / np.outer(scale, scale)).max() < 1e-6


def test_too_few_variables_are_noticed(monkeypatch):
    chosen = preparation("converter").plan
    monkeypatch.setattr(reduction, "UNSEEN", 0.5)
    monkeypatch.setattr(reduction, "MEMORY", 1.0)
    poorer = Plan(MomentPlan(chosen.law, chosen.moments.longest), chosen.window)
    assert poorer.reduced.size < chosen.reduced.size
    with pytest.raises(AssertionError):
        test_memory_is_that_of_the_whole_law(poorer)


def test_too_few_normals_are_noticed(monkeypatch):
    chosen = preparation("engine").plan
    monkeypatch.setattr(reduction, "UNDRAWN", 10.0)
    poorer = Plan(MomentPlan(chosen.law, chosen.moments.longest), chosen.window)
    assert poorer.reduced.normals < chosen.reduced.normals
    test_moments_of_the_whole_law_are_kept(poorer)  # at one time nothing is lost
    with pytest.raises(AssertionError):
        test_memory_is_that_of_the_whole_law(poorer)


def test_halved_noise_is_noticed():
    plan = preparation("standard").plan
    drawn = settled(plan.reduced.transition, 0.99 * plan.reduced.noise)
    assert np.abs(drawn + plan.reduced.waiting - np.eye(plan.reduced.size)).max() > 1e-3


def test_normals_do_not_depend_on_the_seed_of_the_basis():
    # the same law reduced twice gives the same matrices: nothing in it is drawn
    one = preparation("standard").plan
    two = Plan(MomentPlan(law("standard"), one.moments.longest), one.window)
    np.testing.assert_array_equal(one.reduced.transition, two.reduced.transition)
    np.testing.assert_array_equal(one.reduced.noise, two.reduced.noise)
