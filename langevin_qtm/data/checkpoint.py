"""States of runs on disk: tables of arrays, whole or refused.

A line that tells what the file is, a line with the SHA-256 of the rest, then numpy's npz without pickle.
Nothing of a file is looked at before its hash is right.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from langevin_qtm.data.files import temporary_path
from langevin_qtm.errors import InputError

MAGIC = b"langevin_qtm checkpoint 1\n"
DIGITS = 64  # of a SHA-256
IDENTITY = "identity"


def write_checkpoint(path: Path, state: Mapping[str, np.ndarray], identity: Mapping[str, object]) -> None:
    """Write a state and whose it is; an older file of that name stays whole until the new one is.

    Raises
    ------
    OSError
        When writing fails. Nothing is left behind.
    """
    room = io.BytesIO()
    text = np.frombuffer(json.dumps(identity).encode(), np.uint8)
    np.savez(room, **{IDENTITY: text}, **state)  # type: ignore[arg-type]
    content = room.getbuffer()
    temporary = temporary_path(path)
    try:
        with temporary.open("wb") as file:
            file.write(MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n")
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """A state and whose it is.

    Raises
    ------
    InputError
        When the file cannot be read, is not a checkpoint, or is damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"Checkpoint `{path}` cannot be read: {error.strerror}.") from None
    if not content.startswith(MAGIC):
        raise InputError(f"`{path}` is not a checkpoint of this version; move it away to start over.")
    start = len(MAGIC) + DIGITS + 1
    if content[len(MAGIC) : start] != hashlib.sha256(content[start:]).hexdigest().encode() + b"\n":
        raise InputError(f"Checkpoint `{path}` is damaged or cut short; remove it to start over.")
    try:
        with np.load(io.BytesIO(content[start:]), allow_pickle=False) as file:
            state = {name: file[name] for name in file.files}
        return state, json.loads(state.pop(IDENTITY).tobytes())
    except (ValueError, KeyError, zipfile.BadZipFile):  # made so by somebody
        raise InputError(f"Checkpoint `{path}` is damaged; remove it to start over.") from None
