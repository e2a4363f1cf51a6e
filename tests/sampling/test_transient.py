"""Transients: sampled against propagated moments, and both against unitary dynamics of finite reservoirs."""

import numpy as np
import pytest
from finite_reservoir import FiniteReservoirs
from helpers.judging import z_limit
from helpers.machines import QUARTER, standard_machine
from sampler_machines import MACHINES, relative_to_largest

from langevin_qtm.physics.reservoir import DrudeLorentz
from langevin_qtm.sampling import simulate as simulate_module
from langevin_qtm.sampling.preparation import prepare
from langevin_qtm.sampling.settings import Recording, SimulateSettings
from langevin_qtm.sampling.simulate import simulate
from langevin_qtm.sampling.start import start_covariance

NO_RECORD = Recording(trajectories=0)
TURN = 1.3
SOFT = standard_machine(
    drive_frequency=TURN,
    driven_density=DrudeLorentz(gamma=0.2, cutoff=3.0),
    static_density=DrudeLorentz(gamma=0.5, cutoff=4.0),
    temperatures=(0.5, 0.2),
)
INITIAL = 0.3


class Propagated:
    """Moments after every step from a start covariance, by the law of the steps; no sampling."""

    def __init__(self, law, covariance, periods):
        self.law, self.layout, steps = law, law.layout, law.steps
        kept, bodies = law.layout.carried, law.layout.bodies
        flows, noises = law.propagator[:, kept][:, :, kept], law.covariance.sum(axis=0)[:, kept][:, :, kept]
        machine = law.machine
        self.covariances = [covariance]
        positions, power = np.zeros((bodies, bodies, steps)), np.zeros((bodies, steps))
        heat = np.zeros((len(machine.reservoirs), steps))
        for step in range(periods * steps):
            k, phase = step % steps, (step + 1) % steps
            covariance = flows[k] @ covariance @ flows[k].T + noises[k]
            self.covariances.append(covariance)
            t = np.array([machine.period * phase / steps])
            positions[..., phase] += covariance[:bodies, :bodies] / periods
            for index, contact in enumerate(machine.contacts):
                row = self.layout.force_row(index, t)[0][kept]
                g, rate = contact.couplings(t)[0], contact.coupling_rates(t)[0]
                work = rate * (covariance[:bodies] @ row) / periods
                power[:, phase] -= work
                memory = self.layout.embedding.memories[index]
                kick = 0.5 * (memory.white_gain * self.layout.filters[index].white) ** 2 * g @ g
                warmth = g @ (covariance[bodies : 2 * bodies] @ row) + kick
                heat[contact.reservoir, phase] += work.sum() + warmth / periods
        self.moments = {"position_covariance": positions, "local_power": power, "heat_current": heat}


def transient_scores(machine, start, periods, **settings):
    """z-scores of every phase-resolved moment of a sampled transient against the propagated ones."""
    law = prepare(machine, SimulateSettings(run_in=0)).plan.law
    given = start if isinstance(start, dict) else {"kind": start}
    begun = start_covariance(law, given["kind"], given.get("temperature"))
    expected = Propagated(law, begun, periods).moments
    run = simulate(machine, start=start, run_in=0, periods=periods, recording=NO_RECORD, seed=11, **settings)
    assert run.attrs["steady_state_confirmed"] == 1  # too short to tell
    z = []
    for name, values in expected.items():
        sampled, error = run[f"{name}_phase"].values, run[f"{name}_phase_se"].values
        assert sampled.shape == values.shape
        score = (sampled - values)[error > 0] / error[error > 0]
        assert np.abs(values[error == 0]).max(initial=0.0) < 1e-12  # ġ = 0: no power, exactly
        z.append(score.ravel())
    steady = Propagated(law, start_covariance(law, "steady", None), 1).moments
    return np.concatenate(z), run, expected, steady


@pytest.mark.parametrize(
    ("machine", "start", "temperature"),
    [
        (MACHINES["engine"], "factorised", 2.0),
        (SOFT, "equilibrated", None),
        (MACHINES["driven Ohmic"], "factorised", 3.0),
    ],
    ids=["engine-factorised", "Drude-equilibrated", "Ohmic-factorised"],
)
def test_first_periods_are_those_of_the_propagated_start(machine, start, temperature):
    count = 64 * 64
    if temperature is not None:
        start = {"kind": start, "temperature": temperature}
    z, run, expected, steady = transient_scores(machine, start, 2, trajectories=count)
    assert len(z) > 300
    assert np.abs(z).max() < z_limit(len(z), count - 1)
    # power: the moments of the steady state would be refused
    far = max(
        np.abs((steady[name] - expected[name])[..., 1:] / run[f"{name}_phase_se"].values[..., 1:]).max()
        for name in ("position_covariance", "heat_current")
    )
    assert far > 1.5 * z_limit(len(z))


# ------------------------------------------------------------------------------------------ finite reservoirs


def finite_reservoirs(modes=300):
    """The same machine as a Hamiltonian of oscillators and modes."""
    return FiniteReservoirs(
        (1.0, 0.6),
        INITIAL,
        [
            (0.2, 3.0, 0.5, lambda t: np.cos(TURN * t + np.array([0.0, QUARTER]))),
            (0.5, 4.0, 0.2, lambda _: np.ones(2)),
        ],
        modes,
    )


@pytest.fixture(scope="module")
def unitary():
    """Covariances of x and v over the first period from unitary dynamics: steps, and matrices."""
    steps = [1, 4, 16, 40, 64]
    period = 2 * np.pi / TURN
    return steps, [finite_reservoirs().covariance(step / 64 * period) for step in steps]


def worst_position(covariances, unitary):
    steps, expected = unitary
    return max(
        relative_to_largest(covariances[k][:2, :2], e[:2, :2]) for k, e in zip(steps, expected, strict=True)
    )


@pytest.fixture(scope="module")
def soft_law():
    return prepare(SOFT, SimulateSettings(run_in=0)).plan.law


def test_propagated_transient_is_that_of_unitary_dynamics(soft_law, unitary):
    start = start_covariance(soft_law, "factorised", INITIAL)
    covariances = Propagated(soft_law, start, 1).covariances
    # reference: 300 modes a reservoir, against 600: 2e-5 for positions, 3e-4 for velocities
    assert worst_position(covariances, unitary) < 1e-4
    for step, expected in zip(*unitary, strict=True):
        assert relative_to_largest(covariances[step][:4, :4], expected) < 1e-3


@pytest.mark.parametrize("forgotten", ["driven", "static"])
def test_transient_without_initial_slip_is_refused_by_unitary_dynamics(soft_law, unitary, forgotten):
    start = start_covariance(soft_law, "factorised", INITIAL)
    force = soft_law.layout.friction[["driven", "static"].index(forgotten)]
    start[force], start[:, force] = 0.0, 0.0
    assert worst_position(Propagated(soft_law, start, 1).covariances, unitary) > 100 * 1e-4


def test_transient_without_zero_point_noise_is_refused_by_unitary_dynamics(soft_law, unitary):
    start = start_covariance(soft_law, "factorised", INITIAL)
    classical = start.copy()
    classical[:4, :4] = np.diag([INITIAL, INITIAL / 0.36, INITIAL, INITIAL])
    assert worst_position(Propagated(soft_law, classical, 1).covariances, unitary) > 100 * 1e-4


def sampled_scores(unitary):
    """z-scores of sampled position covariances over the first period against unitary dynamics."""
    run = simulate(
        SOFT,
        start={"kind": "factorised", "temperature": INITIAL},
        run_in=0,
        periods=1,
        trajectories=64 * 40,
        recording=NO_RECORD,
        seed=3,
    )
    z = []
    for step, expected in zip(*unitary, strict=True):
        value, error = (run[f"position_covariance_phase{s}"].values[..., step % 64] for s in ("", "_se"))
        upper = np.triu_indices(2)
        z.append(((value - expected[:2, :2]) / error)[upper])
    return np.concatenate(z)


def test_sampled_transient_is_that_of_unitary_dynamics(unitary):
    z = sampled_scores(unitary)
    assert np.abs(z).max() < z_limit(len(z))


def test_sampled_transient_without_initial_slip_is_refused_by_unitary_dynamics(unitary, monkeypatch):
    def without_slip(law, start, temperature):
        covariance = start_covariance(law, start, temperature)
        for force in law.layout.friction:
            covariance[force], covariance[:, force] = 0.0, 0.0
        return covariance

    monkeypatch.setattr(simulate_module, "start_covariance", without_slip)
    z = sampled_scores(unitary)
    assert np.abs(z).max() > 2 * z_limit(len(z))
