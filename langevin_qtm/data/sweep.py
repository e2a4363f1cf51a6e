"""Sweeps: what a `[sweep]` table means. The points, their seeds and hashes.

Axes form the product in the order of the file; each is a dim of the combined dataset. A point is a plain run:
the tables of the file with the swept values put in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from langevin_qtm.data.axes import MOST_POINTS, Axis, canonical, dotted, read_axis, refuse_clashes
from langevin_qtm.data.contents import require_attributes
from langevin_qtm.data.runfile import (
    Run,
    Settings,
    assign,
    build,
    label,
    overridden,
    read_tables,
    stale_settings,
    steps_of,
    table_or_empty,
)
from langevin_qtm.errors import InputError, shown


@dataclass(frozen=True)
class Point:
    """One run of a sweep, and what its file and its random numbers are named by.

    Attributes
    ----------
    index : tuple of int
        Place along each axis.
    run : Run
        With a seed of its own where the method has one.
    """

    index: tuple[int, ...]
    run: Run

    @cached_property
    def sha256(self) -> str:
        """Hash of the resolved configuration, without what changes no number (title, threads)."""
        config = json.loads(self.run.config_json)
        del config["title"]
        config["solver"].pop("threads", None)
        return _sha256(config)


@dataclass(frozen=True)
class Sweep:
    """What a run file with `[sweep]` asks for: a run for each point of the product of its axes.

    Attributes
    ----------
    tables : dict
        The run file without `[sweep]`, overrides included.
    axes : tuple of Axis
    """

    tables: dict[str, Any] = field(repr=False)
    axes: tuple[Axis, ...]

    @property
    def title(self) -> str:
        """Title of the run file."""
        return self.first.title

    @property
    def dims(self) -> tuple[str, ...]:
        """Dims of the axes."""
        return tuple(axis.dim for axis in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def size(self) -> int:
        """Points in all."""
        return prod(self.shape)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Run of each point in the order of the file, the last axis fastest, all with the file's own seed.

        Raises
        ------
        InputError
            When a point does not describe a run.
        """
        return tuple(build(tables) for tables in self._tables())

    @property
    def first(self) -> Run:
        """Run of the first point."""
        return self.runs[0]

    @property
    def solver(self) -> Settings:
        """Settings of the first point."""
        return self.first.solver

    def points(self) -> Iterator[Point]:
        """Every point, the last axis fastest."""
        for index, run in zip(np.ndindex(*self.shape), self.runs, strict=True):
            yield Point(index, _with_own_seed(run))

    def coordinates(self) -> dict[str, xr.Variable]:
        """Coordinates of all axes."""
        return {name: variable for axis in self.axes for name, variable in axis.coordinates().items()}

    @cached_property
    def config_json(self) -> str:
        """The resolved run file as canonical JSON: the first point, with `sweep` and every value in it."""
        config = json.loads(self.first.config_json)
        tables = next(self._tables())
        for key in (key for axis in self.axes for key in axis.keys):
            _keep_as_written(config, tables, steps_of(key))
        config["sweep"] = {axis.entry: axis.spec() for axis in self.axes}
        return json.dumps(config, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @cached_property
    def config_sha256(self) -> str:
        """SHA-256 of `config_json`, 64 hexadecimal digits."""
        return hashlib.sha256(self.config_json.encode()).hexdigest()

    def _tables(self) -> Iterator[dict[str, Any]]:
        for rows in product(*(axis.rows for axis in self.axes)):
            tables = deepcopy(self.tables)
            for axis, row in zip(self.axes, rows, strict=True):
                for key, value in zip(axis.keys, row, strict=True):
                    assign(tables, key, value)
            yield tables

    def __str__(self) -> str:
        lines = [f"Sweep of {self.size} points"]
        for axis in self.axes:
            first, last = (str(row if axis.is_zipped else row[0]) for row in (axis.rows[0], axis.rows[-1]))
            values = first if len(axis) == 1 else f"{first} … {last}"
            lines.append(f"  {axis.dim} ({', '.join(axis.keys)}): {len(axis)} values, {values}")
        return "\n".join(lines)


# ----------------------------------------------------------------------------------------------- reading


def load_sweep(path: str | Path, overrides: Mapping[str, object] | None = None) -> Sweep:
    """Sweep of a run file.

    Parameters
    ----------
    path : str or Path
        TOML file with a table `[sweep]`.
    overrides : mapping of dotted key to value, optional
        As in `load_run`. `sweep.<axis>` replaces or adds an axis, `sweep.<axis>.num` one entry of it; a key
        that is swept gets the one value, and its axis goes.

    Raises
    ------
    InputError
        When the file cannot be read, or does not describe a sweep: key, value and remedy in one sentence.
    """
    loaded = load_file(path, overrides)
    if isinstance(loaded, Run):
        raise InputError(f"Run file `{path}` has no `[sweep]`; read it by `load_run`, or add the table.")
    return loaded


def load_file(path: str | Path, overrides: Mapping[str, object] | None = None) -> Run | Sweep:
    """Run or sweep of a run file, whichever it is; see `load_run` and `load_sweep`."""
    try:
        return from_tables(read_tables(Path(path)), overrides)
    except RecursionError:
        raise InputError(f"Run file `{path}` is nested too deeply; flatten its tables.") from None


def sweep_of(dataset: xr.Dataset) -> Sweep | None:
    """The sweep that a combined dataset comes from; None for a dataset of one run."""
    if "sweep_dims" not in dataset.attrs:
        return None
    require_attributes(dataset, "config_json", "method")
    loaded = from_tables(json.loads(dataset.attrs["config_json"]))
    if not isinstance(loaded, Sweep):
        raise InputError("The dataset's attribute `config_json` has no `sweep`; run the sweep again.")
    for name in ("failed", "failure"):
        found = dataset[name].sizes if name in dataset else {}
        if tuple(found.items()) != tuple(zip(loaded.dims, loaded.shape, strict=True)):
            raise InputError(
                f"The dataset's variable `{name}` has the sizes {shown(dict(found))}, but its attribute "
                f"`config_json` has a sweep over {shown(dict(zip(loaded.dims, loaded.shape, strict=True)))}; "
                "run the sweep again."
            )
    for dim in loaded.dims:
        if dim not in dataset.coords:
            raise InputError(f"The dataset's dim `{dim}` has no values; run the sweep again.")
    if dataset["failed"].dtype.kind not in "fiub":
        raise InputError("The dataset's variable `failed` holds no numbers; run the sweep again.")
    return loaded


def from_tables(data: dict[str, Any], overrides: Mapping[str, object] | None = None) -> Run | Sweep:
    """Run or sweep from the tables of a file."""
    data, given = dict(data), {}
    is_given = "sweep" in data
    entries = _entries(data.pop("sweep", {}))
    for key, value in (overrides or {}).items():
        if steps_of(key)[0] == "sweep":
            entries, is_given = _changed(entries, key, value), True
        else:
            given[key] = value
            entries = _without_pinned(entries, key, data)
            is_given = is_given and bool(entries)
    if is_given and not entries:
        raise InputError('`sweep` is empty; add an axis such as `"drive.frequency" = [0.1, 0.2]`.')
    axes = [read_axis(entry, spec, data) for entry, spec in entries.items()]
    before, data = data.get("solver"), overridden(data, given)
    axes = _without_stale(axes, stale_settings(before, data.get("solver")))
    if not axes:
        return build(data)
    refuse_clashes(axes)
    if prod(map(len, axes)) > MOST_POINTS:
        raise InputError(
            f"`sweep` asks for {prod(map(len, axes))} points, but may have {MOST_POINTS}; shorten an axis."
        )
    sweep = Sweep(data, tuple(axes))
    _ = sweep.runs  # every point is checked before any runs
    return sweep


def _entries(table: Any) -> dict[str, Any]:
    """Axes by key or name, in the order of the file; tables inside are dotted keys."""
    if not isinstance(table, dict):
        raise InputError(f"`sweep` = {table!r} is not allowed: it must be a table; write `[sweep]`.")

    def flat(node: Any, steps: Sequence[str]) -> Iterator[tuple[str, Any]]:
        is_axis = (
            not isinstance(node, dict) or not node or {"keys", "values", "num", "stop", "scale"} & node.keys()
        )
        if not is_axis and isinstance(node.get("start", []), dict | list):
            for key, item in node.items():
                yield from flat(item, [*steps, key])
        else:
            yield dotted(steps), node

    entries: dict[str, Any] = {}
    for first, item in table.items():
        for key, spec in flat(item, steps_of(first)):
            if key in entries:
                raise InputError(f"`sweep.{key}` is given twice; remove one.")
            entries[key] = spec
    return entries


def _changed(entries: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Axes after an override of `sweep`, of one axis, or of one entry of an axis."""
    first, *rest = steps_of(key)[1:] or [""]
    if not first:
        return _entries(value)
    *parents, last = (*steps_of(first), *rest)
    whole, axis = dotted([*parents, last]), dotted(parents)
    if isinstance(entries.get(axis), dict) and whole not in entries and not isinstance(value, dict):
        return entries | {axis: entries[axis] | {last: value}}
    return entries | {whole: value}


def _without_pinned(entries: dict[str, Any], key: str, data: dict[str, Any]) -> dict[str, Any]:
    """Axes without the one whose only key is set to one value."""
    own, kept = canonical(key, data), {}
    for entry, spec in entries.items():
        keys = spec.get("keys", [entry]) if isinstance(spec, dict) else [entry]
        is_swept = isinstance(keys, list) and own in [canonical(str(each), data) for each in keys]
        if is_swept and len(keys) > 1:
            raise InputError(
                f"`{key}` is swept together with others by `sweep.{entry}`; set `sweep.{entry}` instead."
            )
        if not is_swept:
            kept[entry] = spec
    return kept


def _without_stale(axes: list[Axis], stale: set[str]) -> list[Axis]:
    """Axes without the settings that a new method of the solver does not know."""

    def is_stale(key: str) -> bool:
        first, second, *_ = (*steps_of(key), "")
        return first == "solver" and second in stale

    return [axis for axis in (axis.without(is_stale) for axis in axes) if axis is not None]


# ------------------------------------------------------------------------------------- seeds and hashes


def _with_own_seed(run: Run) -> Run:
    """The run with a seed derived from the file's own and the machine, whatever the other points are."""
    root = getattr(run.solver, "seed", None)
    if root is None:
        return run
    config = json.loads(run.config_json)
    physics = {key: config[key] for key in ("medium", "drive", "reservoir") if key in config}
    seed = int(_sha256({"seed": root, "machine": physics})[:16], 16) >> 1
    given = {name: getattr(run.solver, name) for name in run.solver.model_fields_set}
    return Run(title=run.title, machine=run.machine, solver=type(run.solver)(**given | {"seed": seed}))


def _sha256(value: Any) -> str:
    """Hash of a JSON value."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _keep_as_written(config: dict[str, Any], tables: dict[str, Any], steps: Sequence[str]) -> None:
    """Put back what resolving turned into harmonics, so that its parts can be set again."""
    match steps:
        case ["reservoir", name, "coupling", oscillator, *_]:
            place = [label(config["reservoir"], i) for i in range(len(config["reservoir"]))].index(name)
            resolved, written = config["reservoir"][place], tables["reservoir"][place]
            kind = "coupling"
        case ["medium", "modulation" | "force" as kind, oscillator, *_]:
            resolved, written = config["medium"], tables["medium"]
        case _:
            return
    resolved.setdefault(kind, {})[oscillator] = table_or_empty(written.get(kind)).get(oscillator)
