"""Scaling of the measurement with threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

from benchmarks.main_job import group
from benchmarks.rounds import Line, fastest
from langevin_qtm.sampling.group import Group


def measure(rounds: int = 9, periods: int = 40, groups: int = 4) -> list[Line]:
    """Lines of the table.

    Parameters
    ----------
    rounds : int
    periods : int
        Drive periods in one call.
    groups : int
        Groups of 64 trajectories, shared among the threads.
    """
    members = [group(index) for index in range(groups)]
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(2) as two:
        seconds = fastest(
            {
                "one": lambda: list(one.map(Group.advance, members, repeat(periods))),
                "two": lambda: list(two.map(Group.advance, members, repeat(periods))),
            },
            rounds,
        )
    return [Line("threads", "speed of 2 threads / 1", seconds["one"] / seconds["two"], "", "<= 2")]
