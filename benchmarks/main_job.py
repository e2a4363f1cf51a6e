"""The job that is measured: the run file of the headline result."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from langevin_qtm.data.runfile import Run, load_run
from langevin_qtm.sampling.group import Group, Plan, new_group
from langevin_qtm.sampling.preparation import prepare
from langevin_qtm.sampling.start import start_covariance

RUN_FILE = Path(__file__).resolve().parents[1] / "runs" / "work_converter.toml"


@cache
def main_run() -> Run:
    """Machine and settings."""
    return load_run(RUN_FILE)


@cache
def main_plan() -> Plan:
    """Plan of the time steps."""
    return prepare(main_run().machine, main_run().solver).plan


def group(index: int = 0) -> Group:
    """64 trajectories in the periodic steady state that store nothing."""
    plan = main_plan()
    covariance = start_covariance(plan.law, "steady", None)
    return new_group(plan, main_run().solver.seed, index, covariance)
