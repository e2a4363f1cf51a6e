"""The thermal factor w coth(w/2T) and the contract of `conventions`."""

import numpy as np
import pytest

from langevin_qtm.physics.conventions import omega_coth

ROUNDING = 4e-16  # rounding: a handful of double operations
LONG = np.longdouble


def precise(omega, temperature):
    """w coth(w/2T) in extended precision, by the series of x coth x where the quotient would cancel."""
    x = LONG(omega) / (2 * LONG(temperature))
    if abs(x) < 1e-3:
        return float(2 * LONG(temperature) * (1 + x**2 / 3 - x**4 / 45 + 2 * x**6 / 945))
    return float(LONG(omega) / np.tanh(x))


@pytest.mark.parametrize("temperature", [1e-6, 0.05, 1.0, 1e3, 1e9])
def test_thermal_factor_is_right_to_rounding_over_thirty_decades(temperature):
    omega = np.geomspace(1e-20, 1e10, 301)
    expected = [precise(w, temperature) for w in omega]
    np.testing.assert_allclose(omega_coth(omega, temperature), expected, rtol=ROUNDING)


def test_thermal_factor_is_even_in_frequency():
    omega = np.geomspace(1e-12, 1e6, 50)
    np.testing.assert_array_equal(omega_coth(-omega, 0.3), omega_coth(omega, 0.3))


def test_zero_temperature_leaves_the_zero_point_noise():
    omega = np.array([-3.0, -1e-200, 0.0, 0.5, 1e200])
    np.testing.assert_array_equal(omega_coth(omega, 0.0), np.abs(omega))


@pytest.mark.parametrize("temperature", [1e-300, 1e-3, 1.0, 1e300])
def test_zero_frequency_has_the_classical_value_2T(temperature):
    assert omega_coth(0.0, temperature) == 2 * temperature


def test_thermal_factor_exceeds_its_classical_and_zero_point_bounds():
    omega = np.geomspace(1e-6, 1e3, 200)
    value = omega_coth(omega, 0.2)
    # rounding: the bounds are reached to the last digit at the ends
    assert np.all(value >= np.maximum(omega, 0.4) * (1 - ROUNDING))
    assert np.all(value <= np.hypot(omega, 0.4) * (1 + ROUNDING))  # x coth x <= sqrt(1 + x²)
    assert np.all(np.diff(value) >= -ROUNDING)


def test_thermal_factor_is_the_stieltjes_function_of_the_matsubara_frequencies():
    omega, temperature, count = np.array([0.1, 1.0, 4.0]), 0.3, 20000
    nu = 2 * np.pi * temperature * np.arange(1, count + 1)
    square = omega[:, None] ** 2
    truncated = 2 * temperature * (1 + 2 * (square / (square + nu**2)).sum(axis=1))
    rest = 4 * temperature * omega**2 / ((2 * np.pi * temperature) ** 2 * count)
    # discretisation: terms beyond `count`, which `rest` bounds from above
    difference = omega_coth(omega, temperature) - truncated
    assert np.all((difference > 0) & (difference < rest))


@pytest.mark.parametrize("shape", [(), (3,), (2, 4)], ids=str)
def test_thermal_factor_keeps_the_shape_of_the_frequencies(shape):
    for temperature in (0.0, 0.7):
        assert np.shape(omega_coth(np.ones(shape), temperature)) == shape
