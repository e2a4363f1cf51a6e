"""Runs of the main job in a process that has done nothing else: `python -m benchmarks.fresh STEPS ...`.

Prints JSON: seconds of the processor of the import and of the first and second call of `simulate` with the
first number of trajectory-steps, and the peak memory in MB during a run of each number. On Linux the record
of the peak is cleared before each, or else the compiler's would hide them.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path


def main(steps: list[int]) -> None:
    """Run, and print."""
    began = time.process_time()
    from benchmarks.main_job import main_run
    from benchmarks.timed import timed_simulate

    imported = time.process_time() - began
    run = main_run()

    def simulated(number: int) -> float:
        started = time.process_time()
        timed_simulate(run.machine, run.solver, periods=-(-number // (run.solver.trajectories * 64)))
        return time.process_time() - started

    first, second = simulated(steps[0]), simulated(steps[0])
    peaks = []
    for number in steps:
        _clear_peak()
        simulated(number)
        peaks.append(_peak())
    print(json.dumps({"import": imported, "first": first, "second": second, "peaks": peaks}))


def _clear_peak() -> None:
    """Let the peak start again from what is in use now, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak() -> float:
    """Peak memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]])
