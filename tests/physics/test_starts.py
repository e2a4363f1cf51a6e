"""Starts: Gaussian states of the oscillators, their uncertainty relation, and what is refused."""

import numpy as np
import pytest
from helpers.machines import standard_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from langevin_qtm.errors import InputError
from langevin_qtm.physics.start import (
    Equilibrated,
    Factorised,
    OscillatorState,
    Steady,
    require_quantum_state,
)
from langevin_qtm.transients.transient import parse_start

MACHINE = standard_machine()  # w = 1.0, 0.6; T = 0.5, 0.2
OMEGA = np.array([1.0, 0.6])
FORM = np.kron([[0.0, 1.0], [-1.0, 0.0]], np.eye(2))
ROUNDING = 1e-13


def symplectic(covariance):
    """Symplectic eigenvalues, ascending; ½ is the vacuum."""
    return np.sort(np.abs(np.linalg.eigvals(1j * FORM @ covariance).real))[::2]


def test_by_default_oscillators_have_the_temperature_of_the_last_reservoir():
    mean, covariance = Factorised().gaussian(MACHINE, OMEGA)
    coth = 1 / np.tanh(OMEGA / 0.4)
    np.testing.assert_allclose(covariance, np.diag([*(coth / 2 / OMEGA), *(coth * OMEGA / 2)]), atol=ROUNDING)
    np.testing.assert_array_equal(mean, 0.0)


def test_temperatures_are_that_of_the_start_unless_an_oscillator_has_its_own():
    start = Factorised(temperature=0.0, oscillators={"B": OscillatorState(temperature=3.0)})
    widths = np.diag(start.gaussian(MACHINE, OMEGA)[1])
    np.testing.assert_allclose(widths[[0, 2]], 0.5, rtol=ROUNDING)
    assert widths[1] == pytest.approx(1 / np.tanh(0.1) / 1.2)


@given(r=st.floats(-1.5, 1.5), angle=st.floats(-7.0, 7.0), temperature=st.sampled_from([0.0, 0.3, 5.0]))
@settings(derandomize=True, max_examples=50, deadline=None)
def test_squeezing_changes_widths_but_not_the_purity(r, angle, temperature):
    state = OscillatorState(temperature=temperature, squeezing=r, angle=angle)
    _, covariance = Factorised(oscillators={"B": state}).gaussian(MACHINE, OMEGA)
    require_quantum_state(covariance)
    w = OMEGA[1]
    level = 0.5 / np.tanh(w / 2 / temperature) if temperature else 0.5
    along = np.array([np.cos(angle), np.sin(angle) / w])
    across = np.array([-np.sin(angle), np.cos(angle) / w])
    own = covariance[np.ix_([1, 3], [1, 3])]
    # rounding: e^{3} between the two widths
    assert along @ own @ along == pytest.approx(level / w * np.exp(-2 * r), rel=1e-11)
    assert across @ own @ across == pytest.approx(level / w * np.exp(2 * r), rel=1e-11)
    assert along @ own @ across == pytest.approx(0.0, abs=1e-11 * level / w * np.exp(2 * abs(r)))
    assert np.linalg.det(own) == pytest.approx(level**2, rel=1e-10)


def test_displacements_are_positions_then_velocities():
    moved = {"A": OscillatorState(position=1.0, velocity=2.0), "B": OscillatorState(velocity=-3.0)}
    for start in (Factorised(oscillators=moved), Equilibrated(oscillators=moved)):
        np.testing.assert_array_equal(start.mean(MACHINE), [1.0, 0.0, 2.0, -3.0])


def test_any_quantum_state_is_accepted_as_covariance():
    squeeze = np.diag([2.0, 1.0, 0.5, 1.0])
    generator = np.random.default_rng(2).normal(size=(2, 2))
    turn, _ = np.linalg.qr(generator)
    rotation = np.kron(np.eye(2), turn)  # positions and velocities alike: symplectic
    covariance = 0.5 * rotation @ squeeze @ rotation.T
    np.testing.assert_allclose(symplectic(covariance), 0.5, rtol=1e-10)
    start = Factorised(covariance=covariance.tolist())
    np.testing.assert_array_equal(start.gaussian(MACHINE, OMEGA)[1], covariance)


@pytest.mark.parametrize("shrink", [0.5, 0.99, 1 - 1e-6])
def test_a_state_below_the_vacuum_is_refused_however_little(shrink):
    with pytest.raises(
        InputError, match=r"violates the uncertainty relation: .* none may be negative; widen"
    ):
        require_quantum_state(0.5 * shrink * np.eye(4))


def test_every_width_may_be_positive_and_the_state_still_be_none():
    entangled = 0.5 * np.eye(4)
    entangled[0, 1] = entangled[1, 0] = 0.2
    assert np.linalg.eigvalsh(entangled).min() > 0
    with pytest.raises(InputError, match="violates the uncertainty relation"):
        require_quantum_state(entangled)


def test_the_vacuum_itself_passes():
    require_quantum_state(0.5 * np.eye(4))
    require_quantum_state(np.diag([1e4, 0.5, 0.25e-4, 0.5]))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("factorised", Factorised()),
        ("equilibrated", Equilibrated()),
        ("steady", Steady()),
        ({"kind": "factorised", "temperature": 0.3}, Factorised(temperature=0.3)),
        (Factorised(temperature=0.3), Factorised(temperature=0.3)),
    ],
)
def test_a_start_goes_by_its_name_its_table_or_itself(value, expected):
    assert parse_start(value) == expected


REFUSED = {
    "two descriptions": (
        lambda: Factorised(covariance=np.eye(4).tolist(), temperature=0.3),
        "`covariance` already fixes the widths: remove `temperature` and `squeezing`, or it.",
    ),
    "covariance and squeezing": (
        lambda: Factorised(covariance=np.eye(4).tolist(), oscillators={"A": OscillatorState(squeezing=0.3)}),
        "`covariance` already fixes the widths: remove `temperature` and `squeezing`, or it.",
    ),
    "ragged": (
        lambda: Factorised(covariance=((1.0, 0.0), (0.0,))),
        "`covariance` is not square: give one row and column for each variable.",
    ),
    "wrong size": (
        lambda: Factorised(covariance=np.eye(6).tolist()).gaussian(MACHINE, OMEGA),
        "`solver.start.covariance` has 6 rows, but must have 4: positions, then velocities of ['A', 'B'].",
    ),
    "not symmetric": (
        lambda: require_quantum_state(np.eye(4) + np.eye(4, k=1) * 0.1),
        "`solver.start.covariance` is not symmetric; mirror it.",
    ),
    "squeezed equilibrium": (
        lambda: Equilibrated(oscillators={"A": OscillatorState(squeezing=0.3)}),
        "`oscillators.A` has `temperature` or `squeezing`, but the state is that of equilibrium; remove "
        "them, or use `kind` = 'factorised'.",
    ),
    "unknown oscillator": (
        lambda: Factorised(oscillators={"C": OscillatorState()}).gaussian(MACHINE, OMEGA),
        "`solver.start.oscillators` names oscillator 'C', which is not one of ['A', 'B']; correct the name.",
    ),
    "cold beyond zero": (
        lambda: OscillatorState(temperature=-1.0),
        "`temperature` = -1.0 is not allowed: it must be greater than or equal to 0.",
    ),
    "not a number": (
        lambda: OscillatorState(position=np.nan),
        "`position` = nan is not allowed: it must be a finite number.",
    ),
}


@pytest.mark.parametrize(("build", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_start_is_refused_in_one_sentence(build, sentence):
    with pytest.raises(InputError) as caught:
        build()
    assert str(caught.value) == sentence


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"^`start.kind` = 'asleep' is not known; use one of 'factorised', "):
        parse_start("asleep")
