"""Axes of a sweep: what stands behind one key of a `[sweep]` table, and the name of its dim."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Annotated, Any, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from langevin_qtm.data.runfile import label, steps_of
from langevin_qtm.errors import InputError, shown, shown_key
from langevin_qtm.physics._model import Finite, Model
from langevin_qtm.schema import COORDINATES, SCHEMA, UNCERTAINTY

Value = bool | int | float | str
MOST_POINTS = 1_000_000
# Variables over the sweep dims alone that every combined dataset may have.
STATUS = {
    "failed": "whether the point failed, 1 if so",
    "failure": "why the point failed",
    "point_seed": "seed of the point",
    "max_multiplier": "largest modulus of the Floquet multipliers",
    "relaxation_time": "relaxation time of the slowest mode",
}
RESERVED = {
    name.casefold()
    for name in (*COORDINATES, *STATUS, *(n + end for n in SCHEMA for end in ("", *UNCERTAINTY)))
}
# Keys that no axis may have, and why. The longest prefix of a key decides.
REFUSED = {
    "title": "it changes no number",
    "solver.method": "methods have different variables; run the file once for each",
    "solver.phases": "points would have different dims",
    "solver.points": "points would have different times",
    "solver.times": "points would have different times",
    "solver.duration": "points would have different times; give the longest, and select",
    "solver.start_time": "points would have different times",
    "solver.recording": "recordings stay in the files of the points and change no average",
    "solver.threads": "it changes no number",
}
UNITS = {
    "frequency": "omega_A",
    "temperature": "omega_A",
    "gamma": "omega_A",
    "cutoff": "omega_A",
    "strength": "omega_A^4",
    "phase": "rad",
    "start": "omega_A^-1",
    "duration": "omega_A^-1",
    "time_limit": "s",
}


class Range(Model):
    """Equidistant values of an axis, on a linear or logarithmic scale."""

    start: Finite
    stop: Finite
    num: Annotated[int, Field(strict=True, ge=1, le=MOST_POINTS)]
    scale: Literal["linear", "log"] = "linear"

    def values(self) -> list[float]:
        """All values, the ends exact."""
        if self.scale == "linear":
            return np.linspace(self.start, self.stop, self.num).tolist()
        for name in ("start", "stop"):
            if getattr(self, name) <= 0:
                raise InputError(
                    f"`{name}` = {getattr(self, name)!r} is not allowed: a logarithmic scale needs > 0; "
                    "use `scale` = 'linear'."
                )
        return np.geomspace(self.start, self.stop, self.num).tolist()


@dataclass(frozen=True)
class Axis:
    """One axis of a sweep.

    Attributes
    ----------
    entry : str
        How `[sweep]` calls it: a dotted key, or a name.
    dim : str
        Its dim in the combined dataset.
    keys : tuple of str
        Dotted keys that it sets.
    rows : tuple
        For each of its points, the value of each key.
    is_zipped : bool
        Whether each key has values of its own; the dim is an index then.
    """

    entry: str
    dim: str
    keys: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    is_zipped: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def is_named(self) -> bool:
        """Whether the file gave the dim its name."""
        return self.entry not in self.keys

    def coordinates(self) -> dict[str, xr.Variable]:
        """Coordinate of the dim; of a zipped axis the index, and the values of each key beside it."""
        columns = list(zip(*self.rows, strict=True))
        keys = ", ".join(self.keys)
        if not self.is_zipped:
            name = self.dim.replace("_", " ") if self.is_named else long_name(self.keys[0])
            return {self.dim: _coordinate(self.dim, self.keys[0], columns[0], name, keys)}
        index = xr.Variable(
            self.dim, np.arange(len(self)), {"units": "1", "long_name": f"point of {self.dim}", "keys": keys}
        )
        beside = {
            dim_of(key): _coordinate(self.dim, key, column, long_name(key), key)
            for key, column in zip(self.keys, columns, strict=True)
        }
        return {self.dim: index, **beside}

    def without(self, is_stale: Callable[[str], bool]) -> Axis | None:
        """The axis without some of its keys; None if it has no others."""
        kept = [column for column, key in enumerate(self.keys) if not is_stale(key)]
        if not kept:
            return None
        rows = tuple(tuple(row[column] for column in kept) for row in self.rows)
        return replace(self, keys=tuple(self.keys[column] for column in kept), rows=rows)

    def spec(self) -> Any:
        """The axis as a run file may hold it, every value spelled out."""
        if not self.is_named:
            return [row[0] for row in self.rows]
        values = [list(row) for row in self.rows] if self.is_zipped else [row[0] for row in self.rows]
        return {"keys": list(self.keys), "values": values}


# -------------------------------------------------------------------------------------------------- axes


def read_axis(entry: str, spec: Any, data: dict[str, Any]) -> Axis:
    """Axis from what stands behind one key of `[sweep]`."""
    where = f"sweep.{shown_key(entry)}"
    if not isinstance(spec, dict | list):
        raise InputError(
            f"`{where}` = {shown(spec)} is not allowed: it must be a list of values, or a table such as "
            '{ start = 0.1, stop = 10, num = 5, scale = "log" }.'
        )
    table = {"values": spec} if isinstance(spec, list) else dict(spec)
    is_named = "keys" in table
    keys = _keys(where, table.pop("keys")) if is_named else [entry]
    if not is_named and len(steps_of(entry)) < 2:
        raise InputError(f'`{where}` names no key: write a dotted one, or add `keys` = ["…"] to the table.')
    keys = [canonical(key, data) for key in keys]
    for key in keys:
        _refuse_key(where, key)
    if is_named and not re.fullmatch(r"[^\W\d]\w*", entry):
        raise InputError(f"`{where}`: the name of an axis has letters, digits and _ alone; rename it.")
    rows, is_zipped = _rows(where, table, len(keys))
    if not is_zipped:
        _refuse_mixture(where, [row[0] for row in rows])
    return Axis(
        entry if is_named else keys[0], entry if is_named else dim_of(keys[0]), tuple(keys), rows, is_zipped
    )


def _keys(where: str, keys: Any) -> list[str]:
    """Dotted keys of a named axis."""
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) and key for key in keys):
        raise InputError(f"`{where}.keys` = {shown(keys)} is not allowed: it must be a list of dotted keys.")
    return keys


def _rows(where: str, table: dict[str, Any], width: int) -> tuple[tuple[tuple[Value, ...], ...], bool]:
    """Values of each key for each point, and whether keys have their own."""
    if "values" not in table:
        try:
            found = Range(**table)
            numbers: list[Any] = found.values()
        except InputError as error:
            text = str(error)
            raise InputError(
                f"`{where}.{text[1:]}" if text.startswith("`") else f"`{where}`: {text}"
            ) from None
        whole = found.scale == "linear" and isinstance(table["start"], int) and isinstance(table["stop"], int)
        if whole and all(value == int(value) for value in numbers):
            numbers = [int(value) for value in numbers]
        return tuple((value,) * width for value in numbers), False
    values = table.pop("values")
    if table:
        raise InputError(f"`{where}` has `values`, and `{next(iter(table))}` besides; remove one of them.")
    if not isinstance(values, list) or not values:
        raise InputError(
            f"`{where}` = {shown(values)} is not allowed: it must be a list of at least one value."
        )
    if not all(isinstance(value, list) for value in values):
        return tuple((_scalar(where, value),) * width for value in values), False
    for row in values:
        if len(row) != width:
            raise InputError(
                f"`{where}.values`: row {shown(row)} has {len(row)} values for {width} keys; give one each."
            )
    rows = tuple(tuple(_scalar(where, value) for value in row) for row in values)
    for column in zip(*rows, strict=True):
        _refuse_mixture(where, column, can_repeat=True)
    return rows, True


def _scalar(where: str, value: Any) -> Value:
    if not isinstance(value, bool | int | float | str) or (isinstance(value, float) and not isfinite(value)):
        raise InputError(
            f"`{where}`: {shown(value)} is not allowed as a value of an axis; use finite numbers, strings, "
            "or true and false."
        )
    return value


def _refuse_mixture(where: str, values: Sequence[Value], can_repeat: bool = False) -> None:
    """Values of an axis are of one kind, and different."""
    kinds = {type(value) if isinstance(value, bool | str) else float for value in values}
    if len(kinds) > 1:
        raise InputError(f"`{where}` mixes numbers, strings or booleans; use one kind.")
    value, times = Counter(values).most_common(1)[0]
    if times > 1 and not can_repeat:
        raise InputError(f"`{where}` has {shown(value)} more than once; remove it, or change the range.")


def _refuse_key(where: str, key: str) -> None:
    """Keys that cannot be swept."""
    for refused, reason in REFUSED.items():
        if key == refused or key.startswith(f"{refused}."):
            raise InputError(f"`{where}`: `{key}` cannot be swept, since {reason}.")
    match steps_of(key):
        case (
            ["medium", "frequencies" | "modulation" | "force"]
            | ["reservoir", _]
            | ["drive" | "medium" | "solver"]
        ):
            raise InputError(f"`{where}`: `{key}` is a table; sweep one of the values in it.")
        case ["reservoir", _, "name"]:
            raise InputError(f"`{where}`: `{key}` cannot be swept, since it names a coordinate; remove it.")
        case ["medium" | "drive" | "reservoir" | "solver", *_]:
            return
    raise InputError(
        f"`{where}`: `{key}` is not a known key; begin with `medium`, `drive`, `reservoir` or `solver`."
    )


def refuse_clashes(axes: Sequence[Axis]) -> None:
    """Each key once, and every name once, in whatever case."""
    keys = [key for axis in axes for key in axis.keys]
    for key in keys:
        if keys.count(key) > 1:
            raise InputError(f"`sweep` sets `{key}` twice; remove it from one of the axes.")
    taken: dict[str, str] = {}
    for axis in axes:
        names = [axis.dim, *(dim_of(key) for key in axis.keys if axis.is_zipped)]
        for name in names:
            place = taken.get(name.casefold())
            if name.casefold() in RESERVED:
                place = "a dim or variable of every dataset"
            if place:
                raise InputError(
                    f"`sweep.{axis.entry}`: its name `{name}` is that of {place}; give it another, such as "
                    f"`my_{name} = {{ keys = {json.dumps(list(axis.keys))}, … }}`."
                )
            taken[name.casefold()] = f"`sweep.{axis.entry}`"


# ------------------------------------------------------------------------------------------------- names


def dim_of(key: str) -> str:
    """Name of the dim for a dotted key: `reservoir.static.spectral_density.gamma` is `static_gamma`."""
    match steps_of(key):
        case ["medium", "frequencies", name]:
            steps = ["frequency", name]
        case ["medium" | "solver", *rest]:
            steps = rest
        case ["reservoir", name, "coupling", oscillator]:
            steps = [name, "coupling", oscillator]
        case ["reservoir", name, "coupling" | "spectral_density", *rest]:
            steps = [name, *rest]
        case ["reservoir", *rest]:
            steps = rest
        case steps:
            pass
    return re.sub(r"\W", "_", "_".join(steps))


def long_name(key: str) -> str:
    """What a dotted key is, in words."""
    match steps_of(key):
        case ["medium", "frequencies", name]:
            return f"frequency of oscillator {name}"
        case ["reservoir", name, "coupling", oscillator, *rest]:
            what = " ".join(["coupling", *rest]).replace("_", " ")
            return f"{what} of oscillator {oscillator} to reservoir {name}"
        case ["reservoir", name, *_, last]:
            return f"{last.replace('_', ' ')} of reservoir {name}"
    return dim_of(key).replace("_", " ")


def _coordinate(dim: str, key: str, values: Sequence[Value], name: str, keys: str) -> xr.Variable:
    """Coordinate of one key; numbers are floats, but for settings of the solver."""
    array = np.array(values)
    if array.dtype.kind == "i" and not key.startswith("solver."):
        array = array.astype(float)
    if array.dtype.kind == "U":
        array = array.astype(object)
    steps = steps_of(key)
    last = "frequency" if steps[:2] == ("medium", "frequencies") else steps[-1]
    units = UNITS.get(last, "1") if array.dtype.kind == "f" else "1"
    return xr.Variable(dim, array, {"units": units, "long_name": name, "keys": keys})


def canonical(key: str, data: dict[str, Any]) -> str:
    """The dotted key with reservoirs by name."""
    steps = list(steps_of(key))
    reservoirs = data.get("reservoir")
    if len(steps) > 1 and steps[0] == "reservoir" and isinstance(reservoirs, list) and steps[1].isdecimal():
        names = [label(reservoirs, index) for index in range(len(reservoirs))]
        if steps[1] not in names and int(steps[1]) < len(names):
            steps[1] = names[int(steps[1])]
    return dotted(steps)


def dotted(steps: Sequence[str]) -> str:
    """Dotted key, parts quoted where TOML wants it."""
    return ".".join(
        step if re.fullmatch(r"[A-Za-z0-9_-]+", step) else json.dumps(step, ensure_ascii=False)
        for step in steps
    )
