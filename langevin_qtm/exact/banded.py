"""LU decomposition of a banded matrix with partial pivoting, and solutions with it and with its transpose.

Entry (i, j) of a matrix with `width` diagonals on either side of the main one is stored at
band[i, j - i + width]. Each row has room for another `width` diagonals on the right, which exchanges of
rows may fill. Multipliers that are zero are skipped.
"""

from __future__ import annotations

from langevin_qtm.compiled import compiled, less_product


def columns(width: int) -> int:
    """Columns of the array that stores a matrix with `width` diagonals on either side."""
    return 3 * width + 1


@compiled
def factorize(band, width, pivots, reach):
    """Replace the matrix by its factors; the diagonal by its inverse.

    Parameters
    ----------
    band : (row, column) complex array
    width : int
    pivots : (row,) int array, out
        Row exchanged with each.
    reach : (row,) int array, out
        End of each row of the upper factor.
    """
    rows = len(band)
    for i in range(rows):
        reach[i] = min(rows, i + width + 1)
    for k in range(rows):
        stop = min(rows, k + width + 1)
        pivots[k] = _largest(band, width, k, stop)
        _exchange(band, width, k, pivots[k], reach)
        inverse = 1.0 / band[k, width]
        band[k, width] = inverse
        for i in range(k + 1, stop):
            factor = band[i, k - i + width]
            if factor == 0.0:
                continue
            factor *= inverse
            band[i, k - i + width] = factor
            shift = width - i
            for j in range(k + 1, reach[k]):
                band[i, j + shift] = less_product(band[i, j + shift], factor, band[k, j - k + width])
            reach[i] = max(reach[i], reach[k])


@compiled
def _largest(band, width, k, stop):
    """Row of the largest entry of column k at or below the diagonal."""
    best, largest = k, -1.0
    for i in range(k, stop):
        entry = band[i, k - i + width]
        size = abs(entry.real) + abs(entry.imag)
        if size > largest:
            best, largest = i, size
    return best


@compiled
def _exchange(band, width, k, other, reach):
    """Exchange two rows from column k on."""
    if other == k:
        return
    for j in range(k, max(reach[k], reach[other])):
        upper, lower = j - k + width, j - other + width
        band[k, upper], band[other, lower] = band[other, lower], band[k, upper]
    reach[k], reach[other] = reach[other], reach[k]


@compiled
def solve(band, width, pivots, reach, vector, first, stop):
    """Replace b by the solution of A x = b, for a block of rows, first <= k < stop, coupled to no others."""
    for k in range(first, stop):
        other = pivots[k]
        vector[k], vector[other] = vector[other], vector[k]
        value = vector[k]
        if value != 0.0:
            for i in range(k + 1, min(stop, k + width + 1)):
                vector[i] = less_product(vector[i], band[i, k - i + width], value)
    for k in range(stop - 1, first - 1, -1):
        value = vector[k]
        for j in range(k + 1, min(stop, reach[k])):
            value = less_product(value, band[k, j - k + width], vector[j])
        vector[k] = value * band[k, width]


@compiled
def solve_transposed(band, width, pivots, reach, vector, first, stop):
    """Replace b by the solution of Aᵀ x = b, for a block of rows as in `solve`."""
    for k in range(first, stop):
        value = vector[k] * band[k, width]
        vector[k] = value
        if value != 0.0:
            for j in range(k + 1, min(stop, reach[k])):
                vector[j] = less_product(vector[j], band[k, j - k + width], value)
    for k in range(stop - 1, first - 1, -1):
        value = vector[k]
        for i in range(k + 1, min(stop, k + width + 1)):
            value = less_product(value, band[i, k - i + width], vector[i])
        other = pivots[k]
        vector[k] = vector[other]
        vector[other] = value
