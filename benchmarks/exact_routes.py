"""Time of one point of the exact solvers."""

from __future__ import annotations

import numpy as np

from benchmarks.main_job import main_run
from benchmarks.rounds import Line, fastest
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.exact.second_order import second_order
from langevin_qtm.transients.transient import transient


def measure(rounds: int = 3) -> list[Line]:
    """Lines of the table."""
    machine = main_run().machine
    seconds = fastest(
        {
            "second": lambda: second_order(machine),
            "steady": lambda: periodic_steady_state(machine),
            "short": lambda: transient(machine, np.linspace(0.0, 1e3, 200)),
            "long": lambda: transient(machine, np.linspace(0.0, 1e8, 200)),
        },
        rounds,
    )
    return [
        Line("exact routes", "second_order", 1e3 * seconds["second"], "ms"),
        Line("exact routes", "periodic_steady_state", 1e3 * seconds["steady"], "ms"),
        Line("exact routes", "periodic_steady_state / second_order", seconds["steady"] / seconds["second"]),
        Line("exact routes", "transient, 200 times to 1e3", 1e3 * seconds["short"], "ms"),
        Line("exact routes", "transient to 1e8 / to 1e3", seconds["long"] / seconds["short"]),
    ]
