"""Long records as a pyramid of levels, so that a page stays small and zooming finds what matters.

Level 0 of a record is as fine as the budget allows; each further one has bins eight times as long. A bin is
its smallest and its largest value in the order in which they come, so that no level hides an extreme. All
levels of all records lie one after the other in one array of single precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from langevin_qtm.inspection.decimation import extremes
from langevin_qtm.physics.conventions import FloatArray

FACTOR = 8
COARSEST = 1500  # points of the last level, at most
BUDGET = 3_400_000  # numbers of all records together; 4 bytes each, a third more as text


@dataclass
class Pyramid:
    """Levels of many records.

    Attributes
    ----------
    finest : int
        Samples in a bin of the finest level; 1 keeps every sample.
    parts : list of arrays
    index : list of list of (offset, points, bin)
        Of each record, finest level first: where a level begins in `values`, how many points it has, and how
        many samples a bin has. A bin has two points, a sample of level `bin` = 1 one.
    """

    finest: int = 1
    parts: list[NDArray[np.float32]] = field(default_factory=list)
    index: list[list[tuple[int, int, int]]] = field(default_factory=list)
    _size: int = 0

    def add(self, record: FloatArray) -> int:
        """Add a record (time,); returns its number."""
        levels, size = [], self.finest
        while True:
            points = record if size == 1 else extremes(record, size)
            levels.append((self._size, len(points), size))
            self.parts.append(points.astype(np.float32))
            self._size += len(points)
            if len(points) <= COARSEST:
                break
            size *= FACTOR
        self.index.append(levels)
        return len(self.index) - 1

    def level(self, offset: int, points: int) -> NDArray[np.float32]:
        """Points of one level."""
        start = 0
        for part in self.parts:
            if start == offset and len(part) == points:
                return part
            start += len(part)
        raise KeyError(offset)

    @property
    def values(self) -> NDArray[np.float32]:
        """All levels of all records."""
        return np.concatenate(self.parts) if self.parts else np.zeros(0, dtype=np.float32)


def size_of_pyramid(count: int, finest: int) -> int:
    """Numbers in all levels of a record of so many samples."""
    total, size = 0, finest
    while True:
        points = count if size == 1 else 2 * -(-count // size)
        total += points
        if points <= COARSEST:
            return total
        size *= FACTOR


def finest_bin(counts: Sequence[int], budget: int = BUDGET) -> int:
    """Smallest bin, 1 or a power of two from 4 on, with which records of so many samples fit the budget."""
    size = 1
    while sum(size_of_pyramid(count, size) for count in counts) > budget:
        size = 4 if size == 1 else 2 * size
    return size
