"""Fluctuations of work: the commutator part that sampled trajectories do not contain."""

import numpy as np
import pytest
from helpers.machines import LORENTZIAN, converter, single_machine, standard_machine, static_machine
from helpers.published import Published
from helpers.solved import steady

from langevin_qtm.errors import UnstableMachineError
from langevin_qtm.exact.fluctuations import commutator_fluctuation
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.reservoir import DrudeLorentz, Ohmic

MACHINES = {
    "reference-point": standard_machine(),
    "strong": standard_machine(driven_density=DrudeLorentz(gamma=0.4, cutoff=12.0)),
    "lorentzian": standard_machine(driven_density=LORENTZIAN, drive_frequency=0.7),
    "ohmic": standard_machine(driven_density=Ohmic(gamma=0.1)),
    "converter": converter(),
    "independent": standard_machine(wiring="independent"),
    "one": single_machine(drive=Drive.cosine(0.7, 0.2, mean=0.4)),
    "harmonics": single_machine(drive=Drive(harmonics=((0, 0.5, 0.0), (1, 0.2, 0.3), (2, 0.2, 0.0)))),
}


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES.keys())
def test_commutator_part_is_the_quantum_minus_the_cnumber_fluctuation(machine):
    local, total = commutator_fluctuation(machine)
    dataset = steady(machine)
    expected = (dataset.fluctuation_quantum - dataset.fluctuation_cnumber).values
    scale = np.abs(expected).max()
    # discretisation: the default tolerance, 1e-7
    np.testing.assert_allclose(local, expected, rtol=0, atol=2e-7 * scale)
    difference = float(dataset.power_fluctuation_quantum - dataset.power_fluctuation_cnumber)
    assert total == pytest.approx(difference, abs=2e-7 * max(scale, abs(difference)))


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES.keys())
def test_fluctuations_are_variances_with_and_without_the_commutator_part(machine):
    dataset = steady(machine)
    for quantum, cnumber in (
        (dataset.fluctuation_quantum, dataset.fluctuation_cnumber),
        (dataset.power_fluctuation_quantum, dataset.power_fluctuation_cnumber),
    ):
        assert np.all(quantum > 0)
        assert np.all(cnumber > 0)


def test_commutator_part_lowers_the_fluctuations_of_a_weakly_driven_machine():
    dataset = steady(MACHINES["reference-point"])
    assert np.all(dataset.fluctuation_quantum < 0.8 * dataset.fluctuation_cnumber)
    assert float(dataset.power_fluctuation_quantum) < 0.8 * float(dataset.power_fluctuation_cnumber)


def test_commutator_part_does_not_depend_on_the_temperatures():
    cold, hot = (commutator_fluctuation(standard_machine(temperatures=(t, 2 * t))) for t in (0.0, 5.0))
    # discretisation: the default tolerance, 1e-7; the meshes differ
    np.testing.assert_allclose(cold[0], hot[0], rtol=2e-7)
    assert cold[1] == pytest.approx(hot[1], rel=2e-7)


def test_commutator_part_loses_its_weight_with_the_square_of_the_temperature():
    temperatures, weights = np.array([10.0, 100.0, 1000.0]), []
    for temperature in temperatures:
        dataset = steady(standard_machine(temperatures=(temperature, temperature)))
        weights.append(1 - float(dataset.power_fluctuation_quantum / dataset.power_fluctuation_cnumber))
    slope = np.polyfit(np.log(temperatures), np.log(weights), 1)[0]
    assert -2.05 < slope < -1.95  # discretisation: measured order


def test_fluctuations_at_zero_temperature_come_from_transitions_that_the_drive_pays_for():
    """At T = 0 the integrand of second order lives on -nΩ < w < 0 alone, and is positive there."""
    machine = standard_machine(temperatures=(0.0, 0.0), driven_density=DrudeLorentz(gamma=1e-6, cutoff=12.0))
    dataset, published = steady(machine), Published(machine)
    # discretisation: linear in gamma_1
    np.testing.assert_allclose(dataset.fluctuation_quantum, published.d_quantum, rtol=1e-3)
    assert np.all(dataset.fluctuation_quantum > 0)


def test_unstable_machine_has_no_fluctuations():
    with pytest.raises(UnstableMachineError, match="no periodic steady state"):
        commutator_fluctuation(static_machine(omega=(1.0, 1.0)))


def test_work_without_drive_does_not_fluctuate():
    local, total = commutator_fluctuation(static_machine())
    assert np.all(local == 0)
    assert total == 0


def test_local_fluctuations_of_separate_oscillators_add_up():
    local, total = commutator_fluctuation(MACHINES["independent"])
    assert total == pytest.approx(local.sum(), rel=1e-7)  # discretisation: the tolerance


def test_local_fluctuations_of_joint_oscillators_do_not_add_up():
    local, total = commutator_fluctuation(MACHINES["reference-point"])
    assert abs(total / local.sum() - 1) > 0.05
