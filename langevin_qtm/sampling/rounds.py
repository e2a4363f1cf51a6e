"""Rounds of work: stretches that all pieces are taken through before anything is looked at or kept.

How long a round is goes by the clock, so nothing may depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from langevin_qtm.tasks import Engine, Link, Lost

FASTER = 16.0  # most that a round may be longer than the one before

Piece = TypeVar("Piece")
Shared = TypeVar("Shared")
Result = TypeVar("Result")


class Pace:
    """Length of rounds, in periods or whatever work is counted in, so that one takes the time it should."""

    def __init__(self) -> None:
        self.most, self.rate, self.began = 1.0, 0.0, 0.0

    def begin(self, left: int, seconds: float) -> int:
        """Length, of what is left, of a round that begins now and should take so many seconds."""
        self.began = perf_counter()
        return max(1, min(left, int(min(self.most, self.rate * seconds))))

    def end(self, length: int) -> None:
        """The round of this length is done."""
        self.most, self.rate = FASTER * length, length / max(perf_counter() - self.began, 1e-9)


def map_chunks(
    engine: Engine,
    function: Callable[[Sequence[Piece], Shared], list[Result]],
    pieces: Sequence[Piece],
    shared: Shared,
) -> list[Result]:
    """Apply a function of several pieces to all, neighbours to a slot; results in the order of the pieces.

    Raises
    ------
    ChildProcessError
        When every process that ran some of it died.
    """
    count = min(engine.slots, len(pieces))
    edges = np.linspace(0, len(pieces), count + 1).astype(int)
    chunks = [pieces[start:stop] for start, stop in pairwise(edges)]
    task = partial(_as_here, function, np.geterr())
    found: dict[int, list[Result]] = {}
    for place, results in engine.map_tasks(task, chunks, shared, Link()):
        if isinstance(results, Lost):
            raise ChildProcessError(results.sentence)
        found[place] = results
    return [result for place in range(count) for result in found[place]]


def _as_here(
    function: Callable[[Sequence[Piece], Shared], list[Result]],
    errors: Any,
    chunk: Sequence[Piece],
    shared: Shared,
    _: Link,
) -> list[Result]:
    """With the errors of floating point of the caller, and numbers that do not depend on threads."""
    with np.errstate(**errors), threadpool_limits(1):
        return function(chunk, shared)
