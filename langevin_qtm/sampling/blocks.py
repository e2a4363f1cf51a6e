"""Equal blocks of a series of periods, at most a fixed number: sums since the start are marked at their ends.

Blocks begin as single periods and double when there are `MAX_BLOCKS` of them: every other mark is forgotten.
So marks depend on the number of periods alone, and periods after the last one are in no block yet.
"""

from __future__ import annotations

import numpy as np

from langevin_qtm.physics.conventions import FloatArray

MAX_BLOCKS = 64  # a power of two


def block_length(periods: int) -> int:
    """Periods in a block after so many."""
    return int(1 << max(0, periods.bit_length() - MAX_BLOCKS.bit_length() + 1))


def next_mark(periods: int) -> int:
    """Where the block after so many periods ends."""
    length = block_length(periods)
    return (periods // length + 1) * length


def is_mark(periods: int) -> bool:
    """Whether a block ends after so many periods, one at least."""
    return periods % block_length(periods - 1) == 0


def with_mark(marks: list[FloatArray], sums: FloatArray) -> list[FloatArray]:
    """Marks and a new one; every other one when there are `MAX_BLOCKS`."""
    longer = [*marks, sums]
    return longer[1::2] if len(longer) == MAX_BLOCKS else longer


def mark_count(periods: int) -> int:
    """Marks after so many periods."""
    return periods // block_length(periods)


def block_sums(marks: list[FloatArray]) -> FloatArray:
    """Sums over each block, (block, trajectory, observable)."""
    return np.diff(marks, axis=0, prepend=0.0 * marks[0][None]).swapaxes(1, 2)
