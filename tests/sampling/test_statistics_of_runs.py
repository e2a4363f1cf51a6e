"""Estimators on data whose law is known: means, jackknife, control variates, drift, fluctuations.

Seeds are fixed; z-scores are judged together by a Kolmogorov-Smirnov test and by the largest of them.
"""

import numpy as np
import pytest
from helpers.judging import FALSE_ALARM, z_limit
from scipy import stats

from langevin_qtm.sampling.observables import fluctuation
from langevin_qtm.sampling.statistics import drift_scores, jackknife, mean_and_error, without_residuals

TRAJECTORIES = 64
REPLICAS = 4000
T_LAW = stats.t(TRAJECTORIES - 1)


@pytest.fixture
def rng():
    return np.random.default_rng(31415)


def is_student(z):
    """Whether z-scores from TRAJECTORIES trajectories are Student's in shape, variance and extremes."""
    spread = abs(np.var(z) / T_LAW.var() - 1) / np.sqrt((2 + T_LAW.stats("k")) / z.size)
    return (
        stats.kstest(z, T_LAW.cdf).pvalue > FALSE_ALARM
        and spread < z_limit(1)
        and np.abs(z).max() < z_limit(z.size, TRAJECTORIES - 1)
    )


# ------------------------------------------------------------------------------------------ means and ratios


def test_standard_error_of_a_mean_has_the_right_coverage(rng):
    samples = 3.0 + 2.0 * rng.standard_normal((TRAJECTORIES, REPLICAS))
    mean, error = mean_and_error(samples)
    z = (mean - 3.0) / error
    assert is_student(z)
    assert not is_student(1.1 * z)  # a standard error 10 % too small
    np.testing.assert_allclose(error, stats.sem(samples, axis=0), rtol=1e-12)  # rounding


def test_jackknife_of_a_mean_is_the_standard_error(rng):
    samples = {"a": rng.standard_normal((TRAJECTORIES, 7, 2)), "b": rng.standard_normal((TRAJECTORIES, 7, 2))}
    values, errors = jackknife(samples, lambda m: {"sum": m["a"] + 2 * m["b"]})
    mean, error = mean_and_error(samples["a"] + 2 * samples["b"])
    np.testing.assert_allclose(values["sum"], mean, rtol=1e-12, atol=1e-14)  # rounding
    np.testing.assert_allclose(errors["sum"], error, rtol=1e-12)  # rounding


def test_jackknife_error_of_a_ratio_has_the_right_coverage(rng):
    common = rng.standard_normal((TRAJECTORIES, REPLICAS))
    over = 1.0 + 0.3 * common + 0.1 * rng.standard_normal((TRAJECTORIES, REPLICAS))
    under = 2.0 + 0.3 * common
    values, errors = jackknife({"over": over, "under": under}, lambda m: {"ratio": m["over"] / m["under"]})
    z = (values["ratio"] - 0.5) / errors["ratio"]
    assert is_student(z)
    # mutant: errors as if numerator and denominator were independent
    mean, error = mean_and_error(over)
    independent = values["ratio"] * np.hypot(error / mean, mean_and_error(under)[1] / 2.0)
    assert not is_student((values["ratio"] - 0.5) / independent)


def test_jackknife_error_of_a_correlation_coefficient_has_the_right_coverage(rng):
    # 20 independent pairs in each trajectory, so that its averages are nearly Gaussian
    pair = rng.standard_normal((2, TRAJECTORIES, REPLICAS, 20))
    a, b = pair[0], -0.6 * pair[0] + 0.8 * pair[1]
    moments = {"aa": (a * a).mean(-1), "ab": (a * b).mean(-1), "bb": (b * b).mean(-1)}
    values, errors = jackknife(moments, lambda m: {"c": m["ab"] / np.sqrt(m["aa"] * m["bb"])})
    assert is_student((values["c"] + 0.6) / errors["c"])


# ------------------------------------------------------------------------------------------- control variates


def test_control_variates_leave_means_unbiased_and_take_their_share_of_the_variance(rng):
    residuals = rng.standard_normal((REPLICAS, TRAJECTORIES, 2))
    own = 0.5 * rng.standard_normal((REPLICAS, TRAJECTORIES, 3))
    slopes = np.array([[2.0, 0.0, -1.0], [0.5, 0.0, 1.0]])
    samples = np.array([1.0, 2.0, 3.0]) + own + residuals @ slopes
    freed = np.array([without_residuals(s, r) for s, r in zip(samples, residuals, strict=True)])
    mean, error = mean_and_error(freed.mean(axis=1))
    assert np.abs((mean - [1.0, 2.0, 3.0]) / error).max() < z_limit(3)
    # regression costs a factor (n - 2) / (n - 4) for two control variates; sampling: χ² of the variance
    expected = 0.25 / TRAJECTORIES * (TRAJECTORIES - 2) / (TRAJECTORIES - 4)
    limit = z_limit(3) * np.sqrt(2 / REPLICAS)
    assert np.abs(freed.mean(axis=1).var(axis=0) / expected - 1).max() < limit
    assert samples.mean(axis=1).var(axis=0)[0] > 10 * expected


@pytest.mark.parametrize("variates", [2, 8])
def test_standard_errors_after_control_variates_have_the_right_coverage(rng, variates):
    z = []
    for _ in range(REPLICAS):
        residuals = rng.standard_normal((TRAJECTORIES, variates))
        samples = (
            rng.standard_normal((TRAJECTORIES, 1)) + residuals @ np.linspace(3.0, 1.0, variates)[:, None]
        )
        mean, error = mean_and_error(without_residuals(samples, residuals))
        z.append(mean[0] / error[0])
    # what the fitted slopes cost is in the errors; sampling: χ²
    assert abs(np.var(z) / T_LAW.var() - 1) < 0.02 + z_limit(1) * np.sqrt(2 / REPLICAS)


def test_regression_on_itself_leaves_nothing():
    residuals = np.random.default_rng(1).standard_normal((TRAJECTORIES, 2))
    freed = without_residuals(residuals.copy(), residuals)
    np.testing.assert_allclose(freed, 0.0, atol=1e-12)  # rounding


def test_residuals_without_scatter_change_nothing():
    samples = np.random.default_rng(1).standard_normal((TRAJECTORIES, 3))
    # rounding: taken apart into mean and deviations
    np.testing.assert_allclose(without_residuals(samples, np.zeros((TRAJECTORIES, 2))), samples, atol=1e-14)


# ------------------------------------------------------------------------------------------------------ drift


def autocorrelated(rng, blocks, observables, memory=0.5):
    """Block averages with a memory of neighbouring blocks, (block, trajectory, observable)."""
    noise = rng.standard_normal((blocks, TRAJECTORIES, observables))
    series = np.empty_like(noise)
    series[0] = noise[0] / np.sqrt(1 - memory**2)
    for block in range(1, blocks):
        series[block] = memory * series[block - 1] + noise[block]
    return series


@pytest.mark.parametrize("blocks", [4, 5, 16, 63], ids="{}-blocks".format)
def test_drift_scores_of_a_steady_series_are_students(rng, blocks):
    for scores in drift_scores(7.0 + autocorrelated(rng, blocks, 1000)):
        assert is_student(scores)


@pytest.mark.parametrize("shape", ["slope", "step", "decay"])
def test_drift_is_detected(rng, shape):
    blocks = autocorrelated(rng, 16, 1000)
    time = np.arange(16)
    drift = {"slope": time / 16, "step": time >= 8, "decay": np.exp(-time / 4)}[shape]
    change, trend = drift_scores(blocks + 2.0 * drift[:, None, None])
    assert max(np.median(np.abs(change)), np.median(np.abs(trend))) > 4.0


def test_oscillation_at_the_drive_period_is_no_drift(rng):
    steps, periods = 32, 64
    phase = 2 * np.pi * np.arange(steps * periods) / steps
    signal = 50.0 * np.cos(phase + 1.0)[:, None, None] + rng.standard_normal((len(phase), TRAJECTORIES, 200))
    whole = signal.reshape(16, -1, TRAJECTORIES, 200).mean(axis=1)
    for scores in drift_scores(whole):
        assert is_student(scores)
    # blocks that are no whole periods do see it
    cut = signal[: 16 * 120].reshape(16, 120, TRAJECTORIES, 200).mean(axis=1)
    assert np.median(np.abs(drift_scores(cut))) > 4.0


def test_alternation_between_blocks_is_no_change(rng):
    blocks = autocorrelated(rng, 16, 500)
    change, _ = drift_scores(blocks + 5.0 * (-1.0) ** np.arange(16)[:, None, None])
    assert is_student(change)


def test_series_without_scatter_has_no_score():
    change, trend = drift_scores(np.ones((8, TRAJECTORIES, 3)))
    np.testing.assert_array_equal([change, trend], 0.0)


# ----------------------------------------------------------------------------------------------- fluctuations


def first_order_series(rng, memory, length, mean):
    """Rates of work, x' = a x + ξ about a mean: (trajectory, time). D = 1 / (1 - a)² per unit of time."""
    noise = rng.standard_normal((TRAJECTORIES, length))
    series = np.empty_like(noise)
    series[:, 0] = noise[:, 0] / np.sqrt(1 - memory**2)
    for step in range(1, length):
        series[:, step] = memory * series[:, step - 1] + noise[:, step]
    return series + mean


def windows(series, length):
    """Window moments as the kernel sums them: (trajectory, 3, 1)."""
    work = series[:, : series.shape[1] // length * length].reshape(len(series), -1, length).sum(axis=2)
    pairs = (work[:, 1:] * work[:, :-1]).mean(axis=1)
    return np.stack([work.mean(axis=1), (work**2).mean(axis=1), pairs], axis=1)[:, :, None]


def expected_fluctuation(memory, length):
    """What two neighbouring windows contain of D: all lags below one window, a falling share up to two."""
    lag = np.arange(1, 2 * length)
    weight = np.where(lag <= length, 1.0, 2.0 - lag / length)
    return (1 + 2 * np.sum(weight * memory**lag)) / (1 - memory**2)


@pytest.mark.parametrize(("memory", "length"), [(0.0, 1), (0.8, 20), (-0.5, 10)])
def test_fluctuation_of_a_first_order_process(rng, memory, length):
    moments = windows(first_order_series(rng, memory, 40_000, 0.7), length)
    values, errors = jackknife({"w": moments}, lambda m: {"d": fluctuation(m["w"], length)})
    exact = 1 / (1 - memory) ** 2
    bias = abs(expected_fluctuation(memory, length) - exact)
    assert bias <= 2 * abs(memory) ** length * exact + 1e-12
    assert errors["d"][0] < 0.05 * exact
    assert abs(values["d"][0] - exact) < z_limit(1, TRAJECTORIES - 1) * errors["d"][0] + bias


def test_fluctuation_without_neighbouring_windows_would_be_biased(rng):
    memory, length = 0.8, 20
    moments = windows(first_order_series(rng, memory, 40_000, 0.7), length)
    alone = {"w": moments}
    values, errors = jackknife(alone, lambda m: {"d": (m["w"][..., 1, :] - m["w"][..., 0, :] ** 2) / length})
    assert abs(values["d"][0] - 25.0) > z_limit(1, TRAJECTORIES - 1) * errors["d"][0]


def test_errors_of_the_fluctuation_have_the_right_coverage(rng):
    z = []
    for _ in range(300):
        moments = windows(first_order_series(rng, 0.5, 2000, -1.0), 10)
        values, errors = jackknife({"w": moments}, lambda m: {"d": fluctuation(m["w"], 10)})
        z.append((values["d"][0] - expected_fluctuation(0.5, 10)) / errors["d"][0])
    assert is_student(np.array(z))
