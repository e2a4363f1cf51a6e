"""Limits for numbers that scatter.

A check refuses a correct program with a probability of at most FALSE_ALARM, shared evenly (Bonferroni)
among the numbers that it looks at; standard errors from n trajectories make Student's t of n - 1 degrees.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

FALSE_ALARM = 1e-6


def z_limit(checks, freedom=np.inf):
    """Bound on the largest of `checks` deviations in standard errors, two-sided."""
    return float(stats.t.isf(FALSE_ALARM / (2 * checks), freedom))


def deviations(dataset, reference, names):
    """(sampled - reference) / standard error, all elements of the variables `names` in one array.

    Symmetric covariances count once, and a reference with an error bound widens the standard error.
    """
    scores = []
    for name in names:
        value, exact = dataset[name].values, reference[name].values
        bound = reference[f"{name}_error"].values if f"{name}_error" in reference else np.zeros_like(exact)
        z = (value - exact) / np.hypot(dataset[f"{name}_se"].values, bound)
        if name == "position_covariance":
            z = z[np.triu_indices(len(z))]
        scores.append(np.ravel(z))
    return np.concatenate(scores)


def assert_agrees(dataset, reference, names):
    """Every element of the variables `names` within the family-wise limit."""
    z = deviations(dataset, reference, names)
    limit = z_limit(len(z), dataset.attrs["trajectories"] - 1)
    assert np.all(np.isfinite(z)), z
    assert np.abs(z).max() < limit, z


def assert_differs(dataset, reference, names):
    """Some element beyond the family-wise limit: what a mutant must show."""
    z = deviations(dataset, reference, names)
    assert np.nanmax(np.abs(z)) > z_limit(len(z), dataset.attrs["trajectories"] - 1), z
