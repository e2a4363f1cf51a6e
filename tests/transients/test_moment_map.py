"""Moment maps: an affine action on moments, whose composition is application one after the other."""

import numpy as np
import pytest
from protocols import machine

from langevin_qtm.physics.envelope import Smooth
from langevin_qtm.transients.moment_map import MomentMap, Moments
from langevin_qtm.transients.sweep import Resolution, sweep
from langevin_qtm.transients.transient import _prepared

SIZE, POLES, INTEGRALS = 4, 3, 2
AMPLITUDES = np.array([0.7, -1.3, -1.0])
ROUNDING = 1e-12


def random_map(seed):
    """Map of generic numbers."""
    draw = np.random.default_rng(seed).normal
    symmetric = draw(size=(INTEGRALS + 1, SIZE, SIZE))
    symmetric += symmetric.transpose(0, 2, 1)
    return MomentMap(
        AMPLITUDES,
        draw(size=(SIZE, SIZE)),
        draw(size=POLES),
        draw(size=(SIZE, POLES)),
        draw(size=(SIZE, POLES)),
        symmetric[0],
        symmetric[1:],
        draw(size=(INTEGRALS, SIZE, POLES)),
        draw(size=INTEGRALS),
    )


def random_moments(seed):
    """Moments of generic numbers, the second symmetric."""
    draw = np.random.default_rng(seed).normal
    second = draw(size=(SIZE, SIZE))
    return Moments(second + second.T, draw(size=(SIZE, POLES)), draw(size=INTEGRALS))


def assert_equal(one, two, tolerance=ROUNDING):
    """All arrays agree, relative to the largest number of each."""
    for name, expected in vars(two).items():
        atol = tolerance * max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(getattr(one, name), expected, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("seed", range(5))
def test_composition_is_application_of_one_after_the_other(seed):
    first, second, moments = random_map(seed), random_map(seed + 10), random_moments(seed + 20)
    assert_equal(first.then(second).apply(moments), second.apply(first.apply(moments)))


@pytest.mark.parametrize("seed", range(5))
def test_composition_is_associative(seed):
    one, two, three = (random_map(seed + shift) for shift in (0, 10, 20))
    assert_equal(one.then(two).then(three), one.then(two.then(three)))


def test_composition_has_an_order():
    one, two = random_map(0), random_map(1)
    assert np.abs(one.then(two).flow - two.then(one).flow).max() > 0.1


def test_the_identity_changes_nothing():
    still, other, moments = MomentMap.identity(SIZE, AMPLITUDES, INTEGRALS), random_map(3), random_moments(4)
    assert_equal(still.apply(moments), moments, 0.0)
    assert_equal(still.then(other), other)
    assert_equal(other.then(still), other)


def test_a_linear_change_acts_on_the_state_alone():
    change, moments = np.random.default_rng(5).normal(size=(SIZE, SIZE)), random_moments(6)
    changed = MomentMap.linear_change(change, AMPLITUDES, INTEGRALS).apply(moments)
    expected = Moments(change @ moments.second @ change.T, change @ moments.correlations, moments.integrals)
    assert_equal(changed, expected)


def test_integrals_of_a_composition_add_up():
    first, second, moments = random_map(7), random_map(8), random_moments(9)
    halfway = first.apply(moments)
    grown = second.apply(halfway).integrals - moments.integrals
    parts = (halfway.integrals - moments.integrals) + (second.apply(halfway).integrals - halfway.integrals)
    np.testing.assert_allclose(grown, parts, rtol=0, atol=ROUNDING * np.abs(parts).max())
    np.testing.assert_allclose(
        first.then(second).apply(moments).integrals, moments.integrals + parts, rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("chosen", [machine(), machine(Smooth(duration=3.0))], ids=["periodic", "ramp"])
def test_the_map_over_an_interval_is_that_of_its_parts(chosen):
    system, resolution = _prepared(chosen, 0.0, 4.0)
    early, late = sweep(system, np.array([0.0, 1.3, 3.0]), False, resolution)
    (second,) = sweep(system, np.array([1.3, 3.0]), False, resolution)
    assert_equal(early.then(second), late, 1e-10)


def test_maps_of_finer_steps_are_the_same():
    system, resolution = _prepared(machine(), 0.0, 4.0)
    finer = Resolution(resolution.step / 3, resolution.shortest)
    ends = np.array([0.0, 2.0])
    (coarse,), (fine,) = sweep(system, ends, False, resolution), sweep(system, ends, False, finer)
    for name in ("flow", "decay", "onward", "added", "noise"):
        expected = getattr(fine, name)
        # discretisation: fourth order in steps of half a radian
        np.testing.assert_allclose(
            getattr(coarse, name), expected, rtol=0, atol=1e-7 * np.abs(expected).max(), err_msg=name
        )
