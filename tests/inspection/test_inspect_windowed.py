"""Windowed Pearson coefficient and phase difference: plain formulas, and exact laws against samples.

Shares of windows inside a band are judged by the binomial law of independent trajectories (`FALSE_ALARM`).
"""

import numpy as np
import pytest
from helpers.gaussian_paths import gaussian_paths
from numpy.testing import assert_allclose
from scipy import stats

from langevin_qtm.errors import InputError
from langevin_qtm.inspection.contents import step_of
from langevin_qtm.inspection.panels.convergence import squares_error
from langevin_qtm.inspection.panels.locking import pair_of
from langevin_qtm.inspection.phases import phase_density, phase_difference
from langevin_qtm.inspection.reference import exact_spectrum, position_correlation
from langevin_qtm.inspection.windowed import DRAWN, moment_covariance, pearson_band, windowed_pearson

FALSE_ALARM = 1e-4
CORRELATED = np.array([[1.0, -0.6], [-0.6, 2.0]])


def damped(count, time=20.0):
    """Correlations of two positions that decay and turn together, (lag, 2, 2)."""
    lags = np.arange(count)
    return (np.exp(-lags / time) * np.cos(0.5 * lags))[:, None, None] * CORRELATED


def test_moving_window_is_the_plain_coefficient():
    x, y = np.random.default_rng(1).standard_normal((2, 3, 50))
    found = windowed_pearson(x, y, 7)
    assert found.shape == (3, 44)
    for start in (0, 20, 43):
        a, b = x[1, start : start + 7], y[1, start : start + 7]
        assert_allclose(found[1, start], (a @ b) / np.sqrt((a @ a) * (b @ b)), rtol=1e-12)


@pytest.mark.parametrize("window", [1, 51])
def test_windows_that_do_not_fit_are_refused(window):
    with pytest.raises(InputError, match=f"`window` of {window} samples"):
        windowed_pearson(np.ones(50), np.ones(50), window)


def test_moment_covariance_is_that_of_samples():
    rng, window = np.random.default_rng(2), 30
    root = np.linalg.cholesky(CORRELATED)
    shape = damped(window)[:, 0, 0]
    paths = np.stack([gaussian_paths(rng, shape, 40_000) for _ in range(2)])
    x, y = np.einsum("ij,jpt->ipt", root, paths)
    moments = np.stack([(x * x).mean(axis=1), (x * y).mean(axis=1), (y * y).mean(axis=1)])
    assert_allclose(np.cov(moments), moment_covariance(damped(window), window), rtol=0.05)  # sampling


@pytest.mark.parametrize("window", [20, 200, DRAWN + 88])
def test_band_covers_95_percent_of_independent_windows(window):
    rng, paths = np.random.default_rng(window), 1500
    correlation = damped(window, time=4.0)
    x, y = np.einsum(
        "ij,jpt->ipt",
        np.linalg.cholesky(CORRELATED),
        np.stack([gaussian_paths(rng, correlation[:, 0, 0], paths) for _ in range(2)]),
    )
    band = pearson_band(correlation, window)
    values = windowed_pearson(x, y, window)[:, 0]
    inside = int(((values > band.lower) & (values < band.upper)).sum())
    assert stats.binomtest(inside, paths, 0.95).pvalue > FALSE_ALARM
    assert band.center == pytest.approx(-0.6 / np.sqrt(2))


def test_independent_samples_count_one_each():
    correlation = np.zeros((400, 2, 2))
    correlation[0] = CORRELATED
    assert pearson_band(correlation, 400).effective_samples == pytest.approx(400)


@pytest.mark.parametrize("window", [64, 300])
def test_band_covers_windows_of_sampled_trajectories(run, window):
    band = pearson_band(position_correlation(run, step_of(run), window), window)
    values = windowed_pearson(*pair_of(run), window)[:, [0, -1]]  # far apart: independent
    inside = int(((values > band.lower) & (values < band.upper)).sum())
    assert stats.binomtest(inside, values.size, 0.95).pvalue > FALSE_ALARM


@pytest.mark.parametrize("coherence", [0.0, 0.7, -0.95, 0.5 * np.exp(2j)])
def test_phase_density_is_normalized_and_that_of_complex_gaussian_variables(coherence):
    rng = np.random.default_rng(4)
    first, noise = (rng.standard_normal(200_000) + 1j * rng.standard_normal(200_000) for _ in range(2))
    second = np.conj(coherence) * first + np.sqrt(1 - abs(coherence) ** 2) * noise
    edges = np.linspace(-np.pi, np.pi, 25)
    counts, _ = np.histogram(np.angle(first * second.conj()), edges)
    fine = np.linspace(-np.pi, np.pi, 24 * 64 + 1)
    density = phase_density(fine, coherence)
    assert_allclose(np.trapezoid(density, fine), 1.0, rtol=1e-6)
    share = np.array([np.trapezoid(density[k * 64 : k * 64 + 65], fine[:65]) for k in range(24)])
    assert stats.chisquare(counts, 200_000 * share / share.sum()).pvalue > FALSE_ALARM


def test_phase_difference_of_antiphase_is_pi_and_a_quarter_period_ahead_positive():
    turns = 2 * np.pi * np.arange(400) / 40
    assert_allclose(np.abs(phase_difference(np.cos(turns), -np.cos(turns))), np.pi, atol=1e-9)
    assert_allclose(phase_difference(np.cos(turns + np.pi / 2), np.cos(turns)), np.pi / 2, atol=1e-9)


def test_phase_differences_of_sampled_trajectories_follow_the_exact_density(run):
    edges = np.linspace(-np.pi, np.pi, 13)
    each = np.array([np.histogram(turn, edges, density=True)[0] for turn in phase_difference(*pair_of(run))])
    lowest = np.pi / float(run["time"][-1])
    fine = np.linspace(-np.pi, np.pi, 12 * 50 + 1)
    density = phase_density(fine, exact_spectrum(run).coherence(lowest)[0, 1])
    exact = np.array([np.trapezoid(density[k * 50 : k * 50 + 51], fine[:51]) for k in range(12)]) / (
        edges[1] + np.pi
    )
    z = (each.mean(axis=0) - exact) / (each.std(axis=0, ddof=1) / np.sqrt(len(each)))
    assert np.abs(z).max() < stats.t.isf(FALSE_ALARM / 24, len(each) - 1)


def test_error_of_mean_squares_is_that_of_samples():
    correlation = damped(60)[:, 0, 0]
    paths = gaussian_paths(np.random.default_rng(6), correlation, 40_000)
    counts = np.array([1, 10, 60])
    found = squares_error(correlation, counts, 1)
    spread = [np.std((paths[:, :count] ** 2).mean(axis=1)) for count in counts]
    assert_allclose(found, spread, rtol=0.03)  # sampling
    assert_allclose(squares_error(correlation, counts, 16), found / 4, rtol=1e-12)
