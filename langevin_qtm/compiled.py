"""How kernels are compiled, and where their machine code is kept.

numba keeps machine code between runs, but looks for changes in the file of a kernel alone and misses those of
functions that it calls in other files. So every state of the package has a folder of its own, named by a hash
of all its sources, in `NUMBA_CACHE_DIR` or the cache folder of the user; the last few are kept.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba import types
from numba.extending import intrinsic
from platformdirs import user_cache_path

KEPT = 8
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
}
config: Any = numba.config  # its names are made at run time


def compiled(kernel: Callable[..., Any]) -> Any:
    """Compile a kernel that releases the interpreter lock, without checks of division.

    Nothing is reordered and nothing fused but by `fma`: a number depends on the sources alone, not on the
    processor, nor on which kernels were compiled and which came from a file. Were the compiler free to fuse,
    each copy of a kernel, and each caller has one, could end in other last bits. A literal number among the
    arguments has a kernel compiled once more, so callers write `np.int64(0)`; entries for callers in C are
    left out. Both together save a sixth of the time of compilation.
    """
    folder, before = cache_folder(), config.CACHE_DIR
    config.CACHE_DIR = str(folder or before)  # read when the function is decorated
    try:
        return numba.njit(cache=folder is not None, **OPTIONS)(kernel)
    finally:
        config.CACHE_DIR = before


@cache
def cache_folder() -> Path | None:
    """Folder for the machine code of these sources; `None` where none can be made."""
    base = Path(config.CACHE_DIR) if config.CACHE_DIR else user_cache_path("langevin_qtm", appauthor=False)
    folder = base / f"langevin_qtm-{source_hash()}"
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            _forget_oldest(base)
    except OSError:
        return None
    return folder


def source_hash() -> str:
    """Hash of all sources of the package."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _forget_oldest(base: Path) -> None:
    """Remove all but the latest folders."""
    folders = sorted(base.glob("langevin_qtm-*"), key=lambda path: path.stat().st_mtime)
    for folder in folders[:-KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


def _fused(_typing_context, _a, _b, _c):
    """a b + c with one rounding, for kernels: one instruction where the processor has it."""

    def generate(_context, builder, _signature, arguments):
        return builder.fma(*arguments)

    number = types.float64
    return number(number, number, number), generate


fma: Any = intrinsic(_fused)


@compiled
def less_product(c, a, b):
    """c - a b of complex numbers, for kernels."""
    real = fma(-a.real, b.real, fma(a.imag, b.imag, c.real))
    return complex(real, fma(-a.real, b.imag, fma(-a.imag, b.real, c.imag)))
