"""Stationary Gaussian paths of a given autocorrelation."""

from __future__ import annotations

import numpy as np


def gaussian_paths(rng, correlation, paths):
    """Stationary Gaussian paths with an autocorrelation R(0), R(1), …, dims (path, time)."""
    lag = np.abs(np.arange(len(correlation))[:, None] - np.arange(len(correlation)))
    return rng.standard_normal((paths, len(correlation))) @ np.linalg.cholesky(correlation[lag]).T
