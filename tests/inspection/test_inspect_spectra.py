"""Welch spectra against what is expected of them: closed forms, and sampled trajectories.

Statistical tests state their false-alarm rate; the estimates of neighboring frequencies hardly depend on each
other, so that the share inside the 95 % band is binomial.
"""

import numpy as np
import pytest
from helpers.gaussian_paths import gaussian_paths
from numpy.testing import assert_allclose
from scipy import stats

from langevin_qtm.errors import InputError
from langevin_qtm.inspection.panels.spectra import expectation, measured
from langevin_qtm.inspection.spectra import band, expected, welch

FALSE_ALARM = 1e-4
ROUNDING = 1e-10


def test_convention_integral_over_two_pi_is_the_mean_square():
    samples = np.random.default_rng(1).standard_normal((200, 512))
    spectrum = welch(samples, 0.25)
    full = 2 * np.trapezoid(spectrum.values, spectrum.omega) / (2 * np.pi)  # two-sided, w < 0 alike
    assert_allclose(full, 1.0, rtol=0.02)  # sampling: 1e5 numbers
    assert spectrum.omega[-1] == pytest.approx(np.pi / 0.25)


def test_white_noise_is_expected_flat():
    spectrum = welch(np.random.default_rng(2).standard_normal((3, 1000)), 0.5, 100)
    correlation = np.zeros(spectrum.lags)
    correlation[0] = 2.0
    mean, freedom = expected(spectrum, correlation)
    assert_allclose(mean, 2.0 * 0.5, rtol=ROUNDING)
    # Hann windows that overlap by half share (1/6)² of their squares: Welch (1967)
    segments = spectrum.segments
    shared = 2 * segments / (1 + 2 * (1 - 1 / segments) / 36)
    assert_allclose(freedom[10:-10], 3 * shared, rtol=1e-3)  # discretization of the window
    assert_allclose(freedom[0], freedom[20] / 2, rtol=1e-3)  # a real amplitude


def test_expectation_and_band_hold_for_a_process_with_a_narrow_line():
    """A line much narrower than the window: leakage, few degrees of freedom near it, many elsewhere."""
    lags = np.arange(400)
    correlation = np.exp(-lags / 150.0) * np.cos(0.7 * lags)
    correlation[0] += 0.1  # white background
    paths = gaussian_paths(np.random.default_rng(3), correlation, 2000)
    spectrum = welch(paths, 1.0, 100)
    mean, freedom = expected(spectrum, correlation)
    z = (spectrum.values / mean - 1) * np.sqrt(freedom / 2)
    assert stats.chi2.sf(np.sum(z[2:-2:3] ** 2), len(z[2:-2:3])) > FALSE_ALARM
    line = np.argmin(np.abs(spectrum.omega - 0.7))
    assert freedom[line] < 0.6 * freedom[-10]


@pytest.mark.parametrize(
    ("variable", "place"), [("position", 0), ("position", 1), ("noise", 0), ("noise", 1)]
)
def test_sampled_spectra_lie_in_their_bands(run, variable, place):
    spectrum = measured(run, variable)
    mean, freedom = expected(spectrum, expectation(run, variable, spectrum, place))
    lower, upper = band(mean, freedom)
    inside = (spectrum.values[:, place] > lower) & (spectrum.values[:, place] < upper)
    kept = inside[::3]
    assert stats.binom.cdf(kept.sum(), len(kept), 0.95) > FALSE_ALARM


@pytest.mark.parametrize("place", [0, 1])
def test_noise_averaged_over_steps_lies_in_its_band(stiff, place):
    """Without memory: what is stored is the average over a step; aliases of the other reservoir dominate."""
    spectrum = measured(stiff, "noise")
    mean, freedom = expected(spectrum, expectation(stiff, "noise", spectrum, place))
    lower, upper = band(mean, freedom)
    inside = ((spectrum.values[:, place] > lower) & (spectrum.values[:, place] < upper))[::3]
    assert stats.binom.cdf(inside.sum(), len(inside), 0.95) > FALSE_ALARM


def test_nothing_is_subtracted():
    """The mean is known to be zero, so that what looks like one is fluctuation."""
    spectrum = welch(np.ones((1, 256)), 0.5, 64)
    window = np.hanning(65)[:-1]
    assert_allclose(spectrum.values[0], 0.5 * window.sum() ** 2 / (window**2).sum(), rtol=ROUNDING)


def test_wrong_spectrum_would_be_noticed(run):
    spectrum = measured(run, "position")
    mean, freedom = expected(spectrum, 1.1 * expectation(run, "position", spectrum, 0))
    lower, upper = band(mean, freedom)
    inside = ((spectrum.values[:, 0] > lower) & (spectrum.values[:, 0] < upper))[::3]
    assert stats.binom.cdf(inside.sum(), len(inside), 0.95) < FALSE_ALARM


def test_note_states_convention_window_and_freedom(run):
    note = measured(run, "position").note(53.4)
    for part in ("Two-sided", "2\\pi", "Hann", "samples", "half-overlapping", "53 degrees of freedom"):
        assert part in note


@pytest.mark.parametrize("segment", [8, 100_000])
def test_segments_that_do_not_fit_are_refused(run, segment):
    with pytest.raises(InputError, match=f"segment of {segment} samples"):
        measured(run, "position", segment)


def test_unknown_variable_is_refused(run):
    with pytest.raises(InputError, match="instantaneous_power"):
        measured(run, "instantaneous_power")
