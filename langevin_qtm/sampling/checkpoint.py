"""States of long runs: what a run hands out between two blocks, and takes back to go on undisturbed.

A state is a table of arrays. Where it is kept, and when, is up to a `Keeper`; results do not depend on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np

from langevin_qtm.errors import InputError
from langevin_qtm.sampling.group import Group, Totals

State = dict[str, np.ndarray]


class Keeper(Protocol):
    """Who keeps the state of a run."""

    def recall(self) -> State | None:
        """State to go on from, None to begin; from here on states are offered."""

    def offer(self, state: Callable[[], State]) -> None:
        """Called between blocks; may keep the state, and may end the run by an exception."""

    def close(self, state: Callable[[], State]) -> None:
        """Called when the last block is done."""


class NoKeeper:
    """Keeps nothing."""

    def recall(self) -> State | None:
        """Nothing."""
        return None

    def offer(self, state: Callable[[], State]) -> None:
        """Nothing."""

    def close(self, state: Callable[[], State]) -> None:
        """Nothing."""


def fingerprint(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """SHA-256 of the bits of arrays, (32,) bytes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return np.frombuffer(digest.digest(), np.uint8)


def require_same_steps(stored: np.ndarray, own: np.ndarray) -> None:
    """Refuse a state whose run was made of other steps.

    Raises
    ------
    InputError
        When the fingerprints differ: linear algebra of another build rounds differently.
    """
    if not np.array_equal(stored, own):
        raise InputError(
            "The checkpoint does not fit: its configuration gives other time steps here, in the last digits "
            "at least; resume where it was written, or remove it to start over."
        )


def groups_state(groups: list[Group], totals: list[Totals]) -> State:
    """All groups between two blocks, stacked: (group, …) each; their own sums are empty then."""
    return {
        "rng": np.stack([group.rng for group in groups]),
        "drawn": np.stack([group.state for group in groups]),
        "window": np.stack([group.window for group in groups]),
        "window_periods": np.stack([group.window_periods for group in groups]),
        "window_sums": np.stack([group.window_sums for group in groups]),
        "until_work": np.array([group.until_work for group in groups]),
        "works": np.array([group.works for group in groups]),
        "phase_totals": np.stack([total.phase for total in totals]),
        "mean_totals": np.stack([total.mean for total in totals]),
        "total_periods": np.array([total.periods for total in totals]),
    }


def restore_groups(state: State, groups: list[Group], totals: list[Totals]) -> None:
    """Bring new groups into a state; arrays stay where they are in memory, aligned."""
    for index, (group, total) in enumerate(zip(groups, totals, strict=True)):
        group.rng[:] = state["rng"][index]
        group.state[:] = state["drawn"][index]
        group.window[:] = state["window"][index]
        group.window_periods[:] = state["window_periods"][index]
        group.window_sums[:] = state["window_sums"][index]
        group.until_work = int(state["until_work"][index])
        group.works = list(state["works"][index])
        total.phase[:] = state["phase_totals"][index]
        total.mean[:] = state["mean_totals"][index]
        total.periods = int(state["total_periods"][index])
