"""Halves of thermal spectra, and sums over Matsubara frequencies, against direct evaluation."""

import numpy as np
import pytest
from scipy.integrate import quad

from langevin_qtm.exact.thermal_halves import (
    CLOSE,
    difference_quotient,
    frequency_rule,
    gauss_rule_for_sums,
    half_kernels,
    matsubara_rule,
    tail_of_thermal_factor,
    thermal_half,
)
from langevin_qtm.physics.conventions import omega_coth

TEMPERATURES = [0.0, 1e-3, 0.1, 1.0, 100.0]


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_halves_add_up_to_the_thermal_factor(temperature):
    omega = np.geomspace(1e-3, 1e3, 40)
    kelvin = np.array(temperature)
    whole = thermal_half(1j * omega, kelvin) + thermal_half(-1j * omega, kelvin)
    # rounding: each half grows like (w/pi) log w
    np.testing.assert_allclose(whole, omega_coth(omega, temperature), rtol=1e-13)


def test_half_is_continuous_at_zero_temperature():
    a = np.array([0.3 + 2j, 5.0 + 0j, 0.01 - 1j])
    cold = thermal_half(a, np.array(0.0))
    errors = [np.abs(thermal_half(a, np.array(t)) - cold).max() for t in (1e-2, 1e-3)]
    np.testing.assert_allclose(errors[0] / errors[1], 100, rtol=0.05)  # discretisation: second order in T
    mixed = thermal_half(a[None], np.array([[0.0], [0.7]]))
    np.testing.assert_allclose(mixed[0], cold, rtol=1e-15)
    np.testing.assert_allclose(mixed[1], thermal_half(a, np.array(0.7)), rtol=1e-15)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("rate", [0.4, 12.0])
def test_half_spectrum_is_the_causal_integral_of_the_spectrum(temperature, rate):
    """Ŝ(a) = ∫dw/2π S(w)/(a + iw) for S = N [1/(s + α) + 1/(α - s)]; the part even in w is left."""
    a = 0.7

    def integrand(w):
        return float(omega_coth(w, temperature)) * 2 * rate / (rate**2 + w**2) * a / (a**2 + w**2) / np.pi

    pieces = [quad(integrand, *ends, epsabs=0, epsrel=1e-12, limit=500) for ends in ((0, 1), (1, np.inf))]
    kernels = half_kernels(np.array([a + 0j]), np.array([[rate + 0j]]), np.array([temperature]))
    np.testing.assert_allclose((kernels[0] + kernels[1])[0, 0], sum(value for value, _ in pieces), rtol=1e-9)


@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-6, 0.9 * CLOSE, 1.1 * CLOSE, 0.3])
def test_difference_quotient_keeps_its_digits_at_any_distance(gap):
    a, b = np.array([2.0 + 1j]), np.array([(2.0 + 1j) * (1 + gap)])
    quotient = difference_quotient(lambda z, _: 1 / z, a, b, 1 / a, 1 / b)
    np.testing.assert_allclose(quotient, -1 / (a * b), rtol=1e-12)


def test_difference_quotient_finds_the_element_that_a_value_belongs_to():
    factors = np.arange(1.0, 13.0).reshape(3, 4)
    a, b = np.array([2.0 + 0j]), np.array([[2.0 + 0j], [3.0], [2.0]])

    def function(z, index):
        return factors[index][:, None] * z**2

    quotient = difference_quotient(function, a, b, factors * a**2, factors * b**2)
    np.testing.assert_allclose(quotient, factors * (a + b), rtol=1e-12)


@pytest.mark.parametrize("count", [8, 16, 1024])
def test_gauss_rule_sums_polynomials_exactly(count):
    points, weights = gauss_rule_for_sums(count, 8)
    k = np.arange(count) / count
    for degree in range(16):
        np.testing.assert_allclose(
            (weights * (points / count) ** degree).sum(), (k**degree).mean(), rtol=1e-12
        )
    beyond = abs((weights * (points / count) ** 16).sum() / (k**16).mean() - 1)
    assert count == 8 or beyond > 1e-12


@pytest.mark.parametrize("reach", [0.1, 3.0, 200.0])
def test_matsubara_rule_sums_what_is_singular_an_octave_away(reach):
    points, weights, inner, last = matsubara_rule(reach)
    assert last >= 4 * reach - 1
    k = np.arange(1, last + 1)
    shift = reach * np.exp(0.5j)
    within = (weights / (points + shift) ** 4)[:inner].sum()
    np.testing.assert_allclose(within, (1 / (k + shift) ** 4).sum(), rtol=1e-10)
    outer = np.arange(last + 1, last + 2_000_000)
    beyond = (weights / (points - shift) ** 4)[inner:].sum()
    np.testing.assert_allclose(beyond, (1 / (outer - shift) ** 4).sum(), rtol=1e-8)


def test_frequency_rule_is_that_of_an_integral():
    points, weights, inner, end = frequency_rule(2.0)
    assert end == 8.0
    np.testing.assert_allclose((weights / (points + 2) ** 3)[:inner].sum(), (1 / 4 - 1 / 100) / 2, rtol=1e-11)
    np.testing.assert_allclose((weights / (points - 2) ** 3)[inner:].sum(), 1 / 72, rtol=1e-6)


@pytest.mark.parametrize("rate", [0.5 + 0j, 0.1 + 2j])
def test_tail_completes_the_poles_of_the_thermal_factor(rate):
    temperature, last = 0.3, 40
    nu = 2 * np.pi * temperature * np.arange(1, last + 1)
    poles = -(4 * temperature * rate**2 / (nu**2 - rate**2)).sum()
    tail = tail_of_thermal_factor(np.array([[rate]]), np.array([temperature]), last)[0, 0]
    np.testing.assert_allclose(tail + poles, rate / np.tan(rate / (2 * temperature)), rtol=1e-12)
    cold = tail_of_thermal_factor(np.array([[rate]]), np.array([0.0]), 20.0)[0, 0]
    np.testing.assert_allclose(
        cold,
        quad(lambda v: (-2 * rate**2 / (v**2 - rate**2) / np.pi).real, 20.0, np.inf)[0]
        + 1j * quad(lambda v: (-2 * rate**2 / (v**2 - rate**2) / np.pi).imag, 20.0, np.inf)[0],
        rtol=1e-8,
    )
