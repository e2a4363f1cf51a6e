"""Thermal kernels: white noise minus exponentials, on the whole band."""

import numpy as np
import pytest

from langevin_qtm.errors import NotConvergedError
from langevin_qtm.transients import thermal_kernel
from langevin_qtm.transients.thermal_kernel import fit_thermal_kernel

TEMPERATURES = [0.0, 1e-6, 1e-3, 0.1, 1.0, 30.0, 1e4]
BAND, BOTTOM = 8e3, 1e-5
TOLERANCE = 1e-8  # discretisation: what the fit promises


def thermal_factor(omega, temperature):
    """w coth(w/2T), by its definition."""
    return omega / np.tanh(omega / (2 * temperature)) if temperature else omega


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_the_thermal_factor_is_met_between_all_frequencies_of_the_fit(temperature):
    kernel = fit_thermal_kernel(temperature, BAND, BOTTOM)
    omega = np.sort(np.exp(np.random.default_rng(1).uniform(np.log(BOTTOM), np.log(BAND), 20_000)))
    ratio = kernel.power_spectrum(omega) / thermal_factor(omega, temperature)
    np.testing.assert_allclose(ratio, 1, rtol=0, atol=TOLERANCE)
    assert kernel.error <= TOLERANCE


@pytest.mark.parametrize("temperature", TEMPERATURES[2:])
def test_the_value_at_zero_frequency_is_classical_and_exact(temperature):
    kernel = fit_thermal_kernel(temperature, BAND, BOTTOM)
    assert kernel.power_spectrum(np.array([0.0]))[0] == 2 * temperature == kernel.classical


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_its_fourier_transform_is_white_noise_minus_lorentzians(temperature):
    kernel = fit_thermal_kernel(temperature, BAND, BOTTOM)
    omega = np.array([0.01, 1.0, 300.0])
    # ∫ e^{iwt} [D δ(t) - Σ κ e^{-b|t|}] dt
    lorentzians = 2 * kernel.rates / (omega[:, None] ** 2 + kernel.rates**2)
    transform = kernel.white - lorentzians @ kernel.amplitudes
    # rounding: D and the exponentials cancel
    np.testing.assert_allclose(transform, kernel.power_spectrum(omega), rtol=0, atol=1e-12 * kernel.white)


def test_the_first_rates_are_matsubara_frequencies():
    kernel = fit_thermal_kernel(0.1, BAND, BOTTOM)
    np.testing.assert_allclose(kernel.rates[:4], 2 * np.pi * 0.1 * np.arange(1, 5), rtol=1e-14)
    # exact weights: 4T of each Matsubara frequency, as far as the band resolves them
    np.testing.assert_allclose(kernel.weights[:2], 0.4, rtol=1e-3)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_poles_are_few_and_decay(temperature):
    kernel = fit_thermal_kernel(temperature, BAND, BOTTOM)
    assert np.all(np.diff(kernel.rates) > 0)
    assert kernel.rates[0] > 0
    assert len(kernel.rates) < 90


def test_a_fit_that_misses_its_tolerance_is_refused(monkeypatch):
    monkeypatch.setattr(thermal_kernel, "RATIO", 4.0)
    monkeypatch.setattr(thermal_kernel, "GROWTH", 3.0)
    with pytest.raises(NotConvergedError, match="Thermal kernel"):
        fit_thermal_kernel(0.1, BAND, BOTTOM)
