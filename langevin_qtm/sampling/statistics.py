"""Means and standard errors from independent trajectories.

Trajectories are independent by construction, so their scatter gives the error of any mean without a model
of autocorrelation; for functions of means (ratios, correlation coefficients) the jackknife does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from langevin_qtm.physics.conventions import FloatArray


def mean_and_error(samples: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean over the first axis (trajectory), and its standard error."""
    return samples.mean(axis=0), samples.std(axis=0, ddof=1) / np.sqrt(len(samples))


def jackknife(
    samples: Mapping[str, FloatArray], function: Callable[[dict[str, FloatArray]], dict[str, FloatArray]]
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Functions of means, and their standard errors.

    Parameters
    ----------
    samples : mapping of name to (trajectory, …) array
    function : callable
        From means by name to results by name; must accept a leading axis of replicas.

    Returns
    -------
    values, errors : dict
        Function of the means, and sqrt((n - 1)/n Σ_i (f_i - <f>)²) over means that leave out trajectory i.
    """
    count = len(next(iter(samples.values())))
    means = {name: values.mean(axis=0) for name, values in samples.items()}
    without = {name: (count * means[name] - values) / (count - 1) for name, values in samples.items()}
    values, replicas = function(means), function(without)
    errors = {
        name: np.sqrt((count - 1) / count * ((r - r.mean(axis=0)) ** 2).sum(axis=0))
        for name, r in replicas.items()
    }
    return values, errors


def without_residuals(samples: FloatArray, residuals: FloatArray) -> FloatArray:
    """Samples freed of their regression on residuals whose true means are zero (control variates).

    The scatter about the mean is scaled up for what the m fitted slopes take out of it and what they add to
    the error of the mean, (n - 1)/(n - 1 - m) (n - 2)/(n - 2 - m) in variance (exact for Gaussian samples).

    Parameters
    ----------
    samples : (trajectory, k) array
    residuals : (trajectory, m) array
    """
    scale = residuals.std(axis=0)
    used = residuals[:, scale > 0] / scale[scale > 0]
    count, fitted = len(samples), used.shape[1]
    slopes, *_ = np.linalg.lstsq(used - used.mean(axis=0), samples - samples.mean(axis=0), rcond=None)
    freed = samples - used @ slopes
    wider = np.sqrt((count - 1) / (count - 1 - fitted) * (count - 2) / (count - 2 - fitted))
    mean = freed.mean(axis=0)
    return mean + wider * (freed - mean)


def drift_scores(blocks: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Whether a series of block averages has settled.

    Parameters
    ----------
    blocks : (block, trajectory, observable) array
        Averages over consecutive whole drive periods.

    Returns
    -------
    change, trend : (observable,) arrays
        z-scores of second half minus first half, and of the linear slope; errors from the scatter of
        the trajectories.
    """
    count = len(blocks)
    half = count // 2
    ramp = np.arange(count) - (count - 1) / 2
    scores = []
    for weights in (np.r_[-np.ones(half), np.zeros(count - 2 * half), np.ones(half)], ramp):
        mean, error = mean_and_error(np.tensordot(weights, blocks, axes=(0, 0)))
        scores.append(np.divide(mean, error, out=np.zeros_like(mean), where=error > 0))
    return scores[0], scores[1]
