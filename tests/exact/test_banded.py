"""LU decomposition of banded matrices, held against dense solutions."""

import numpy as np
import pytest

from langevin_qtm.exact.banded import columns, factorize, solve, solve_transposed


def banded(rows, width, rng, zeros=0.0):
    """A random matrix, dense and in banded storage; a fraction of its entries vanishes."""
    dense = rng.standard_normal((rows, rows)) + 1j * rng.standard_normal((rows, rows))
    dense[rng.random((rows, rows)) < zeros] = 0.0
    i, j = np.indices((rows, rows))
    dense[np.abs(i - j) > width] = 0.0
    band = np.zeros((rows, columns(width)), dtype=complex)
    inside = np.abs(i - j) <= width
    band[i[inside], (j - i + width)[inside]] = dense[inside]
    return dense, band


@pytest.mark.parametrize(
    ("rows", "width", "zeros"),
    [(1, 0, 0.0), (6, 0, 0.0), (3, 5, 0.0), (30, 1, 0.0), (30, 3, 0.0), (40, 5, 0.3)],
)
def test_solutions_are_those_of_the_dense_matrix(rows, width, zeros):
    rng = np.random.default_rng(rows + width)
    dense, band = banded(rows, width, rng, zeros)
    pivots, reach = np.zeros((2, rows), dtype=np.int64)
    factorize(band, width, pivots, reach)
    right = rng.standard_normal(rows) + 1j * rng.standard_normal(rows)
    tolerance = 1e-14 * np.linalg.cond(dense)  # rounding
    for solver, matrix in ((solve, dense), (solve_transposed, dense.T)):
        found, expected = right.copy(), np.linalg.solve(matrix, right)
        solver(band, width, pivots, reach, found, 0, rows)
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_zeros_on_the_diagonal_are_no_obstacle():
    """Without exchange of rows the first step would divide by zero."""
    dense = np.array([[0, 1, 0, 0], [2, 0, 1, 0], [0, 3, 0, 1], [0, 0, 4, 0]], dtype=complex)
    band = np.zeros((4, columns(1)), dtype=complex)
    for i, j in np.argwhere(dense):
        band[i, j - i + 1] = dense[i, j]
    pivots, reach = np.zeros((2, 4), dtype=np.int64)
    factorize(band, 1, pivots, reach)
    right = np.arange(1.0, 5.0).astype(complex)
    found = right.copy()
    solve(band, 1, pivots, reach, found, 0, 4)
    np.testing.assert_allclose(found, np.linalg.solve(dense, right), rtol=1e-14, atol=1e-15)  # rounding of 1
    assert np.any(pivots != np.arange(4))


def test_blocks_are_solved_alone():
    """Of a matrix in two blocks, each is solved as if the other were absent; the rest of b stays as it is."""
    rng = np.random.default_rng(5)
    dense, band = banded(14, 2, rng)
    for i, j in np.argwhere(dense):
        if (i < 6) != (j < 6):
            dense[i, j] = band[i, j - i + 2] = 0.0
    pivots, reach = np.zeros((2, 14), dtype=np.int64)
    factorize(band, 2, pivots, reach)
    right = rng.standard_normal(14).astype(complex)
    for first, stop in ((0, 6), (6, 14)):
        block = slice(first, stop)
        for solver, matrix in ((solve, dense), (solve_transposed, dense.T)):
            found, expected = right.copy(), right.copy()
            solver(band, 2, pivots, reach, found, first, stop)
            expected[block] = np.linalg.solve(matrix[block, block], right[block])
            np.testing.assert_allclose(found, expected, rtol=1e-12)  # rounding
