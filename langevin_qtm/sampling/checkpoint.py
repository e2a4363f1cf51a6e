"""States of long runs: what a run hands out between two rounds, and takes back to go on undisturbed.

A state is a table of arrays. Where it is kept, and when, is up to a `Keeper`; results do not depend on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Protocol

import numpy as np

from langevin_qtm.errors import InputError
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.blocks import mark_count
from langevin_qtm.sampling.group import Group

State = dict[str, np.ndarray]


class Keeper(Protocol):
    """Who keeps the state of a run."""

    def recall(self) -> State | None:
        """State to go on from, None to begin; from here on states are offered."""

    def offer(self, state: Callable[[], State]) -> None:
        """Called between rounds; may keep the state, and may end the run by an exception."""

    def close(self, state: Callable[[], State]) -> None:
        """Called when the last round is done."""


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


def require_no_less(key: str, asked: int | None, kept: int) -> None:
    """Refuse to go on from a state that has more than is asked for.

    Raises
    ------
    InputError
    """
    if asked is not None and asked < kept:
        raise InputError(
            f"`solver.{key}` = {asked} is less than the {kept} {key} that the checkpoint has; raise it, or "
            "remove the checkpoint to start over."
        )


def groups_state(groups: list[Group], works: list[list[FloatArray]]) -> State:
    """All groups between two rounds, and their works: stacked, (group, …), or one after another."""
    return {
        "periods": np.array([group.periods for group in groups]),
        "rng": np.stack([group.rng for group in groups]),
        "drawn": np.stack([group.state for group in groups]),
        "window": np.stack([group.window for group in groups]),
        "window_periods": np.stack([group.window_periods for group in groups]),
        "window_sums": np.stack([group.window_sums for group in groups]),
        "phase_totals": np.stack([group.totals.phase for group in groups]),
        "mean_totals": np.stack([group.totals.mean for group in groups]),
        "marks": np.array([mark for group in groups for mark in group.marks]),
        "works": np.array([work for own in works for work in own]),
    }


def restore_groups(state: State, groups: list[Group], works: list[list[FloatArray]]) -> None:
    """Bring as many new groups as the state has into it; arrays stay where they are in memory, aligned."""
    marks, noted = iter(state["marks"]), iter(state["works"])
    for index, periods in enumerate(state["periods"].tolist()):
        group = groups[index]
        group.rng[:] = state["rng"][index]
        group.state[:] = state["drawn"][index]
        group.window[:] = state["window"][index]
        group.window_periods[:] = state["window_periods"][index]
        group.window_sums[:] = state["window_sums"][index]
        group.totals.phase[:] = state["phase_totals"][index]
        group.totals.mean[:] = state["mean_totals"][index]
        group.totals.periods = periods
        group.marks = list(islice(marks, mark_count(periods)))
        works[index] = list(islice(noted, periods // group.work_periods)) if group.work_periods else []
