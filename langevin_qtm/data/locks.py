"""One run at a time on one output: a lock that the kernel releases when its process dies, however it dies."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from langevin_qtm.data.files import hidden_name
from langevin_qtm.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def exclusive(output: str | Path) -> Iterator[None]:
    """Hold an output for this process, by a lock file beside it that goes when the output is let go.

    Raises
    ------
    InputError
        When another process holds it.

    Warns
    -----
    UserWarning
        When the file system knows no locks.
    """
    target = Path(output).resolve()
    path = target.with_name(f"{hidden_name(target)}.lock")
    holder = None if fcntl is None else _acquired(path, output)
    try:
        yield
    finally:
        if holder is not None:
            with suppress(OSError):  # a file that stays behind holds nobody up
                path.unlink()  # while it is held: who waits for it sees that it has gone
            os.close(holder)


def _acquired(path: Path, output: str | Path) -> int | None:
    """Descriptor of the locked file; None where there are no locks."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(
                f"Output `{output}` cannot be locked: {error.strerror}; choose another."
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 300, 0).decode(errors="replace") or "unknown"
            os.close(descriptor)
            raise InputError(
                f"Output `{output}` is being written by another run ({owner}); wait for it, or give another "
                "name."
            ) from None
        except OSError as error:
            os.close(descriptor)
            warnings.warn(
                f"no lock on `{output}` ({error.strerror}): see that no other run has it.", stacklevel=2
            )
            return None
        if _is_at(path, descriptor):
            _sign(descriptor)
            return descriptor
        os.close(descriptor)  # its holder removed it in between: once more


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    """Say who holds the lock; nothing depends on it, so a full disk does not matter."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
