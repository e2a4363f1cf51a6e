"""Machines: wiring as contacts, what is refused, and what stays fixed."""

import numpy as np
import pytest
from helpers.machines import (
    BROAD_DRUDE,
    DRUDE,
    OHMIC,
    cosines,
    driven,
    standard_machine,
    static,
    static_machine,
)

from langevin_qtm.errors import InputError
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import Reservoir

TIMES = np.linspace(0.0, 2 * np.pi, 7) / standard_machine().angular_frequency


def test_joint_wiring_is_one_contact_for_each_reservoir_with_all_oscillators():
    machine = standard_machine()
    angles = machine.angular_frequency * TIMES
    assert [contact.reservoir for contact in machine.contacts] == [0, 1]
    expected = np.stack([np.cos(angles), np.cos(angles + np.pi / 2)], axis=1)
    np.testing.assert_allclose(machine.contacts[0].couplings(TIMES), expected, rtol=0, atol=1e-15)  # rounding
    np.testing.assert_array_equal(machine.contacts[1].couplings(TIMES), 1.0)
    assert [contact.is_driven for contact in machine.contacts] == [True, False]
    assert [contact.temperature for contact in machine.contacts] == [0.5, 0.2]
    assert [contact.density for contact in machine.contacts] == [DRUDE, BROAD_DRUDE]


def test_independent_wiring_gives_every_oscillator_its_own_copies():
    joint, independent = standard_machine(), standard_machine(wiring="independent")
    assert [contact.reservoir for contact in independent.contacts] == [0, 0, 1, 1]
    for reservoir in (0, 1):
        copies = [c for c in independent.contacts if c.reservoir == reservoir]
        shared = joint.contacts[reservoir].couplings(TIMES)
        for oscillator, copy in enumerate(copies):
            own = copy.couplings(TIMES)
            np.testing.assert_array_equal(own[:, oscillator], shared[:, oscillator])
            np.testing.assert_array_equal(own[:, 1 - oscillator], 0.0)


def test_oscillators_that_a_coupling_does_not_name_are_not_coupled():
    machine = standard_machine(coupling={"B": Drive.cosine()})
    np.testing.assert_array_equal(machine.contacts[0].couplings(TIMES)[:, 0], 0.0)
    alone = standard_machine(coupling={"B": Drive.cosine()}, wiring="independent")
    assert [contact.reservoir for contact in alone.contacts] == [0, 1, 1]


def test_couplings_that_are_zero_make_no_contact():
    machine = standard_machine(coupling={"A": Drive.constant(0.0), "B": Drive(harmonics=((1, 0.0, 0.0),))})
    assert [contact.reservoir for contact in machine.contacts] == [1]
    assert machine.driven_reservoirs == frozenset()


def test_coupling_rates_are_the_derivatives_of_the_couplings():
    contact = standard_machine(coupling={"A": Drive(harmonics=((0, 0.4, 0.0), (2, 0.3, 0.1)))}).contacts[0]
    step = 1e-5
    numeric = (contact.couplings(TIMES + step) - contact.couplings(TIMES - step)) / (2 * step)
    # discretisation: step²/6 times the third derivative, below 8
    np.testing.assert_allclose(contact.coupling_rates(TIMES), numeric, rtol=0, atol=2e-10)


def test_spectra_of_a_contact_are_those_of_its_reservoir():
    machine, omega = standard_machine(), np.linspace(-3, 3, 13)
    for contact in machine.contacts:
        reservoir = machine.reservoirs[contact.reservoir]
        np.testing.assert_array_equal(
            contact.noise_power_spectrum(omega), reservoir.noise_power_spectrum(omega)
        )
        expected = reservoir.spectral_density.response(omega).imag
        np.testing.assert_allclose(contact.spectral_density(omega), expected, rtol=1e-14, atol=0)  # rounding


def test_undriven_machine_keeps_static_reservoirs_clock_and_wiring():
    for wiring in ("joint", "independent"):
        machine = standard_machine(wiring=wiring)
        undriven = machine.undriven()
        assert [reservoir.name for reservoir in undriven.reservoirs] == ["static"]
        assert undriven.period == machine.period
        assert undriven.wiring == wiring
        assert undriven.frequencies == machine.frequencies
        assert not any(contact.is_driven for contact in undriven.contacts)


def test_machine_with_driven_reservoirs_only_has_no_undriven_remainder():
    machine = Machine(
        frequencies={"A": 1.0}, drive_frequency=1.0, reservoirs=(driven(DRUDE, 0.1, cosines(0.0)),)
    )
    with pytest.raises(InputError, match="all are driven"):
        machine.undriven()


def test_order_is_the_highest_harmonic_and_at_least_one():
    assert static_machine().order == 1
    assert standard_machine().order == 1
    assert standard_machine(coupling={"A": Drive(harmonics=((3, 0.1, 0.0), (1, 0.1, 0.0)))}).order == 3


def test_order_of_a_machine_with_one_contact_is_that_of_the_contact():
    reservoir = driven(DRUDE, 0.1, {"A": Drive(harmonics=((0, 1.0, 0.0), (2, 0.1, 0.0)))})
    assert Machine(frequencies={"A": 1.0}, drive_frequency=1.0, reservoirs=(reservoir,)).order == 2


def test_undriven_machine_averages_over_the_period_of_its_slowest_oscillator():
    machine = static_machine()
    assert machine.angular_frequency == 0.6
    assert machine.period == pytest.approx(2 * np.pi / 0.6, rel=1e-15)  # rounding


def test_names_frequencies_and_temperatures_keep_their_order():
    machine = standard_machine(omega=(0.3, 1.7))
    assert machine.oscillators == ("A", "B")
    np.testing.assert_array_equal(machine.omega, [0.3, 1.7])
    np.testing.assert_array_equal(machine.temperatures, [0.5, 0.2])


def test_text_of_a_machine_states_every_number():
    lines = str(standard_machine()).splitlines()
    assert lines == [
        "Machine, joint wiring, Ω = 1.3",
        "  oscillator A: w = 1",
        "  oscillator B: w = 0.6",
        "  reservoir driven: drude (gamma = 0.05, cutoff = 12), T = 0.5",
        "  reservoir static: drude (gamma = 0.5, cutoff = 60), T = 0.2",
    ]
    for number in ("1.3", "0.6", "'driven'", "gamma=0.05", "cutoff=60.0"):
        assert number in repr(standard_machine())


def test_stored_machine_is_read_back_equal():
    for machine in (standard_machine(), static_machine(), standard_machine(wiring="independent")):
        assert Machine.model_validate_json(machine.model_dump_json()) == machine


def test_machines_are_frozen():
    machine = standard_machine()
    with pytest.raises(ValueError, match="frozen"):
        machine.wiring = "independent"
    with pytest.raises(AttributeError):
        machine.contacts[0].temperature = 2.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frequencies": {}}, r"`frequencies` = \{\} is not allowed: it must have at least 1 item"),
        ({"frequencies": {"A": 0.0}}, r"`frequencies\.A` = 0\.0 is not allowed: it must be greater than 0"),
        ({"frequencies": {"A": "1"}}, r"`frequencies\.A` = '1' is not allowed"),
        ({"reservoirs": ()}, r"`reservoirs` = \(\) is not allowed"),
        ({"drive_frequency": 0.0}, r"`drive_frequency` = 0\.0 is not allowed: it must be greater than 0"),
        ({"drive_frequency": None}, r"`drive\.frequency` is missing, but a coupling is driven; add it"),
        (
            {"wiring": "parallel"},
            r"`wiring` = 'parallel' is not allowed: it must be 'joint' or 'independent'",
        ),
        ({"temperature": 1.0}, r"`temperature` = 1\.0 is not a known key; remove it or correct its spelling"),
        (
            {"reservoirs": (static(OHMIC, 0.1), static(OHMIC, 0.2))},
            r"names \['static', 'static'\] are not unique: rename one",
        ),
        (
            {"reservoirs": (static(OHMIC, 0.1, {"C": 1.0}),)},
            r"`reservoir\.static\.coupling` names oscillator 'C', which is not one of \['A', 'B'\]; correct",
        ),
        (
            {"reservoirs": (static(OHMIC, 0.1, {"A": 0.0}),)},
            r"couplings are all zero; couple at least one oscillator",
        ),
        (
            {"reservoirs": (Reservoir(name="r", temperature=1.0, spectral_density=OHMIC, coupling={}),)},
            r"couplings are all zero",
        ),
    ],
    ids=[
        "no-oscillator",
        "zero-frequency",
        "text-frequency",
        "no-reservoir",
        "zero-drive",
        "no-drive",
        "wiring",
        "unknown-key",
        "twin-names",
        "unknown-oscillator",
        "zero-couplings",
        "no-couplings",
    ],
)
def test_machines_that_cannot_be_are_refused_with_key_value_and_remedy(changes, message):
    arguments = {
        "frequencies": {"A": 1.0, "B": 0.6},
        "drive_frequency": 1.3,
        "reservoirs": standard_machine().reservoirs,
    }
    with pytest.raises(InputError, match=message):
        Machine(**{**arguments, **changes})
