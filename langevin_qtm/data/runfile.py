"""Run files: TOML in, a validated `Run` out. Every complaint is one sentence in the file's own keys.

The order of the oscillators in `medium.frequencies` is the order of the dim `oscillator`, so it is part of
the resolved configuration and of its hash; the order of every other key is not.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from langevin_qtm.data.files import open_dataset
from langevin_qtm.errors import InputError, shown, shown_key
from langevin_qtm.physics._model import Finite, Model, Positive
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.envelope import Chirp
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import Reservoir
from langevin_qtm.physics.start import Continued, Equilibrated, Start, first_time
from langevin_qtm.sampling.settings import Count, SimulateSettings

Tolerance = Annotated[Positive, Field(lt=1)]


class PeriodicSteadyStateSettings(Model):
    """Settings of `periodic_steady_state`: accuracy, and points over the period."""

    method: Literal["periodic_steady_state"] = "periodic_steady_state"
    tolerance: Tolerance = 1e-9
    phases: Count = 64


class SecondOrderSettings(Model):
    """Settings of `second_order`: the largest stated error that is allowed.

    The integrals are in closed form, so that `tolerance` stands against nothing but rounding.
    """

    method: Literal["second_order"] = "second_order"
    tolerance: Tolerance = 1e-6


class TransientSettings(Model):
    """Settings of `transient`: from where, and at which times.

    Parameters
    ----------
    start : table or name
        See `langevin_qtm.physics.start`.
    start_time : float
    duration : float, optional
        From the start to the last of `points` equidistant times, the start being the first.
    points : int
    times : list of float, optional
        Instead of the two.
    """

    method: Literal["transient"] = "transient"
    start: Start = Equilibrated()
    start_time: Finite | None = None
    duration: Positive | None = None
    points: Annotated[int, Field(strict=True, ge=2)] = 201
    times: tuple[Finite, ...] | None = None

    @model_validator(mode="after")
    def _has_times(self) -> TransientSettings:
        if (self.duration is None) == (self.times is None):
            raise InputError("`duration` or `times` must be given, and not both; choose one of them.")
        return self

    def resolved_times(self) -> FloatArray:
        """All times."""
        if self.times is not None:
            return np.array(self.times)
        return first_time(self.start, self.start_time) + np.linspace(0.0, self.duration or 0.0, self.points)


SETTINGS: dict[str, type[Model]] = {
    "simulate": SimulateSettings,
    "transient": TransientSettings,
    "periodic_steady_state": PeriodicSteadyStateSettings,
    "second_order": SecondOrderSettings,
}
Settings = Annotated[
    SimulateSettings | TransientSettings | PeriodicSteadyStateSettings | SecondOrderSettings,
    Field(discriminator="method"),
]


class Medium(Model):
    """Table `[medium]`."""

    frequencies: Mapping[str, Positive] = Field(min_length=1)
    wiring: Literal["joint", "independent"] = "joint"
    modulation: Mapping[str, Drive] | None = None
    force: Mapping[str, Drive] | None = None


class DriveTable(Model):
    """Table `[drive]`."""

    frequency: Positive
    chirp: Chirp | None = None


class RunFile(Model):
    """A run file, key by key."""

    title: str = ""
    medium: Medium
    drive: DriveTable | None = None
    reservoir: tuple[Reservoir, ...] = Field(min_length=1)
    solver: Settings


class Run(Model):
    """What a run file asks for.

    Parameters
    ----------
    title : str
    machine : Machine
    solver : SimulateSettings, TransientSettings, PeriodicSteadyStateSettings or SecondOrderSettings
    """

    title: str = ""
    machine: Machine
    solver: Settings

    @property
    def config_json(self) -> str:
        """The resolved run file as canonical JSON: every default filled in, couplings as harmonics."""
        machine = self.machine.model_dump(mode="json", exclude_none=True)
        names = list(machine["frequencies"])
        for table in machine["reservoirs"]:
            _sort_by_oscillator(table, "coupling", names)
        medium = {key: machine[key] for key in Medium.model_fields if key in machine}
        for key in ("modulation", "force"):
            _sort_by_oscillator(medium, key, names)
        drive = {"frequency": machine.get("drive_frequency"), "chirp": machine.get("chirp")}
        config = {
            "title": self.title,
            "medium": medium,
            "drive": {key: value for key, value in drive.items() if value is not None},
            "reservoir": machine["reservoirs"],
            "solver": self.solver.model_dump(mode="json", exclude_none=True),
        }
        if not config["drive"]:
            del config["drive"]
        return json.dumps(config, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @property
    def config_sha256(self) -> str:
        """SHA-256 of `config_json`, 64 hexadecimal digits."""
        return hashlib.sha256(self.config_json.encode()).hexdigest()


def _sort_by_oscillator(table: dict[str, Any], key: str, names: Sequence[str]) -> None:
    """Bring the oscillators of one entry, if there is one, into their order in the medium."""
    if key in table:
        table[key] = {name: table[key][name] for name in names if name in table[key]}


def load_run(path: str | Path, overrides: Mapping[str, object] | None = None) -> Run:
    """Machine and solver settings of a run file.

    Parameters
    ----------
    path : str or Path
        TOML file.
    overrides : mapping of dotted key to value, optional
        Applied to the file before it is checked. Reservoirs go by name or by index:
        `reservoir.driven.temperature`. A new `solver.method` drops the keys of the file's own method.

    Raises
    ------
    InputError
        When the file cannot be read, or does not describe a run: key, value and remedy in one sentence.
    """
    try:
        return build(overridden(read_tables(Path(path)), overrides or {}))
    except RecursionError:
        raise InputError(f"Run file `{path}` is nested too deeply; flatten its tables.") from None


def parse_override(text: str) -> tuple[str, object]:
    """Split `key=value`; the value is TOML, or else a plain string.

    Raises
    ------
    InputError
        When there is no key or no `=`.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(
            f"`--set {text}` is not an assignment; write key=value, such as drive.frequency=0.5."
        )
    try:
        parsed = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        parsed = {}
    return key.strip(), parsed["value"] if set(parsed) == {"value"} else value.strip()


def read_tables(path: Path) -> dict[str, Any]:
    """Tables of a TOML file."""
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"Run file `{path}` does not exist; check the path.") from None
    except OSError as error:
        raise InputError(f"Run file `{path}` cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError(f"Run file `{path}` is not UTF-8 text; give a TOML file.") from None
    except ValueError as error:
        raise InputError(f"Run file `{path}` is not valid TOML: {error}; correct it.") from None
    if not data:
        raise InputError(f"Run file `{path}` is empty; it needs `[medium]`, `[[reservoir]]` and `[solver]`.")
    return data


def build(data: dict[str, Any]) -> Run:
    """Run from the tables of a file, overrides included."""
    _refuse_elsewhere(data)
    try:
        _refuse_huge_integers(data, "")
        file = RunFile(**data)
    except InputError as error:
        raise InputError(_with_reservoir_name(str(error), data.get("reservoir"))) from None
    machine = Machine(
        frequencies=file.medium.frequencies,
        reservoirs=file.reservoir,
        drive_frequency=file.drive.frequency if file.drive else None,
        wiring=file.medium.wiring,
        chirp=file.drive.chirp if file.drive else None,
        modulation=file.medium.modulation,
        force=file.medium.force,
    )
    return Run(title=file.title, machine=machine, solver=_with_earlier_run(file.solver))


def _with_earlier_run(settings: Settings) -> Settings:
    """Settings whose continued start, if that is what it is, carries the dataset of the file it names."""
    start = getattr(settings, "start", None)
    if not isinstance(start, Continued) or start.file is None:
        return settings
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    return type(settings)(**given | {"start": Continued(file=start.file, dataset=open_dataset(start.file))})


def label(reservoirs: Sequence[Any], index: int) -> str:
    """Name of a reservoir if it has one, else its index."""
    table = reservoirs[index]
    name = table.get("name") if isinstance(table, dict) else None
    return name if isinstance(name, str) and name else str(index)


def _with_reservoir_name(sentence: str, reservoirs: Any) -> str:
    """The sentence with a leading `reservoir.0…` turned into `reservoir.<name>…`."""
    found = re.match(r"`reservoir\.(\d+)", sentence)
    if not found:
        return sentence
    return f"`reservoir.{shown_key(label(reservoirs, int(found[1])))}{sentence[found.end() :]}"


def _refuse_huge_integers(value: Any, key: str) -> None:
    """TOML integers have 64 bits; larger ones overflow floats and cannot be stored."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for step, item in items:
            _refuse_huge_integers(item, f"{key}.{step}" if key else str(step))
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InputError(f"`{key}` is an integer of more than 64 bits; make it smaller.")


def _refuse_elsewhere(data: dict[str, Any]) -> None:
    """Name what belongs elsewhere, or to later versions."""
    if "sweep" in data:
        raise InputError("`sweep` makes many runs of a file; read it by `load_sweep`, or remove it.")
    reservoirs = data.get("reservoir")
    reservoirs = reservoirs if isinstance(reservoirs, list) else []
    for index, table in enumerate(reservoirs):
        key = f"reservoir.{label(reservoirs, index)}"
        if table_or_empty(table_or_empty(table).get("spectral_density")).get("kind") == "table":
            raise InputError(
                f"`{key}.spectral_density.kind` = 'table' is not supported by this version; "
                "use one of 'ohmic', 'drude', 'lorentzian'."
            )


def table_or_empty(value: Any) -> dict[str, Any]:
    """The value if it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}


def overridden(data: dict[str, Any], overrides: Mapping[str, object]) -> dict[str, Any]:
    """The tables with values replaced, the method of the solver first."""
    method = overrides.get("solver.method")
    solver = data.get("solver")
    if isinstance(solver, dict) and isinstance(method, str):
        stale = stale_settings(solver, {"method": method})
        data = data | {"solver": {key: value for key, value in solver.items() if key not in stale}}
    for key, value in overrides.items():
        assign(data, key, deepcopy(value))
    return data


def stale_settings(before: Any, after: Any) -> set[str]:
    """Settings of one table `[solver]` that the method of another does not know."""
    old, new = (SETTINGS.get(str(table_or_empty(each).get("method", ""))) for each in (before, after))
    return set() if old is None or new is None else set(old.model_fields) - set(new.model_fields)


def assign(data: dict[str, Any], key: str, value: object) -> None:
    """Replace one value by its dotted key, making tables on the way."""
    *parents, last = steps_of(key)
    node: Any = data
    for depth, step in enumerate(parents):
        position = _position(node, step, key, parents[:depth])
        node = node.setdefault(position, {}) if isinstance(node, dict) else node[position]
    node[_position(node, last, key, parents)] = value


@cache
def steps_of(key: str) -> tuple[str, ...]:
    """Parts of a dotted key; quoted parts may contain dots."""
    try:
        node: Any = tomllib.loads(f"{key} = 0")
    except ValueError:
        return tuple(key.split("."))
    steps = []
    while isinstance(node, dict) and len(node) == 1:
        step, node = next(iter(node.items()))
        steps.append(step)
    return tuple(steps if node == 0 else key.split("."))


def _position(node: Any, step: str, key: str, parents: Sequence[str]) -> str | int:
    """Key of a table, or index of a list whose items go by name or by index."""
    if isinstance(node, dict):
        return step
    where = ".".join(parents)
    if not isinstance(node, list):
        raise InputError(
            f"`{key}` cannot be set: `{where}` = {shown(node)} is not a table; set `{where}` as a whole."
        )
    names = [label(node, index) for index in range(len(node))]
    if step in names:
        return names.index(step)
    if step.isdecimal() and int(step) < len(node):
        return int(step)
    raise InputError(f"`{key}` cannot be set: `{where}` has no item {shown(step)}; use one of {names}.")
