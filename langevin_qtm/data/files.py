"""Datasets on disk. The only module that touches netCDF: one lock, since the library is not thread-safe.

Files appear complete or not at all: they are written under a temporary name in the same directory, then
renamed. Statistics are stored in double precision, sample trajectories in single precision and compressed.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from langevin_qtm.data.contents import check_contents
from langevin_qtm.errors import InputError
from langevin_qtm.physics.machine import Machine
from langevin_qtm.schema import SCHEMA_VERSION, TRAJECTORIES

CHUNK_VALUES = 2**18  # 1 MiB of single-precision numbers
NETCDF4 = {"engine": "netcdf4", "format": "NETCDF4"}
CLASSIC = {"engine": "scipy", "format": "NETCDF3_64BIT"}
_LOCK = threading.Lock()
# What the libraries raise on files that are damaged or not netCDF.
UNREADABLE = (OSError, RuntimeError, ValueError, AttributeError, LookupError, TypeError, MemoryError)


def save(dataset: xr.Dataset, path: str | Path, *, is_classic: bool = False) -> None:
    """Write a dataset as netCDF4; an older file of that name stays whole until the new one is.

    The classic format is written several times faster, and holds neither trajectories nor long integers.

    Attributes that netCDF cannot hold are adapted: None is left out, booleans become 0 or 1, mappings
    JSON, and integers beyond 64 bits decimal strings.

    Raises
    ------
    InputError
        When the path cannot be written, see `check_writable`.
    OSError
        When writing fails, as on a full disk. Nothing is left behind.
    """
    check_writable(path)
    kind: Any = CLASSIC if is_classic else NETCDF4
    target = Path(path).resolve()
    temporary = temporary_path(target)
    try:
        with _LOCK:
            _storable(dataset).to_netcdf(temporary, encoding=_encoding(dataset), **kind)
        temporary.replace(target)
    except (OSError, RuntimeError) as error:
        raise OSError(f"`{path}` could not be written: {error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Refuse early an output path that could not be written after a long run.

    Raises
    ------
    InputError
        When the directory is missing or read-only, or the path is a directory, a device or a read-only file.
    """
    try:
        target = Path(path).resolve()
        folder = target.parent
        if not folder.is_dir():
            raise InputError(f"Output `{path}`: `{folder}` is not a directory; create it.")
        if target.is_dir():
            raise InputError(f"Output `{path}` is a directory; give the name of a file.")
        if target.exists() and not target.is_file():
            raise InputError(f"Output `{path}` is not a regular file; give another name.")
    except (OSError, RuntimeError) as error:  # name too long, loop of links
        raise InputError(f"Output `{path}` cannot be written: {error}.") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"Output `{path}`: directory `{folder}` is read-only; choose another.")
    if target.exists() and not os.access(target, os.W_OK):
        raise InputError(f"Output `{path}` is a read-only file; give another name.")


def check_folder(path: str | Path) -> None:
    """Make the folder if it is missing.

    Raises
    ------
    InputError
        When it cannot be made or written to, or is a file.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"Folder `{path}` is a file; remove it, or give another output.")
    if not folder.exists():
        check_writable(path)
        folder.mkdir()
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"Folder `{path}` is read-only; choose another output.")


def save_text(text: str, path: str | Path) -> None:
    """Write a text; an older file of that name stays whole until the new one is.

    Raises
    ------
    OSError
        When writing fails. Nothing is left behind.
    """
    target = Path(path)
    temporary = temporary_path(target)
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        raise OSError(f"`{path}` could not be written: {error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def hidden_name(path: Path) -> str:
    """Beginning of the names of hidden files that belong to a file, short enough for any file system."""
    return f".langevin_qtm-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}"


def temporary_path(path: Path) -> Path:
    """A new name beside a file, to be renamed to it when it is complete."""
    return path.with_name(f"{hidden_name(path)}-{secrets.token_hex(8)}.tmp")


def remove_leftovers(path: Path) -> None:
    """Remove what killed processes left of writing a file; only for who alone writes it."""
    for leftover in path.parent.glob(f"{hidden_name(path)}-*.tmp"):
        leftover.unlink(missing_ok=True)


def remove_all_leftovers(folder: Path) -> None:
    """The same for all files of a folder that belongs to one sweep, marks included."""
    for leftover in folder.glob(".langevin_qtm-*"):
        leftover.unlink(missing_ok=True)


def new_mark(folder: Path) -> Path:
    """Make an empty file by which others know that they see the same folder."""
    mark = folder / f".langevin_qtm-{secrets.token_hex(8)}.mark"
    mark.touch()
    return mark


def open_dataset(path: str | Path) -> xr.Dataset:
    """Read a dataset of this package into memory; the file is closed again.

    Raises
    ------
    InputError
        When the file is missing, damaged, not one of this package, or of a later schema; when variables or
        attributes are not those of the schema.
    """
    if not Path(path).is_file():
        raise InputError(f"Dataset `{path}` does not exist or is not a file; check the path.")
    try:
        with _LOCK, xr.open_dataset(Path(path).resolve(), engine="netcdf4", decode_timedelta=False) as file:
            dataset = file.load()
    except PermissionError as error:
        raise InputError(f"Dataset `{path}` cannot be read: {error.strerror}.") from None
    except UNREADABLE:
        raise InputError(
            f"`{path}` is not a readable netCDF file, or is cut short; write it again."
        ) from None
    version = dataset.attrs.get("schema_version")
    if not isinstance(version, int | np.integer):
        raise InputError(f"`{path}` was not written by langevin_qtm: it has no `schema_version`.")
    if version > SCHEMA_VERSION:
        raise InputError(
            f"`{path}` has schema version {version}, but this version of langevin_qtm reads up to "
            f"{SCHEMA_VERSION}; upgrade it."
        )
    check_contents(dataset, path)
    return dataset


def stored_machine(dataset: xr.Dataset) -> Machine:
    """The machine that a dataset belongs to, from its attribute `machine`.

    Raises
    ------
    InputError
        When the attribute is missing or does not describe a machine.
    """
    text = dataset.attrs.get("machine")
    if not isinstance(text, str):
        raise InputError("The dataset has no attribute `machine`; write it again.")
    try:
        return Machine(**json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"The dataset's attribute `machine` does not describe a machine: {error}") from None


def _encoding(dataset: xr.Dataset) -> dict[str, dict[str, Any]]:
    """How each variable is stored: coordinates without fill value, trajectories small and in chunks."""
    encoding: dict[str, dict[str, Any]] = {str(name): {"_FillValue": None} for name in dataset.coords}
    for name in TRAJECTORIES.keys() & dataset.data_vars.keys():
        encoding[name] = {"dtype": "float32", "zlib": True, "complevel": 1, "shuffle": True}
        if dataset[name].size:
            encoding[name]["chunksizes"] = _chunks(dataset[name])
    return encoding


def _chunks(variable: xr.DataArray) -> tuple[int, ...]:
    """Chunks of one trajectory each, long in time."""
    row = variable.sizes[variable.dims[-1]]
    length = min(variable.sizes["time"], max(1, CHUNK_VALUES // row))
    sizes = {"time": length, variable.dims[-1]: row}
    return tuple(sizes.get(dim, 1) for dim in variable.dims)


def _storable(dataset: xr.Dataset) -> xr.Dataset:
    """Shallow copy whose attributes netCDF can hold, free of the encoding of a file it came from."""
    copy = dataset.drop_encoding()
    copy.attrs = _attributes(dataset.attrs)
    for name in copy.variables:
        copy.variables[name].attrs = _attributes(dataset.variables[name].attrs)
    return copy


def _attributes(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): _attribute(value) for name, value in attrs.items() if value is not None}


def _attribute(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, Mapping):
        return json.dumps(value)
    if isinstance(value, int) and abs(value) >= 2**63:
        return str(value)
    return value
