"""How the cost grows: threads, trajectories, oscillators, memory, and what a fresh process pays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np

from benchmarks.main_job import group, main_plan
from benchmarks.rounds import Line, fastest
from benchmarks.timed import timed_simulate
from langevin_qtm import Drive, DrudeLorentz, Machine, Ohmic, Reservoir
from langevin_qtm.sampling.group import Group
from langevin_qtm.sampling.normals import LANES

FREQUENCIES = (1.0, 0.6, 0.8, 0.7)
FRESH_STEPS = (10**5, 10**8)


def measure() -> list[Line]:
    """Lines of the table."""
    return [*threads(), *trajectories(), *oscillators(), *fresh_process()]


def threads(rounds: int = 9, periods: int = 300, groups: int = 4) -> list[Line]:
    """Two threads against one.

    Parameters
    ----------
    rounds : int
    periods : int
        Drive periods in one call.
    groups : int
        Groups of 64 trajectories, shared among the threads.
    """
    members, steps = [group(index) for index in range(groups)], main_plan().kernel_steps
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(2) as two:
        seconds = fastest(
            {
                "one": lambda: list(one.map(Group.advance, members, repeat(steps), repeat(periods))),
                "two": lambda: list(two.map(Group.advance, members, repeat(steps), repeat(periods))),
            },
            rounds,
        )
    return [Line("scaling", "speed of 2 threads / 1", seconds["one"] / seconds["two"], "", "<= 2")]


def trajectories(rounds: int = 5, periods: int = 100, groups: int = 8) -> list[Line]:
    """Cost of a trajectory among many against one among 64, on one thread, parameters as in `threads`."""
    members, steps = [group(index) for index in range(groups)], main_plan().kernel_steps
    seconds = fastest(
        {
            "few": lambda: members[0].advance(steps, periods),
            "many": lambda: [member.advance(steps, periods) for member in members],
        },
        rounds,
    )
    name = f"cost of a trajectory, {groups * LANES} / {LANES}"
    return [Line("scaling", name, seconds["many"] / groups / seconds["few"], "", "1: linear")]


def oscillators(most: int = 4, rounds: int = 2, steps: int = 30_000_000) -> list[Line]:
    """Cost of a trajectory-step by number of oscillators, which share a driven and a static reservoir.

    Parameters
    ----------
    most : int
    rounds : int
    steps : int
        Trajectory-steps of a run.
    """
    costs = []
    for number in range(1, most + 1):
        machine = shared_machine(number)
        periods = -(-steps // (256 * 64))
        runs = [timed_simulate(machine, start="steady", periods=periods, seed=1) for _ in range(rounds)]
        costs.append(min(run.cost for run in runs))
    lines = [("step with 1 oscillator", 1e9 * costs[0], "ns", "Drude and Ohmic reservoir")]
    for number, cost in enumerate(costs[1:], start=2):
        bound = f"{number}: linear" if number == most else ""
        lines.append((f"step with {number} oscillators / with 1", cost / costs[0], "", bound))
    return [Line("scaling", *line) for line in lines]


def shared_machine(number: int) -> Machine:
    """So many oscillators in joint wiring, the couplings to the driven reservoir in even phases."""
    names = "ABCD"[:number]
    coupling = {name: Drive.cosine(phase=2 * np.pi * i / number) for i, name in enumerate(names)}
    driven, static = DrudeLorentz(gamma=0.01, cutoff=12.0), Ohmic(gamma=1.0)
    return Machine(
        frequencies=dict(zip(names, FREQUENCIES, strict=False)),
        drive_frequency=0.3,
        reservoirs=[
            Reservoir(name="driven", temperature=0.1, spectral_density=driven, coupling=coupling),
            Reservoir(name="static", temperature=0.1, spectral_density=static),
        ],
    )


def fresh_process(steps: tuple[int, int] = FRESH_STEPS) -> list[Line]:
    """What a new process pays once, without and with compiled code kept on disk, and its peak memory.

    Parameters
    ----------
    steps : (int, int)
        Trajectory-steps of a short and of a long run.
    """
    with tempfile.TemporaryDirectory() as cache:
        cold = _in_process(cache, steps[:1])
        warm = _in_process(cache, steps)
    few, many = warm["peaks"]
    lines = [
        ("first simulate - second, empty cache", cold["first"] - cold["second"], "s", "compilation"),
        ("the same, a process later", max(0.0, warm["first"] - warm["second"]), "s", "0 if all is on disk"),
        ("import of simulate", warm["import"], "s", "of the processor, as the two above"),
        (f"peak memory, {steps[0]:.0e} trajectory-steps", few, "MB"),
        (f"peak memory, {steps[1]:.0e} / {steps[0]:.0e}", many / few, "", "1: flat"),
    ]
    return [Line("scaling", *line) for line in lines]


def _in_process(cache: str, steps: tuple[int, ...]) -> dict:
    """Numbers of `benchmarks.fresh` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.fresh", *map(str, steps)]
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    folder = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
