"""Floating point that stops where it would go on with infinities or NaN."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from langevin_qtm.errors import NumericalRangeError


@contextmanager
def within_range() -> Iterator[None]:
    """Block in which numbers that leave the range of floating point or memory are an error.

    Code that expects infinities or NaN says so by `numpy.errstate` of its own.

    Raises
    ------
    NumericalRangeError
        Where an operation overflows, divides by zero or has no value, a matrix is singular, or an array does
        not fit into memory.
    """
    try:
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            yield
    except (ArithmeticError, MemoryError, np.linalg.LinAlgError) as error:
        raise NumericalRangeError(error) from error
