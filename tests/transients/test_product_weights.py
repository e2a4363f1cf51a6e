"""Product weights against adaptive quadrature of what they stand for."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.interpolate import BarycentricInterpolator

from langevin_qtm.transients.product_weights import COUNT, FAST, NODES, constant_weights, product_weights
from langevin_qtm.transients.thermal_kernel import ThermalKernel, fit_thermal_kernel

STEP = 0.15
RATES = np.array([1e-3, 1.0, 20.0, FAST / STEP * 0.99, FAST / STEP * 1.01, 300.0, 1e4, 1e7])
PAIRS = [(0, 0), (0, 8), (1, 0), (3, 5), (4, 4), (8, 8)]


def kernel(rates, weights=None):
    """Kernel with given rates."""
    return ThermalKernel(0.3, rates, np.ones(len(rates)) if weights is None else weights, 0.0, 0.0, 1.0)


def lagrange(q):
    """Polynomial that is 1 at node q of the step, and 0 at the others."""
    return BarycentricInterpolator(STEP * NODES, np.eye(COUNT)[q])


def near(rate):
    """Break points of an integrand that decays at a rate."""
    return [width for width in (1 / rate, 5 / rate, 30 / rate) if width < STEP] or None


def test_nodes_are_those_of_gauss_lobatto():
    ends = np.polynomial.legendre.Legendre.basis(COUNT - 1).deriv()(2 * NODES[1:-1] - 1)
    np.testing.assert_allclose(ends, 0.0, atol=1e-12)  # rounding
    assert NODES[0] == 0.0
    assert NODES[-1] == 1.0


@pytest.mark.parametrize("rate", RATES)
def test_weights_with_the_past_and_the_future_are_integrals_of_exponentials(rate):
    weights = product_weights(kernel(np.array([rate])), STEP)
    for q in range(COUNT):
        past, future = (
            quad(lambda s, ell=ell: np.exp(-rate * s) * ell(s), 0, STEP, points=near(rate), epsabs=1e-15)[0]
            for ell in (lagrange(q), lambda s, q=q: lagrange(q)(STEP - s))
        )
        # rounding, of polynomials evaluated by both
        scale = min(STEP, 1 / rate)
        assert weights.onward[0, q] == pytest.approx(past, abs=1e-11 * scale)
        assert weights.inward[0, q] == pytest.approx(future, abs=1e-11 * scale)
    assert weights.decay[0] == pytest.approx(np.exp(-rate * STEP), rel=1e-14)


@pytest.mark.parametrize("rate", [1e-3, 20.0, FAST / STEP * 0.99, FAST / STEP * 1.01, 300.0])
@pytest.mark.parametrize(("q", "r"), PAIRS)
def test_weights_within_a_step_are_double_integrals_of_the_correlation_function(rate, q, r):
    source = kernel(np.array([rate]), np.array([0.7]))
    one, two = lagrange(q), lagrange(r)
    white, _ = quad(lambda s: one(s) * two(s), 0, STEP, epsabs=1e-15)

    # twice the half below the diagonal, in the distance d of the two times
    def both(s, d):
        return np.exp(-rate * d) * (one(s + d) * two(s) + two(s + d) * one(s))

    edges = [0.0, *(near(rate) or []), STEP]
    coloured = sum(
        dblquad(both, a, b, 0, lambda d: STEP - d, epsabs=1e-13, epsrel=1e-10)[0] for a, b in pairwise(edges)
    )
    expected = source.white * white - source.amplitudes[0] * coloured
    # quadrature: 1e-13 in each integral, times κ
    atol = 1e-12 * (1 + source.amplitudes[0])
    assert product_weights(source, STEP).within[q, r] == pytest.approx(expected, abs=atol)


def test_the_two_ways_to_integrate_a_pole_agree_where_they_meet():
    below, above = (product_weights(kernel(np.array([FAST / STEP * (1 + e)])), STEP) for e in (-1e-9, 1e-9))
    np.testing.assert_allclose(below.onward, above.onward, rtol=0, atol=1e-9 * STEP)
    np.testing.assert_allclose(below.within, above.within, rtol=0, atol=1e-9 * STEP)


def test_fast_poles_and_white_noise_leave_nothing():
    weights = product_weights(kernel(np.array([1e12]), np.array([5.0])), STEP)
    classical = product_weights(kernel(np.array([1e12]), np.array([0.0])), STEP)
    # the pole at rate b leaves ~ a/(b h) of the white noise
    np.testing.assert_allclose(weights.within, classical.within, rtol=0, atol=1e-9)


def test_noise_within_a_step_has_no_negative_variance():
    within = product_weights(fit_thermal_kernel(0.1, 8e3, 1e-5), STEP).within
    np.testing.assert_allclose(within, within.T, rtol=0, atol=1e-16)
    assert np.linalg.eigvalsh(within).min() > 0


@pytest.mark.parametrize("degree", range(COUNT))
def test_a_constant_source_integrates_polynomials_exactly(degree):
    weights = constant_weights(STEP)
    values = (STEP * NODES) ** degree
    expected = STEP ** (degree + 1) / (degree + 1)
    assert weights.onward[0] @ values == pytest.approx(expected, rel=1e-13)  # rounding
    assert weights.inward[0] @ values == pytest.approx(expected, rel=1e-13)
    assert values @ weights.within @ values == pytest.approx(expected**2, rel=1e-13)
    assert weights.decay[0] == 1.0
