"""Checkpoints that are damaged, cut short or no checkpoints at all; and the lock on an output."""

import hashlib
import io
import pickle
import random
import re

import numpy as np
import pytest
from helpers.disturbed import COUNTS

from langevin_qtm.data import locks
from langevin_qtm.data.checkpoint import read_checkpoint, write_checkpoint
from langevin_qtm.data.locks import exclusive
from langevin_qtm.errors import InputError
from langevin_qtm.resuming import checkpoint_path

STATE = {
    "rng": np.arange(512, dtype=np.uint64).reshape(2, 256),
    "empty": np.zeros((2, 0)),
    "number": np.array(0.1),
    "drawn": np.random.default_rng(1).standard_normal((2, 700)),
}
IDENTITY = {"configuration": {"title": "Ω", "list": [1, 0.1]}, "sources": "ab"}


class Bomb:
    """Goes off when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


@pytest.fixture
def path(tmp_path):
    """A good checkpoint."""
    path = checkpoint_path(tmp_path / "out.nc")
    write_checkpoint(path, STATE, IDENTITY)
    return path


def test_what_is_written_is_read(path):
    state, identity = read_checkpoint(path)
    assert identity == IDENTITY
    assert state.keys() == STATE.keys()
    for name, value in STATE.items():
        assert (state[name].dtype, state[name].shape) == (value.dtype, value.shape)
        assert state[name].tobytes() == value.tobytes()
        assert state[name].flags.writeable
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def refused(path, content, message):
    path.write_bytes(content)
    COUNTS["faults injected"] += 1
    with pytest.raises(InputError, match=rf"^[^\n]*{message}[^\n]*(remove it|move it away)[^\n]*\.$"):
        read_checkpoint(path)


def test_every_cut_is_seen(path):
    whole = path.read_bytes()
    for length in [*range(120), *range(120, len(whole), 97), len(whole) - 1]:
        refused(path, whole[:length], "is damaged or cut short" if length >= 26 else "is not a checkpoint")
    refused(path, whole + b"\0", "is damaged")


def test_every_flipped_bit_is_seen(path):
    whole, rng = path.read_bytes(), random.Random(1)
    for place in [*range(120), *(rng.randrange(len(whole)) for _ in range(200))]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        refused(path, bytes(damaged), "")


def archive(**arrays):
    room = io.BytesIO()
    np.savez(room, allow_pickle=True, **arrays)
    return room.getvalue()


FOREIGN = {
    "empty": b"",
    "text": b"seed = 5\n",
    "netCDF": b"\x89HDF\r\n\x1a\n" + bytes(200),
    "pickle": pickle.dumps(Bomb()),
    "archive": archive(bomb=np.array([Bomb()], dtype=object)),
    "later version": b"langevin_qtm checkpoint 2\n" + bytes(200),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_foreign_files_are_refused(path, content):
    refused(path, content, "is not a checkpoint of this version")


def test_objects_are_never_unpickled_even_in_a_file_with_the_right_hash(path):
    content = archive(bomb=np.array([Bomb()], dtype=object))
    digest = hashlib.sha256(content).hexdigest().encode()
    path.write_bytes(b"langevin_qtm checkpoint 1\n" + digest + b"\n" + content)
    COUNTS["faults injected"] += 1
    with pytest.raises(InputError, match="is damaged"):
        read_checkpoint(path)


def test_a_folder_in_its_place_is_refused(path):
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_checkpoint(path)


def test_an_output_is_held_once(tmp_path):
    output = tmp_path / "out.nc"
    with exclusive(output):
        with pytest.raises(
            InputError, match=re.escape(f"`{output}` is being written by another run (process")
        ):
            exclusive(output).__enter__()
        with exclusive(tmp_path / "other.nc"):
            pass
    with exclusive(output):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_of_a_dead_process_holds_nobody_up(tmp_path):
    with exclusive(tmp_path / "out.nc"):
        (lock,) = tmp_path.iterdir()
        name = lock.name
    (tmp_path / name).write_text("process 1 on elsewhere")
    with exclusive(tmp_path / "out.nc"):
        assert "process 1 " not in (tmp_path / name).read_text()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_its_holder_removed_in_between_is_taken_anew(tmp_path, monkeypatch):
    """Opened while held, locked after it was let go and removed: such a lock would be nobody's but ours."""
    flock, removed = locks.fcntl.flock, []

    def late(descriptor, operation):
        if not removed:
            (path,) = tmp_path.iterdir()
            path.unlink()
            removed.append(path)
        flock(descriptor, operation)

    monkeypatch.setattr(locks.fcntl, "flock", late)
    with exclusive(tmp_path / "out.nc"):
        assert [*tmp_path.iterdir()] == removed
        with pytest.raises(InputError, match="is being written by another run"):
            exclusive(tmp_path / "out.nc").__enter__()
