"""Sampled work in windows of periods and since the start, against exact cumulants and Jarzynski."""

from functools import cache

import numpy as np
import pytest
from helpers.judging import z_limit
from helpers.machines import driven, standard_machine, static
from reference_step import step_end_rows

from langevin_qtm.errors import InputError
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.envelope import Burst, Step
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz
from langevin_qtm.sampling.preparation import prepare
from langevin_qtm.sampling.settings import Recording, SimulateSettings
from langevin_qtm.sampling.short_time import unresolved_power
from langevin_qtm.sampling.simulate import simulate
from langevin_qtm.transients.transient import transient
from langevin_qtm.work_statistics import jarzynski, work_statistics

SOFT = DrudeLorentz(gamma=0.5, cutoff=4.0)
HOT = 100.0  # classical: frequencies and cut-offs are a few per cent of it
MACHINE = standard_machine(driven_density=DrudeLorentz(gamma=0.2, cutoff=3.0), static_density=SOFT)


@cache
def windows(work_periods=1, periods=200, seed=3, trajectories=256):
    recording = Recording(trajectories=0, work_periods=work_periods)
    return simulate(
        MACHINE, periods=periods, trajectories=trajectories, seed=seed, start="steady", recording=recording
    )


def burst_machine(gamma=0.1, envelope=None, temperature=HOT):
    envelope = envelope or Burst(cycles=1, rise=0.5)
    coupling = {
        name: Drive.cosine(phase=phase, envelope=envelope) for name, phase in (("A", 0.0), ("B", 1.0))
    }
    return Machine(
        frequencies={"A": 1.0, "B": 0.6},
        drive_frequency=1.3,
        reservoirs=(
            driven(DrudeLorentz(gamma=gamma, cutoff=3.0), temperature, coupling),
            static(SOFT, temperature),
        ),
    )


@cache
def burst(trajectories=4096, seed=5, temperature=HOT):
    machine = burst_machine(temperature=temperature)
    recording = Recording(trajectories=0, work=True)
    duration = 1.25 * machine.period
    return machine, simulate(
        machine, duration=duration, points=6, trajectories=trajectories, seed=seed, recording=recording
    )


@pytest.mark.parametrize("periods", [1, 10])
def test_cumulants_in_windows_are_the_exact_ones(periods):
    found = work_statistics(windows(), periods)
    z = np.concatenate([found["mean_z"], found["variance_z"]])
    assert np.abs(z).max() < z_limit(len(z), found.attrs["trajectories"] - 1), z
    # the numbers are sharp enough to tell them from wrong ones
    assert np.all(found["variance_se"] < 0.05 * found["variance"])
    if periods == 1:
        gap = np.abs(found["variance_exact_quantum"] - found["variance_exact"])
        assert np.all(gap > 5 * found["variance_se"])


def test_mean_work_includes_what_is_faster_than_a_step():
    settings = SimulateSettings(trajectories=64, seed=1)
    for machine in (MACHINE, standard_machine(drive_frequency=0.3)):
        plan = prepare(machine, settings).plan
        exact = periodic_steady_state(machine)["local_power"].values
        estimated = estimated_power(plan)
        missed = unresolved_power(plan)
        np.testing.assert_allclose(estimated + missed[:-1], exact, atol=2e-3 * np.abs(exact).max())
        assert missed[-1] == pytest.approx(missed[:-1].sum())
    # slow drive, long steps, high cut-off: it matters
    assert np.abs(missed).max() > 0.02 * np.abs(exact).max()


def estimated_power(plan):
    """Mean power as the kernel estimates it, from the covariance that a long run of the steps settles at."""
    reduced, steps = plan.reduced, plan.law.steps
    middle, force = step_end_rows(plan)
    covariance, found = np.eye(reduced.size), np.zeros(plan.bodies)
    periods = 20 + int(20 * plan.law.layout.embedding.relaxation_time / plan.law.machine.period)
    for step in range(periods * steps):
        k = step % steps
        flow, noise = reduced.transition[k], reduced.noise[k]
        after = flow @ covariance @ flow.T + noise @ noise.T
        if step >= (periods - 1) * steps:
            joint = np.block([[covariance, covariance @ flow.T], [flow @ covariance, after]])
            found -= np.einsum("lc,cl->l", middle[k] @ joint @ force[k].T, plan.slopes[k])
        covariance = after
    return found / plan.law.machine.period


def test_windows_add_up_and_do_not_change_the_run():
    recorded, joined = windows(periods=40, trajectories=64), windows(4, periods=40, trajectories=64)
    assert recorded["window_work"].shape == (64, 40, 2)
    together = recorded["window_work"].values.reshape(64, 10, 4, 2).sum(axis=2)
    np.testing.assert_allclose(joined["window_work"], together, rtol=1e-9, atol=1e-9)
    plain = simulate(
        MACHINE, periods=40, trajectories=64, seed=3, start="steady", recording=Recording(trajectories=0)
    )
    assert "window_work" not in plain
    np.testing.assert_array_equal(plain["local_power"], recorded["local_power"])
    np.testing.assert_array_equal(plain["fluctuation_cnumber"], recorded["fluctuation_cnumber"])


def test_cumulants_of_a_known_distribution():
    dataset = windows(periods=40, trajectories=64).copy()
    draws = np.random.default_rng(1).gamma(2.0, 1.5, size=(400, 50, 2))
    attrs = {"periods": 1, "short_time_part": np.zeros(3), "short_time_power": np.zeros(3)}
    dataset = dataset.drop_vars("window_work").drop_dims("sample", errors="ignore")
    dataset = dataset.drop_vars(["sample", "window"], errors="ignore")
    dataset["window_work"] = ("sample", "window", "oscillator"), draws, attrs
    found = work_statistics(dataset, is_exact=False)
    # gamma distribution: cumulants k θ^n (n - 1)!
    for name, value in zip(
        ("mean", "variance", "third_cumulant", "fourth_cumulant"), (3, 4.5, 13.5, 60.75), strict=True
    ):
        z = (found[name] - value * np.array([1, 1, 2])) / found[f"{name}_se"]
        assert np.abs(z).max() < z_limit(3), name
        assert np.all(found[f"{name}_se"] < 0.4 * value), name


def test_work_since_the_start_has_the_exact_mean():
    machine, dataset = burst()
    exact = transient(machine, dataset["time"].values)["work"].values[1:]
    works = dataset["trajectory_work"].values[:, 1:]
    assert np.all(dataset["trajectory_work"].values[:, 0] == 0)
    z = (works.mean(axis=0) - exact) / (works.std(axis=0, ddof=1) / np.sqrt(len(works)))
    assert np.abs(z).max() < z_limit(z.size), z
    assert np.abs(exact / (works.std(axis=0, ddof=1) / np.sqrt(len(works)))).max() > 10


def test_jarzynski_in_the_classical_limit():
    _, dataset = burst()
    works = dataset["trajectory_work"].values[:, -1].sum(axis=1)
    found = jarzynski(works, HOT)
    assert found.is_reliable
    assert abs(found.average - 1) < z_limit(1) * found.average_se
    assert abs(found.difference) < z_limit(1) * found.difference_se
    # the second law has room: a wrong sign, or work without its fluctuations, would be seen
    assert found.average_se < 0.05
    assert works.mean() > 10 * works.std() / np.sqrt(len(works))
    backwards = jarzynski(-works, HOT)
    assert abs(backwards.difference) > 5 * backwards.difference_se


@pytest.mark.slow
def test_jarzynski_sharp_and_violated_by_quantum_noise():
    for temperature, is_classical in ((HOT, True), (0.8, False)):
        _, dataset = burst(trajectories=65536, temperature=temperature)
        found = jarzynski(dataset["trajectory_work"].values[:, -1].sum(axis=1), temperature)
        score = abs(found.average - 1) / found.average_se
        assert (score < z_limit(1)) == is_classical, (temperature, found)


def test_jarzynski_of_gaussian_work_and_its_warning():
    rng = np.random.default_rng(2)
    found = jarzynski(rng.normal(1.5, 1.0, size=20000), 1.0)
    assert abs(found.difference - 1.0) < z_limit(1) * found.difference_se
    assert found.is_reliable
    assert not jarzynski(rng.normal(20.0, 6.0, size=20000), 1.0).is_reliable


def test_refusals():
    with pytest.raises(InputError, match="work_periods"):
        work_statistics(windows(periods=40, trajectories=64).drop_vars("window_work"))
    with pytest.raises(InputError, match="multiple"):
        work_statistics(windows(4, periods=40, trajectories=64), 6)
    with pytest.raises(InputError, match="longer"):
        work_statistics(windows(4, periods=40, trajectories=64), 44)
    with pytest.raises(InputError, match="duration"):
        simulate(MACHINE, recording=Recording(work=True))
    with pytest.raises(InputError, match="work = true"):
        simulate(MACHINE, duration=1.0, recording=Recording(work_periods=1))
    machine = burst_machine(envelope=Step(time=1.0))
    with pytest.raises(InputError, match="jumps"):
        simulate(machine, duration=2.0, points=3, trajectories=64, recording=Recording(work=True))
    with pytest.raises(InputError, match="temperature"):
        jarzynski([1.0, 2.0], 0.0)
    with pytest.raises(InputError, match="finite"):
        jarzynski([1.0, np.nan], 1.0)
