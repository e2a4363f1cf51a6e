"""Where a dataset comes from: configuration, versions, machine, time, command."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from typing import Any

from llvmlite import binding

from langevin_qtm.compiled import source_hash
from langevin_qtm.data.runfile import Run
from langevin_qtm.data.sweep import Sweep

version = cache(metadata.version)
sources = cache(source_hash)
LIBRARIES = ("numpy", "scipy", "numba", "xarray")


@cache
def processor() -> str:
    """Type of processor as the compiler of kernels sees it: its name, and a hash of its features."""
    features = binding.get_host_cpu_features().flatten()
    return f"{binding.get_host_cpu_name()} ({hashlib.sha256(features.encode()).hexdigest()[:8]})"


def software() -> dict[str, Any]:
    """What decides the last bits of a number: versions of libraries, hash of the sources, processor."""
    libraries = {name: version(name) for name in ("langevin_qtm", *LIBRARIES)}
    return {"libraries": libraries, "sources": sources(), "processor": processor()}


def software_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Name and both values of what differs first between two results of `software`, if anything does."""
    pairs = [(name, one["libraries"].get(name), own) for name, own in other["libraries"].items()]
    pairs += [(name, one[name], other[name]) for name in ("sources", "processor")]
    return next(((name, a, b) for name, a, b in pairs if a != b), None)


def provenance(run: Run | Sweep, command: Sequence[str], wall_seconds: float) -> dict[str, str | float]:
    """Global attributes that let a stranger repeat a run.

    Parameters
    ----------
    run : Run or Sweep
    command : sequence of str
        Command line, program first.
    wall_seconds : float
        Time that the solver took.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    own = version("langevin_qtm")
    attrs: dict[str, str | float] = {
        "title": run.title,
        "source": f"langevin_qtm {own}",
        "history": f"{now}: {shlex.join(command)}",
        "created": now,
        "wall_seconds": wall_seconds,
        "cpu_name": binding.get_host_cpu_name(),
        "langevin_qtm_version": own,
        **{f"{name}_version": version(name) for name in LIBRARIES},
        "config_json": run.config_json,
        "config_sha256": run.config_sha256,
    }
    seed = getattr(run.solver, "seed", None)
    return attrs if seed is None else {**attrs, "seed": str(seed)}
