"""Time of one point of the exact solvers."""

from __future__ import annotations

from benchmarks.main_job import main_run
from benchmarks.rounds import Line, fastest
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.exact.second_order import second_order


def measure(rounds: int = 3) -> list[Line]:
    """Lines of the table."""
    machine = main_run().machine
    seconds = fastest(
        {
            "second": lambda: second_order(machine),
            "steady": lambda: periodic_steady_state(machine),
        },
        rounds,
    )
    return [
        Line("exact routes", "second_order", 1e3 * seconds["second"], "ms"),
        Line("exact routes", "periodic_steady_state", 1e3 * seconds["steady"], "ms"),
        Line("exact routes", "periodic_steady_state / second_order", seconds["steady"] / seconds["second"]),
    ]
