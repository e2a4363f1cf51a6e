"""Fluctuations D of the work that the kernel sums, without sampling and sampled, against the exact ones.

Without sampling: works of steps are products of Gaussian numbers, so their covariances at every lag follow
from their law by Wick's theorem; what is added for what steps miss must close the gap to the exact D.
"""

from functools import cache

import numpy as np
import pytest
from helpers.judging import assert_agrees, assert_differs, z_limit
from reference_step import step_end_rows
from sampler_machines import MACHINES, exact, preparation
from scipy import stats

from langevin_qtm.sampling import simulate as simulate_module
from langevin_qtm.sampling.settings import Recording
from langevin_qtm.sampling.short_time import unresolved_fluctuation
from langevin_qtm.sampling.simulate import simulate

BIAS = 5e-4  # discretisation, relative to each D
D_NAMES = [
    "fluctuation_cnumber",
    "power_fluctuation_cnumber",
    "fluctuation_quantum",
    "power_fluctuation_quantum",
]


def work_fluctuation(plan, memories=9.0):
    """D of the works -ġ x F as the kernel estimates them, summed over lags: oscillators, then the total.

    The state is r̃ at both ends of a step, of which the middle position and the force integral are rows.
    """
    reduced, steps, size = plan.reduced, plan.law.steps, plan.reduced.size
    middle, force = step_end_rows(plan)
    flow, noise = np.zeros((2, steps, 2 * size, 2 * size))
    flow[:, :size, size:] = np.eye(size)
    flow[:, size:, size:] = np.roll(reduced.transition, -1, axis=0)
    noise[:, size:, size:] = np.roll(reduced.noise @ reduced.noise.swapaxes(1, 2), -1, axis=0)
    machine = plan.law.machine
    times = machine.period * (np.arange(steps) + 0.5) / steps
    gain = -np.stack([machine.contacts[c].coupling_rates(times) for c in plan.moments.driven], axis=1)
    columns = periodic(flow, noise) @ np.concatenate([middle, force], axis=1).swapaxes(1, 2)
    bodies = plan.bodies
    total = np.zeros((bodies, bodies))
    relaxation = plan.law.layout.embedding.relaxation_time
    lags = int(memories * relaxation / machine.period * steps) + 3 * steps
    for lag in range(lags):
        x, f, later = (np.roll(array, -lag, axis=0) for array in (middle, force, gain))
        xx, xf = x @ columns[..., :bodies], x @ columns[..., bodies:]
        fx, ff = f @ columns[..., :bodies], f @ columns[..., bodies:]
        works = xx * np.einsum("kcl,kcd,kdm->klm", later, ff, gain)
        works += np.einsum("klc,kcm->klm", xf, gain) * np.einsum("kcl,kcm->klm", later, fx)
        summed = works.sum(axis=0)
        total += summed if lag == 0 else summed + summed.T
        columns = np.roll(flow, -lag, axis=0) @ columns
    return np.append(total.diagonal(), total.sum()) / machine.period


def periodic(flow, noise):
    """Periodic covariance at every step, by iterating the period map."""
    size = flow.shape[-1]
    product, added = np.eye(size), np.zeros((size, size))
    for step, spread in zip(flow, noise, strict=True):
        product, added = step @ product, step @ added @ step.T + spread
    for _ in range(40):
        product, added = product @ product, added + product @ added @ product.T
    covariances = [added]
    for step, spread in zip(flow[:-1], noise[:-1], strict=True):
        covariances.append(step @ covariances[-1] @ step.T + spread)
    return np.array(covariances)


@cache
def fluctuation_of_steps(name):
    """D of the works of the steps of a machine by name."""
    return work_fluctuation(preparation(name).plan)


def exact_fluctuation(name):
    reference = exact(name)
    return np.append(reference.fluctuation_cnumber, reference.power_fluctuation_cnumber)


FAST = ["one oscillator", "engine", "low temperature", "driven Ohmic", "narrow line"]
SLOW = [
    "standard",
    "weak coupling",
    "high cut-off",
    "independent",
    "zero temperature",
    "mean and harmonics",
]


@pytest.mark.parametrize("name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_work_and_its_short_time_part_have_the_exact_fluctuation(name):
    plan = preparation(name).plan
    found = fluctuation_of_steps(name) + unresolved_fluctuation(plan)
    assert np.abs(found / exact_fluctuation(name) - 1).max() < BIAS


@pytest.mark.parametrize("name", ["low temperature", "narrow line"])  # fast forces; long oscillations
def test_work_of_steps_alone_is_biased(name):
    assert np.abs(fluctuation_of_steps(name) / exact_fluctuation(name) - 1).min() > 4 * BIAS


# ---------------------------------------------------------------------------------------------------- sampled


def fluctuation_run(name, seed=8, periods=1000):
    return simulate(
        MACHINES[name], trajectories=128, periods=periods, seed=seed, recording=Recording(trajectories=0)
    )


def test_sampled_fluctuations_are_exact():
    run = fluctuation_run("one oscillator")
    assert run.fluctuation_cnumber_se[0] < 0.015 * run.fluctuation_cnumber[0]
    assert_agrees(run, exact("one oscillator"), D_NAMES)
    # the commutator part comes from response functions: far beyond the error bar
    commutator = run.fluctuation_cnumber - run.fluctuation_quantum
    assert np.all(commutator > 15 * run.fluctuation_quantum_se)


def test_sampled_fluctuations_without_the_commutator_part_are_refused(monkeypatch):
    monkeypatch.setattr(simulate_module, "commutator_fluctuation", lambda _: (np.zeros(1), 0.0))
    assert_differs(fluctuation_run("one oscillator"), exact("one oscillator"), D_NAMES[2:])


# ------------------------------------------------------------------------------------------ errors of a run


@pytest.mark.slow
def test_standard_errors_of_runs_have_the_right_coverage():
    names = ["local_power", "heat_current", "position_covariance", "fluctuation_cnumber", "pearson", "power"]
    reference, scores = exact("engine"), {name: [] for name in names}
    for seed in range(40):
        run = simulate(
            MACHINES["engine"],
            trajectories=256,
            periods=100,
            seed=1000 + seed,
            recording=Recording(trajectories=0),
        )
        for name in names:
            z = ((run[name] - reference[name]) / run[f"{name}_se"]).values
            scores[name].append(z[np.triu_indices(2)] if name == "position_covariance" else z.ravel())
    pooled = np.concatenate([np.concatenate(z) for z in scores.values()])
    assert pooled.size >= 200
    assert stats.kstest(pooled, "norm").pvalue > 0.01
    for name, z in scores.items():
        z = np.concatenate(z)
        assert stats.kstest(z, "norm").pvalue > 1e-3, name
        # sampling: χ² of the variance, 40 independent runs
        assert abs(np.mean(z**2) - 1) < z_limit(len(names)) * np.sqrt(2 / 40), name
        assert abs(np.mean(z)) < z_limit(len(names)) / np.sqrt(40), name
    # mutant: standard errors 30 % too small
    assert stats.kstest(pooled / 0.7, "norm").pvalue < 0.01
