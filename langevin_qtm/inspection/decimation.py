"""Fewer points of a long record that look the same: the smallest and the largest of each bin are kept."""

from __future__ import annotations

import numpy as np

from langevin_qtm.physics.conventions import FloatArray


def extremes(values: FloatArray, size: int) -> FloatArray:
    """Smallest and largest value of each bin, in the order in which they come.

    Parameters
    ----------
    values : (time,) array
    size : int
        Samples in a bin; the last one may be shorter.

    Returns
    -------
    (2 ceil(time/size),) array
    """
    bins = -(-len(values) // size)
    padded = np.concatenate([values, np.full(bins * size - len(values), values[-1])]).reshape(bins, size)
    low, high = padded.argmin(axis=1), padded.argmax(axis=1)
    rows = np.arange(bins)
    pair = np.stack([padded[rows, np.minimum(low, high)], padded[rows, np.maximum(low, high)]], axis=1)
    return pair.ravel()


def thinned(time: FloatArray, values: FloatArray, most: int) -> tuple[FloatArray, FloatArray]:
    """Record of at most so many points with all its extremes; as it is when it is short enough.

    Returns
    -------
    time, values : (point,) arrays
        Of a bin, its first time and its middle.
    """
    if len(values) <= most:
        return time, values
    size = -(-2 * len(values) // most)
    shown = extremes(values, size)
    starts = time[::size]
    ends = np.append(time[size::size], time[-1])[: len(starts)]
    return np.stack([starts, 0.5 * (starts + ends)], axis=1).ravel(), shown
