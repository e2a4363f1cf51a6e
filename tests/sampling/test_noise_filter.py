"""Noise filter: its spectrum against w coth(w/2T), its stability, and the covariance of what it generates."""

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from langevin_qtm.errors import NotConvergedError
from langevin_qtm.sampling import noise_filter
from langevin_qtm.sampling.noise_filter import NoiseFilter, fit_noise_filter

TOLERANCE = 1e-5
TEMPERATURES = [0.0, 1e-6, 0.01, 0.1, 1.0, 1e3]
CASES = [(temperature, 120.0) for temperature in TEMPERATURES]
CASES += [(temperature, band) for temperature in (0.0, 0.1, 1e3) for band in (10.0, 1e4)]
BOTTOM = 1e-3


def thermal_factor(omega, temperature):
    """w coth(w/2T), by its definition."""
    return omega / np.tanh(omega / (2 * temperature)) if temperature else np.abs(omega)


def transfer(found, omega):
    """H(iw)."""
    return found.white + (found.residues / (found.rates + 1j * np.asarray(omega)[..., None])).sum(axis=-1)


def worst_deviation(found, temperature, band):
    """Largest relative deviation of |H|² from the thermal factor, on a grid that is not the package's."""
    low = max(found.bottom, 1e-9 * band)
    omega = np.concatenate([np.geomspace(low, band, 20_011), np.linspace(low, band, 9_973)])
    return np.max(np.abs(np.abs(transfer(found, omega)) ** 2 / thermal_factor(omega, temperature) - 1))


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "T={:g} band={:g}".format(*case))
def fitted(request):
    temperature, band = request.param
    return fit_noise_filter(temperature, band, BOTTOM, TOLERANCE), temperature, band


def test_filter_reproduces_the_thermal_factor_within_its_stated_error(fitted):
    found, temperature, band = fitted
    assert found.error <= TOLERANCE
    assert (found.bottom, found.band) == (0.0 if temperature >= BOTTOM else BOTTOM, band)
    # discretisation: extrema of the error between points of the audit grid, 640 to a decade; and rounding
    assert worst_deviation(found, temperature, band) <= 1.01 * found.error + 1e-12


def test_filter_states_its_spectrum(fitted):
    found, _, band = fitted
    omega = np.geomspace(1e-4 * band, 100 * band, 101)
    # rounding: condition of the sum over residues of one sign, white / |H|
    condition = found.white / np.abs(transfer(found, omega)).min()
    np.testing.assert_allclose(
        found.power_spectrum(omega), np.abs(transfer(found, omega)) ** 2, rtol=1e-14 * condition
    )


def test_filter_is_real_stable_and_of_minimum_phase(fitted):
    found, _, _ = fitted
    assert found.residues.dtype == found.rates.dtype == np.float64
    assert np.all(np.isfinite(found.residues))
    assert np.all(found.rates > 0)
    assert np.all(np.diff(found.rates) > 0)
    # poles on the left and Re H > 0 on the imaginary axis: H is positive real, no zero on the right
    response = transfer(found, np.geomspace(1e-9, 1e9, 4001))
    assert np.all(response.real > -1e-13 * found.white)  # rounding
    # an all-pass factor with a zero on the right leaves |H| alone, and is noticed
    omega, zero = np.geomspace(1e-9, 1e9, 4001), found.rates[0] / 2
    reflected = transfer(found, omega) * (1j * omega - zero) / (1j * omega + zero)
    assert np.any(reflected.real < -1e-3 * np.abs(reflected))


def test_spectrum_beyond_the_band_rises_no_further_than_white(fitted):
    found, _, band = fitted
    spectrum = found.power_spectrum(np.geomspace(band, 1e6 * band, 200))
    assert np.all(np.diff(spectrum) > -1e-12 * spectrum[-1])  # rounding
    assert np.all(spectrum <= found.white**2 * (1 + 1e-12))


@pytest.mark.parametrize("cutoff", [0.1, 1.0, 12.0], ids="cutoff={:g}".format)
def test_variance_of_filtered_noise_is_the_integral_of_its_spectrum(fitted, cutoff):
    found, _, _ = fitted
    size = len(found.rates)
    drift = np.zeros((size + 1, size + 1))
    drift[0, 0], drift[0, 1:] = -cutoff, cutoff * found.residues
    drift[1:, 1:] = -np.diag(found.rates)
    gain = np.append(cutoff * found.white, np.ones(size))
    states = solve_continuous_lyapunov(drift, -np.outer(gain, gain))
    # trapezoidal rule in log w, which converges geometrically; the ends are cut at rounding
    log_omega = np.linspace(
        np.log(1e-16 * min(cutoff, found.rates[0])), np.log(1e16 * found.rates[-1]), 40_001
    )
    omega = np.exp(log_omega)
    spectrum = np.abs(transfer(found, omega)) ** 2 * cutoff**2 / (omega**2 + cutoff**2)
    variance = (spectrum * omega).sum() * (log_omega[1] - log_omega[0]) / np.pi
    # rounding: cancellation of the white part against the filter states
    condition = cutoff * found.white**2 / variance
    assert states[0, 0] == pytest.approx(variance, rel=1e-9 + 1e-12 * condition)


@pytest.mark.parametrize("ratio", [1e2, 1e4, 1e6], ids="T/band={:g}".format)
def test_noise_far_above_the_band_is_white(ratio):
    temperature, band = 10.0 * ratio, 10.0
    found = fit_noise_filter(temperature, band, BOTTOM, TOLERANCE)
    omega = np.geomspace(1e-6, band, 100)
    # discretisation: w coth(w/2T) = 2T (1 + w²/12T² + …)
    assert np.abs(found.power_spectrum(omega) / (2 * temperature) - 1).max() < TOLERANCE + ratio**-2


def test_filter_that_misses_its_tolerance_is_refused(monkeypatch):
    monkeypatch.setattr(noise_filter, "POLES", (2, 4))
    expected = (
        r"Noise filter did not converge: error .*, target 1\.00e-05; loosen `solver\.noise_tolerance`\."
    )
    with pytest.raises(NotConvergedError, match=expected) as caught:
        fit_noise_filter(0.0, 10.0, BOTTOM, TOLERANCE)
    assert caught.value.target == TOLERANCE
    assert 1e-2 < caught.value.error < 1  # four poles over four decades
    assert f"{caught.value.error:.2e}" in str(caught.value)


@pytest.mark.parametrize("temperature", TEMPERATURES[1:5], ids="T={:g}".format)
def test_classical_noise_fails_the_audit(temperature, monkeypatch):
    band = 120.0
    white = NoiseFilter(np.ones(1), np.zeros(1), np.sqrt(2 * temperature), 0.0, 0.0, band)
    assert worst_deviation(white, temperature, band) > 0.5
    monkeypatch.setattr(noise_filter, "omega_coth", lambda omega, t: np.full(np.shape(omega), 2.0 * t))
    classical = fit_noise_filter(temperature, band, BOTTOM, 0.01)
    assert classical.error <= 0.01  # the fit believes it
    assert worst_deviation(classical, temperature, band) > 0.5


def test_zero_temperature_leaves_zero_point_noise_alone():
    found = fit_noise_filter(0.0, 10.0, BOTTOM, TOLERANCE)
    omega = np.array([0.01, 0.1, 1.0])
    # reference: the fit's own error
    np.testing.assert_allclose(found.power_spectrum(omega), omega, rtol=found.error)
    assert found.power_spectrum(np.array([1e-12]))[0] < 1e-6
