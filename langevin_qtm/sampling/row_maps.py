"""Linear maps of rows: a row is one variable of 64 trajectories.

Arrays are flat, `LANES` trajectories innermost, so that each loop over lanes is a SIMD loop. Weights, four or
eight at a time, stay in registers while the lanes go by; so matrices have a multiple of four columns, and
consecutive rows of equal width make a band. Rows of one flat array and offsets, rather than slices, are what
is handed on: a slice handed to a function costs atomic counting of references, as much as a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langevin_qtm.compiled import compiled, fma
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.normals import LANES

BLOCK = 4  # columns of a map come in multiples of this
LINE = 64  # bytes of a cache line


def zero_rows(count: int) -> FloatArray:
    """Rows of zeros, flat, at the start of a cache line: vectors across lines cost a quarter of the speed."""
    room = np.zeros(count * LANES + LINE // 8)
    first = -room.ctypes.data % LINE // 8
    return room[first : first + count * LANES]


def aligned(rows: FloatArray) -> FloatArray:
    """Rows of any shape in a new array at the start of a cache line."""
    moved = zero_rows(rows.size // LANES).reshape(rows.shape)
    moved[...] = rows
    return moved


@dataclass(frozen=True)
class BandedMaps:
    """Matrices as the kernel takes them.

    Attributes
    ----------
    matrices : (phase, row, column) array
        With columns of zeros up to a multiple of `BLOCK`.
    bands : (phase, band, 3) int array
        First row, end, and width of consecutive rows of equal width.
    """

    matrices: FloatArray
    bands: NDArray[np.intp]


def banded(matrices: FloatArray, columns: int) -> BandedMaps:
    """Matrices with columns of zeros added on the right, and the bands of what is not zero."""
    room = columns - matrices.shape[2]
    padded = np.ascontiguousarray(np.pad(matrices, [(0, 0), (0, 0), (0, room)]))
    last = columns - np.argmax(padded[:, :, ::-1] != 0, axis=2)
    widths = np.where(np.any(padded != 0, axis=2), -(-last // BLOCK) * BLOCK, BLOCK)
    bands = [_bands_of(row) for row in widths]
    most = max(len(band) for band in bands)
    nothing = np.array([[0, 0, BLOCK]])
    return BandedMaps(padded, np.array([np.concatenate([b, *[nothing] * (most - len(b))]) for b in bands]))


def _bands_of(widths: NDArray[np.intp]) -> NDArray[np.intp]:
    """First row, end and width of runs of equal widths."""
    edges = np.flatnonzero(np.diff(widths, prepend=-1, append=-1))
    return np.stack([edges[:-1], edges[1:], widths[edges[:-1]]], axis=1)


def whole_blocks(count: int) -> int:
    """Next multiple of the block of the kernel."""
    return -(-count // BLOCK) * BLOCK


@compiled
def apply(state, out, maps, k, bands, source):
    """Row out + i of the state = Σ_j maps[k, i, j] row source + j, for the rows and columns of the bands."""
    for band in range(bands.shape[1]):
        width = bands[k, band, 2]
        for i in range(bands[k, band, 0], bands[k, band, 1]):
            target = state[(out + i) * LANES : (out + i + 1) * LANES]
            w0, w1, w2, w3 = maps[k, i, 0], maps[k, i, 1], maps[k, i, 2], maps[k, i, 3]
            rows = state[source * LANES : (source + 4) * LANES]
            for lane in range(LANES):
                sums = fma(w1, rows[LANES + lane], w0 * rows[lane])
                sums = fma(w2, rows[2 * LANES + lane], sums)
                target[lane] = fma(w3, rows[3 * LANES + lane], sums)
            done = 4
            if width % 8 == 0:
                w0, w1, w2, w3 = maps[k, i, 4], maps[k, i, 5], maps[k, i, 6], maps[k, i, 7]
                rows = state[(source + 4) * LANES : (source + 8) * LANES]
                for lane in range(LANES):
                    sums = fma(w0, rows[lane], target[lane])
                    sums = fma(w1, rows[LANES + lane], sums)
                    sums = fma(w2, rows[2 * LANES + lane], sums)
                    target[lane] = fma(w3, rows[3 * LANES + lane], sums)
                done = 8
            for j in range(done, width, 8):
                w0, w1, w2, w3 = maps[k, i, j], maps[k, i, j + 1], maps[k, i, j + 2], maps[k, i, j + 3]
                w4, w5, w6, w7 = maps[k, i, j + 4], maps[k, i, j + 5], maps[k, i, j + 6], maps[k, i, j + 7]
                rows = state[(source + j) * LANES : (source + j + 8) * LANES]
                for lane in range(LANES):
                    sums = fma(w0, rows[lane], target[lane])
                    sums = fma(w1, rows[LANES + lane], sums)
                    sums = fma(w2, rows[2 * LANES + lane], sums)
                    sums = fma(w3, rows[3 * LANES + lane], sums)
                    sums = fma(w4, rows[4 * LANES + lane], sums)
                    sums = fma(w5, rows[5 * LANES + lane], sums)
                    sums = fma(w6, rows[6 * LANES + lane], sums)
                    target[lane] = fma(w7, rows[7 * LANES + lane], sums)
