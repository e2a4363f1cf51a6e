"""Spectra and two-time correlations of positions, against closed forms and the exact equal-time moments.

Tolerance `INTERPOLATION`: straight lines between nodes of the mesh, relative to the variance.
"""

import numpy as np
import pytest
from helpers.machines import converter, single_machine, standard_machine, static_machine
from numpy.testing import assert_allclose

from langevin_qtm import periodic_steady_state
from langevin_qtm.exact.position_spectrum import PositionSpectrum, position_spectrum
from langevin_qtm.physics.conventions import omega_coth

INTERPOLATION = 1e-4
MACHINES = {
    "standard": standard_machine(),
    "independent": standard_machine(wiring="independent"),
    "zero temperature": standard_machine(temperatures=(0.0, 0.0)),
    "one oscillator": single_machine(),
    "converter": converter(),
}


@pytest.fixture(scope="module", params=MACHINES)
def solved(request):
    """Exact averages and spectrum of a machine."""
    machine = MACHINES[request.param]
    exact = periodic_steady_state(machine)
    return exact, PositionSpectrum.of(machine, int(exact.attrs["harmonics"]))


def test_equal_times_give_the_covariance(solved):
    exact, spectrum = solved
    covariance = exact["position_covariance"].values
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    assert_allclose(spectrum.correlation(0.3, 4)[0] / scale, covariance / scale, atol=INTERPOLATION)


def test_coherence_is_hermitian_with_the_pearson_coefficient_as_its_real_part(solved):
    exact, spectrum = solved
    coherence = spectrum.coherence()
    assert_allclose(coherence, coherence.conj().T, atol=1e-12)
    assert_allclose(np.diag(coherence), 1.0, atol=1e-12)
    if len(coherence) > 1:
        assert_allclose(coherence[0, 1].real, exact["pearson"], atol=INTERPOLATION)


def test_static_machine_obeys_the_fluctuation_dissipation_theorem():
    """S = coth(w/2T) Im χ, with χ = 1/(w_0² - w² - K) in closed form."""
    machine = static_machine(omega=(1.0,), temperatures=(0.2,))
    (contact,) = machine.contacts
    omega = np.linspace(0.05, 3.0, 40)
    response = 1 / (1 - omega**2 - contact.density.response(omega))
    expected = omega_coth(omega, 0.2) / omega * response.imag
    found = position_spectrum(machine, omega, 2)[:, 0, 0]
    assert_allclose(found, expected, rtol=1e-10)


def test_spectrum_is_hermitian_and_negative_frequencies_conjugate_it():
    omega = np.array([0.3, 0.9, 2.1])
    spectrum = position_spectrum(standard_machine(), omega, 12)
    assert_allclose(spectrum, spectrum.conj().swapaxes(1, 2), atol=1e-12)
    assert_allclose(position_spectrum(standard_machine(), -omega, 12), spectrum.conj(), atol=1e-10)


def test_classical_correlation_follows_from_the_response():
    """R(τ) of a classical static oscillator is T times the cosine transform of Im χ / w."""
    machine = static_machine(omega=(1.0,), temperatures=(200.0,))
    exact = periodic_steady_state(machine)
    correlation = PositionSpectrum.of(machine, int(exact.attrs["harmonics"])).correlation(0.5, 20)[:, 0, 0]
    assert_allclose(correlation[0], 200.0, rtol=1e-3)
    (contact,) = machine.contacts
    density, dense = contact.density, np.linspace(0.0, 400.0, 400001)
    chi = 1 / (1 - dense**2 - density.response(dense))
    shape = np.trapezoid(
        (chi.imag[1:] / dense[1:]) * np.cos(np.outer(0.5 * np.arange(20), dense[1:])), dense[1:]
    )
    assert_allclose(correlation / correlation[0], shape / shape[0], atol=2e-3)
