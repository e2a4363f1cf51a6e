"""Embedding: period map, Floquet multipliers, strong-coupling rates and loss of stability."""

import numpy as np
import pytest
from helpers.machines import (
    DRUDE,
    LORENTZIAN,
    OHMIC,
    cosines,
    driven,
    single_machine,
    standard_machine,
    static,
    static_machine,
)
from helpers.time_domain import TimeDomain

from langevin_qtm.errors import NotConvergedError, UnstableMachineError
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz, Ohmic

MACHINES = {
    "drude-drude": standard_machine(),
    "drude-ohmic": standard_machine(static_density=OHMIC),
    "ohmic-driven": standard_machine(driven_density=Ohmic(gamma=0.3), static_density=LORENTZIAN),
    "lorentzian": standard_machine(driven_density=LORENTZIAN, drive_frequency=0.7),
    "independent": standard_machine(wiring="independent", driven_density=LORENTZIAN),
    "harmonics": standard_machine(
        coupling={
            "A": Drive(harmonics=((0, 0.5, 0.0), (1, 0.2, 0.3), (3, -0.1, 0.2))),
            "B": Drive(harmonics=((2, 0.4, -0.1),)),
        }
    ),
    "three": standard_machine(omega=(1.0, 0.6, 1.7), coupling=cosines(0.0, 1.0, 2.0)),
}


def parametric_machine(amplitude=0.5, frequency=3.0):
    """One oscillator whose stiffness the counterterm of a slow driven reservoir modulates."""
    return Machine(
        frequencies={"A": 1.0},
        drive_frequency=frequency,
        reservoirs=(
            driven(DrudeLorentz(gamma=20.0, cutoff=0.05), 0.1, {"A": Drive.cosine(amplitude, mean=1.0)}),
            static(Ohmic(gamma=0.01), 0.1),
        ),
    )


def force_from_position_memory(machine):
    """Matrix from the state of `TimeDomain`, filtered positions, to that of the package, forces, at t = 0."""
    system = TimeDomain(machine)
    matrix = np.eye(system.size)
    for contact, ((density, _, _), start) in enumerate(zip(system.contacts, system.starts, strict=True)):
        if density.kind != "ohmic":
            matrix[start] = system.force_row(contact, 0.0)
    return matrix


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES.keys())
def test_period_map_is_that_of_the_equations_of_motion(machine):
    system, embedding = TimeDomain(machine), Embedding(machine)
    assert embedding.size == system.size
    change = force_from_position_memory(machine)
    expected = change @ system.propagators(np.array([system.period]))[-1] @ np.linalg.inv(change)
    # discretisation: fourth order, 4096 steps; and solve_ivp at 1e-12
    np.testing.assert_allclose(embedding.monodromy(4096), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES.keys())
def test_largest_multiplier_is_that_of_the_equations_of_motion(machine):
    system, embedding = TimeDomain(machine), Embedding(machine)
    values = np.abs(np.linalg.eigvals(system.propagators(np.array([system.period]))[-1]))
    # discretisation: 1e-7 of 1 - |μ| is what `floquet_multipliers` asks of its steps
    assert embedding.max_multiplier == pytest.approx(values.max(), abs=1e-6 * (1 - values.max()))
    assert embedding.relaxation_time == pytest.approx(-machine.period / np.log(values.max()), rel=1e-5)


@pytest.mark.parametrize("shape", ["velocity", "force", "noise"])
def test_rows_and_noise_gains_have_the_signs_of_the_equations_of_motion(shape):
    machine = MACHINES["harmonics"]
    embedding, system = Embedding(machine), TimeDomain(machine)
    times, bodies = np.array([0.0, 0.9, 4.0]), 2
    for contact in range(2):
        for k, t in enumerate(times):
            if shape == "velocity":
                expected = system.y_rate_row(contact, t)[: 2 * bodies]
                actual = embedding.velocity_row(contact, times)[k][: 2 * bodies]
            elif shape == "force":
                expected = np.eye(system.size)[system.starts[contact]]
                actual = embedding.force_row(contact, times)[k]
            else:
                expected = system.noise_gain(contact, t)
                actual = embedding.noise_input(contact, times)[k]
            np.testing.assert_allclose(actual, expected, rtol=1e-13, atol=1e-15)  # rounding


def test_noise_of_an_ohmic_contact_strikes_the_momenta():
    machine = standard_machine(driven_density=Ohmic(gamma=0.3))
    times = np.array([0.0, 1.0])
    gain, system = Embedding(machine).noise_input(0, times), TimeDomain(machine)
    for k, t in enumerate(times):
        np.testing.assert_allclose(gain[k], system.noise_gain(0, t), rtol=0, atol=1e-15)  # rounding


@pytest.mark.parametrize("density", [DRUDE, OHMIC, LORENTZIAN], ids=["drude", "ohmic", "lorentzian"])
def test_multipliers_of_an_undriven_machine_are_exponentials_of_its_rates(density):
    machine = static_machine(densities=(density,))
    embedding = Embedding(machine)
    rates = np.linalg.eigvals(embedding.generator(np.zeros(1))[0])
    expected = np.exp(rates * machine.period)
    expected = expected[np.argsort(-np.abs(expected))]
    # rounding: products of 64 matrix exponentials
    np.testing.assert_allclose(np.abs(embedding.floquet_multipliers), np.abs(expected), rtol=1e-9, atol=1e-12)
    slowest = -1 / rates.real.max()
    assert embedding.relaxation_time == pytest.approx(slowest, rel=1e-9)  # rounding


def test_step_of_the_period_map_is_of_fourth_order():
    embedding = Embedding(MACHINES["drude-drude"])
    exact = embedding.monodromy(2048)
    steps = np.array([16, 32, 64, 128])
    errors = [np.abs(embedding.monodromy(n) - exact).max() for n in steps]
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert 3.8 < slope < 4.3  # discretisation: measured order
    assert errors[-1] < 1e-6


@pytest.mark.parametrize("static_gamma", [10.0, 100.0])
def test_overdamped_reservoir_leaves_one_slow_root_and_a_weakly_damped_antiphase_mode(static_gamma):
    a, b = 1.0, 0.6
    machine = static_machine(omega=(a, b), densities=(Ohmic(gamma=static_gamma),))
    rates = np.linalg.eigvals(Embedding(machine).generator(np.zeros(1))[0])
    mean_square = (a**2 + b**2) / 2
    expected = {
        "fast": -2 * static_gamma,
        "slow": -(a**2) * b**2 / (static_gamma * (a**2 + b**2)),
        "damping": -((a**2 - b**2) ** 2) / (16 * mean_square * static_gamma),
        "frequency": np.sqrt(mean_square),
    }
    real = np.sort(rates[np.abs(rates.imag) < 1e-9].real)
    mode = rates[rates.imag > 0.1][0]
    actual = {"fast": real[0], "slow": real[-1], "damping": mode.real, "frequency": mode.imag}
    for name, value in expected.items():
        # discretisation: leading order in 1/γ_2; the next is (w/γ_2)² relative
        assert actual[name] == pytest.approx(value, rel=1.0 / static_gamma**2), name


def test_characteristic_rates_contain_those_of_the_static_machine():
    machine = static_machine(densities=(DRUDE,))
    embedding = Embedding(machine)
    exact = np.linalg.eigvals(embedding.generator(np.zeros(1))[0])
    found = embedding.characteristic_rates()
    assert all(np.abs(found - rate).min() < 1e-9 for rate in exact)  # rounding
    assert np.all(found.real < 0)


def test_characteristic_rates_contain_the_slow_floquet_rate_of_a_driven_machine():
    machine = standard_machine(driven_density=DrudeLorentz(gamma=1.0, cutoff=12.0))
    embedding = Embedding(machine)
    rates = embedding.characteristic_rates()
    # discretisation: of the multiplier
    assert np.abs(rates.real + 1 / embedding.relaxation_time).min() < 1e-6


def test_no_characteristic_rate_is_slower_than_the_slowest_floquet_mode():
    """Averaged dynamics leaves the relative motion of equal oscillators undamped; the drive damps it."""
    embedding = Embedding(standard_machine(omega=(1.0, 1.0)))
    slowest = -1 / embedding.relaxation_time
    assert np.all(embedding.characteristic_rates().real <= slowest * (1 - 1e-9))  # rounding


def test_driven_counterterm_pumps_an_oscillator_near_twice_its_frequency():
    with pytest.raises(UnstableMachineError, match="pumps it parametrically") as refusal:
        Embedding(parametric_machine()).require_stable()
    system = TimeDomain(parametric_machine())
    values = np.abs(np.linalg.eigvals(system.propagators(np.array([system.period]))[-1]))
    # discretisation: of the multiplier
    assert refusal.value.max_multiplier == pytest.approx(values.max(), rel=1e-7)
    assert values.max() > 1.3
    assert f"{refusal.value.max_multiplier:.12g}" in str(refusal.value)


@pytest.mark.parametrize(
    ("amplitude", "frequency"), [(0.02, 3.0), (0.5, 10.0)], ids=["weak", "off-resonance"]
)
def test_parametric_instability_ends_with_weak_or_detuned_driving(amplitude, frequency):
    embedding = Embedding(parametric_machine(amplitude, frequency))
    embedding.require_stable()
    assert 0 < embedding.max_multiplier < 1


def test_undamped_relative_motion_of_equal_oscillators_is_refused_with_its_own_cause():
    embedding = Embedding(static_machine(omega=(1.0, 1.0), densities=(OHMIC,)))
    with pytest.raises(UnstableMachineError, match="some mode is not damped by any reservoir") as refusal:
        embedding.require_stable()
    assert refusal.value.max_multiplier == pytest.approx(1.0, abs=1e-12)  # rounding


def test_equal_oscillators_are_damped_by_reservoirs_of_their_own_or_by_the_driven_one():
    Embedding(static_machine(omega=(1.0, 1.0), densities=(OHMIC,), wiring="independent")).require_stable()
    Embedding(standard_machine(omega=(1.0, 1.0))).require_stable()


def test_slow_drive_of_a_stiff_machine_still_settles():
    embedding = Embedding(standard_machine(drive_frequency=0.05, static_density=Ohmic(gamma=100.0)))
    assert 0 < embedding.max_multiplier < 1


def test_drive_much_slower_than_the_relaxation_gives_a_bound_on_the_relaxation_time():
    fast, slow = (Embedding(single_machine(drive_frequency=w)) for w in (0.01, 1e-4))
    assert slow.max_multiplier == 0.0  # underflow of e^{-16000}
    assert fast.relaxation_time <= slow.relaxation_time < slow.machine.period / 700
    slow.require_stable()


def test_period_map_that_does_not_settle_says_how_far_it_got():
    frozen = DrudeLorentz(gamma=1e6, cutoff=1e-6)  # modulates the stiffness, damps once in 2e6
    drive = Drive.cosine(0.9, mean=1.0)
    machine = single_machine(
        drive_frequency=1e-4, driven_density=frozen, static_density=Ohmic(gamma=1e-6), drive=drive
    )
    with pytest.raises(NotConvergedError, match="Largest Floquet multiplier did not converge") as refusal:
        Embedding(machine).require_stable()
    assert refusal.value.error > refusal.value.target == 1e-7
