"""Checkpoints of runs: written beside the output now and then and when asked to stop, read to go on.

A checkpoint fits a run of the same configuration, stopping rules aside, by the same sources and libraries on
the same type of processor: only then are the numbers of a resumed run those of an undisturbed one, bit for
bit.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from langevin_qtm.data.checkpoint import read_checkpoint, write_checkpoint
from langevin_qtm.data.files import check_writable, remove_leftovers
from langevin_qtm.data.provenance import software, software_difference
from langevin_qtm.data.runfile import Run
from langevin_qtm.errors import InputError
from langevin_qtm.interruption import Interruption

State = dict[str, np.ndarray]
INTERVAL = 60.0  # seconds between checkpoints
# Settings that say when to stop or how to compute, and change no step; trajectories that are added begin at
# the start, with random numbers of their own, and catch up.
FREE = ("periods", "trajectories", "target_error", "time_limit", "threads")
NOTHING = object()


def checkpoint_path(output: str | Path) -> Path:
    """Where the state of a run is kept: `OUT.nc.checkpoint`."""
    path = Path(output)
    return path.with_name(f"{path.name}.checkpoint")


def identity(run: Run) -> dict[str, Any]:
    """What must be the same for a state to fit."""
    config = json.loads(run.config_json)
    del config["title"]
    for name in FREE:
        config["solver"].pop(name, None)
    return {**software(), "configuration": config}


def require_same(path: Path, stored: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Refuse a state that does not fit.

    Raises
    ------
    InputError
        With what differs first.
    """
    other = software_difference(stored, own)
    if other is not None:
        name, before, now = other
        texts = {
            "sources": "by other sources of the same version of langevin_qtm "
            f"({before}, here {now}); use those, or remove it to start over.",
            "processor": f"on a processor of type {before}, but this is {now}; resume there, or remove it to "
            "start over.",
        }
        default = f"with {name} {before}, but this is {now}; use that version, or remove it to start over."
        raise InputError(f"Checkpoint `{path}` was written {texts.get(name, default)}")
    difference = _first_difference(stored["configuration"], own["configuration"])
    if difference is not None:
        key, before, now = difference
        raise InputError(
            f"Checkpoint `{path}` belongs to another configuration: `{key}` was {_shown(before)}, and is "
            f"{_shown(now)} now; restore it, give another output, or remove the checkpoint to start over."
        )


def _first_difference(one: Any, other: Any, key: str = "") -> tuple[str, Any, Any] | None:
    """Dotted key and both values of the first entry that differs."""
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = {name: (one.get(name, NOTHING), other.get(name, NOTHING)) for name in {**one, **other}}
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = {str(index): pair for index, pair in enumerate(zip(one, other, strict=True))}
    else:
        return None if one == other else (key, one, other)
    found = (_first_difference(*pair, f"{key}.{name}".lstrip(".")) for name, pair in pairs.items())
    return next(filter(None, found), None)


def _shown(value: Any) -> str:
    return "absent" if value is NOTHING else json.dumps(value, ensure_ascii=False)


class Checkpoint:
    """The keeper of a run's state in a file, see `sampling.checkpoint.Keeper`.

    Parameters
    ----------
    path : Path
        From `checkpoint_path`.
    run : Run
    interruption : Interruption
        Deferred while states are offered; what was asked for meanwhile is raised after the state is kept.
    interval : float
        Seconds between writing.
    keeps_end : bool
        Whether the state at the end is kept, for a longer run.

    Raises
    ------
    InputError
        When the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        run: Run,
        interruption: Interruption,
        interval: float = INTERVAL,
        keeps_end: bool = False,
    ):
        check_writable(path)
        self.path, self.identity, self.interruption = path, identity(run), interruption
        self.interval, self.keeps_end = interval, keeps_end
        self.state: State | None = None
        self.unwritten: State | None = None
        self.written = monotonic()

    def load(self) -> bool:
        """Read the file, if there is one; whether there is.

        Raises
        ------
        InputError
            When it is damaged, or does not fit the run.
        """
        if self.path.exists():
            self.state, stored = read_checkpoint(self.path)
            try:
                require_same(self.path, stored, self.identity)
            except InputError:
                self.state = None
                raise
        return self.state is not None

    def refuse(self) -> None:
        """Refuse to begin where an earlier run left its state.

        Raises
        ------
        InputError
        """
        if self.path.exists():
            raise InputError(
                f"`{self.path}` holds the state of an earlier run; add `--resume` to go on with it, or "
                "remove it to start over."
            )

    def recall(self) -> State | None:
        """State to go on from."""
        state, self.state = self.state, None
        self.written, self.interruption.is_deferred = monotonic(), True
        return state

    def offer(self, state: Callable[[], State]) -> None:
        """Write the state when it is time to, or when asked to stop; then raise that."""
        if self.interruption.asked is not None or monotonic() - self.written >= self.interval:
            self._write(state())
        self.interruption.raise_if_asked()

    def close(self, state: Callable[[], State]) -> None:
        """The state at the end: written if it is to be kept, else held until the output is safe."""
        if self.keeps_end:
            self._write(state())
        else:
            self.unwritten = state()
        self.interruption.is_deferred = False
        self.interruption.raise_if_asked()

    def rescue(self) -> str:
        """Write what is not yet written; a sentence on how to go on, empty when nothing is there."""
        self.interruption.is_deferred = False
        if self.unwritten is not None:
            self._write(self.unwritten)
        if not self.path.exists():
            return ""
        return f"the state of the run is in {self.path}: give the same command with --resume to go on."

    def remove(self) -> None:
        """The output is safe: forget the state, unless it is to be kept."""
        if not self.keeps_end:
            self.path.unlink(missing_ok=True)

    def _write(self, state: State) -> None:
        """Write a state; a run goes on without, since an older one is still there."""
        try:
            write_checkpoint(self.path, state, self.identity)
            self.unwritten = None
        except OSError as error:
            warnings.warn(f"Checkpoint `{self.path}` could not be written: {error}.", stacklevel=2)
        self.written = monotonic()


def for_output(
    run: Run,
    output: Path,
    interruption: Interruption,
    interval: float,
    *,
    resumes: bool,
    keeps_end: bool,
    tell: Callable[[str], object],
) -> Checkpoint | None:
    """Keeper of a run's state beside its output; None for a method that has no state.

    Raises
    ------
    InputError
        When a state is there and the run does not resume, or it does not fit.
    """
    if run.solver.method != "simulate":
        return None
    path = checkpoint_path(output)
    checkpoint = Checkpoint(path, run, interruption, interval, keeps_end)
    remove_leftovers(path)
    if not resumes:
        checkpoint.refuse()
    else:
        tell(f"Going on from {path}" if checkpoint.load() else f"No {path}: from the start")
    return checkpoint


def for_point(run: Run, output: Path, interruption: Interruption, interval: float) -> Checkpoint:
    """Keeper of the state of a point of a sweep: it goes on by itself, or begins anew where nothing fits."""
    checkpoint = Checkpoint(checkpoint_path(output), run, interruption, interval)
    with suppress(InputError):
        checkpoint.load()
    return checkpoint
