"""Responses to one noise frequency, held against the equations of motion in time and against energy flow."""

import numpy as np
import pytest
from helpers.dense_responses import DenseResponses
from helpers.machines import LORENTZIAN, OHMIC, cosines, driven, standard_machine, static
from helpers.time_domain import TimeDomain

from langevin_qtm.exact.responses import Responses
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz, Ohmic

ORDERS = np.arange(-5, 6)
HARMONICS = 16
CENTER = slice(HARMONICS - 5, HARMONICS + 6)
MACHINES = {
    "drude-drude": standard_machine(driven_density=DrudeLorentz(gamma=0.5, cutoff=12.0)),
    "independent": standard_machine(wiring="independent"),
    "lorentzian": standard_machine(driven_density=LORENTZIAN, drive_frequency=0.7),
    "ohmic": standard_machine(driven_density=Ohmic(gamma=0.3), static_density=OHMIC),
    "harmonics": standard_machine(
        coupling={
            "A": Drive(harmonics=((0, 0.5, 0.0), (1, 0.2, 0.3), (2, -0.1, 0.2))),
            "B": Drive(harmonics=((2, 0.4, -0.1),)),
        }
    ),
    "three-and-three": Machine(
        frequencies={"A": 1.0, "B": 0.6, "C": 1.6},
        drive_frequency=1.1,
        reservoirs=(
            driven(DrudeLorentz(gamma=0.3, cutoff=5.0), 0.5, cosines(0.0, 1.0, 2.0)),
            driven(LORENTZIAN, 0.3, {"C": Drive.cosine(0.7, 0.3, mean=1.0)}, name="second"),
            static(OHMIC, 0.2),
        ),
    ),
}


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES.keys())
def test_sidebands_are_those_of_the_equations_of_motion(machine):
    omega, system = np.array([0.37, -1.21, 2.9]), TimeDomain(machine)
    assert len(system.contacts) == len(machine.contacts)
    solved = Responses(machine, HARMONICS).solve(omega)
    for found, reference in zip(solved, system.sidebands(omega, ORDERS), strict=True):
        # reference: solve_ivp at 1e-12, aliases of 64 points; sidebands beyond 16 left out
        np.testing.assert_allclose(found[..., CENTER, HARMONICS], reference, rtol=0, atol=1e-8)


def test_noise_at_a_sideband_is_noise_at_a_shifted_frequency():
    machine, harmonics, m = MACHINES["harmonics"], 24, 2
    shift = m * machine.angular_frequency
    at_sideband = Responses(machine, harmonics).solve(np.array([0.37]))
    shifted = Responses(machine, harmonics).solve(np.array([0.37 + shift]))
    middle = np.arange(harmonics - 5, harmonics + 6)
    for found, reference in zip(at_sideband, shifted, strict=True):
        # discretisation: sidebands beyond 22 left out
        np.testing.assert_allclose(
            found[..., middle + m, harmonics + m], reference[..., middle, harmonics], rtol=0, atol=1e-10
        )


def test_real_noise_gives_real_motion():
    responses = Responses(MACHINES["harmonics"], HARMONICS)
    forward, backward = responses.solve(np.array([0.83])), responses.solve(np.array([-0.83]))
    for found, mirrored in zip(forward, backward, strict=True):
        # rounding: of the inverse
        np.testing.assert_allclose(found, mirrored[..., ::-1, ::-1].conj(), rtol=0, atol=1e-11)


def test_static_couplings_excite_no_sidebands():
    machine = standard_machine(coupling={"A": Drive.constant(1.0), "B": Drive.constant(-0.5)})
    x, _, force = Responses(machine, 3).solve(np.array([0.4, 1.1]))
    off_diagonal = ~np.eye(7, dtype=bool)
    assert np.abs(x[..., off_diagonal]).max() == 0.0
    assert np.abs(force[..., off_diagonal]).max() == 0.0


def test_static_response_is_the_susceptibility():
    machine = standard_machine(coupling={"A": Drive.constant(1.0), "B": Drive.constant(-0.5)})
    omega = np.array([0.4, 1.1])
    x, _, _ = Responses(machine, 2).solve(omega)
    for k, w in enumerate(omega):
        inverse = np.diag(machine.omega**2 - w**2).astype(complex)
        for g, reservoir in zip(([1.0, -0.5], [1.0, 1.0]), machine.reservoirs, strict=True):
            inverse -= reservoir.spectral_density.response(w) * np.outer(g, g)
        for contact, g in enumerate(([1.0, -0.5], [1.0, 1.0])):
            expected = np.linalg.solve(inverse, np.array(g))
            np.testing.assert_allclose(x[k, contact, :, 2, 2], expected, rtol=1e-12)  # rounding


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES.keys())
@pytest.mark.parametrize("harmonics", [0, 1, 2, 7])
def test_banded_solution_is_the_dense_inverse_of_the_truncated_equations(machine, harmonics):
    omega = np.array([0.37, -1.21, 2.9])
    solved = Responses(machine, harmonics).solve(omega)
    for found, reference in zip(solved, DenseResponses(machine, harmonics).solve(omega), strict=True):
        assert found.shape == reference.shape
        scale = np.abs(reference).max()
        np.testing.assert_allclose(found, reference, rtol=0, atol=1e-13 * scale)  # rounding


def test_commutators_are_conserved():
    """Σ_c ∫ dw/π J_c |…| gives <[x_l, v_l']> = i δ_ll': unitarity of the whole, at any coupling."""
    machine = MACHINES["drude-drude"]
    responses = Responses(machine, 8)
    # x = tan θ maps the line to an interval; midpoint rule, analytic integrand
    theta = (np.arange(4000) + 0.5) / 4000 * np.pi - np.pi / 2
    omega, jacobian = np.tan(theta), np.pi / 4000 / np.cos(theta) ** 2
    total = np.zeros((2, 2))
    for part in np.array_split(np.arange(len(omega)), 40):
        x, _, _ = responses.solve(omega[part])
        sidebands = responses.sidebands(omega[part])
        loss = responses.loss(omega[part]).reshape(len(part), -1, responses.count)[:, :, 8]
        own = x[..., 8]
        velocity = -1j * sidebands[:, None, None, :] * own
        weights = loss * jacobian[part][:, None] / np.pi
        total += np.einsum("bc,bcln,bcmn->lm", weights, own, velocity.conj()).imag
    # discretisation: midpoint rule with steps of 8e-4 against lines of width 0.1
    np.testing.assert_allclose(total, np.eye(2), rtol=0, atol=1e-6)
