"""Periodic steady states, each solved once for all tests."""

from __future__ import annotations

from functools import lru_cache

from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.physics.machine import Machine

AVERAGES = (
    "local_power",
    "heat_current",
    "position_covariance",
    "fluctuation_cnumber",
    "fluctuation_quantum",
    "power_fluctuation_cnumber",
    "power_fluctuation_quantum",
)


@lru_cache(maxsize=256)
def _solve(machine_json, tolerance):
    return periodic_steady_state(Machine.model_validate_json(machine_json), tolerance)


def steady(machine, tolerance=1e-8):
    """`periodic_steady_state`, remembered; not to be written to."""
    return _solve(machine.model_dump_json(), tolerance)
