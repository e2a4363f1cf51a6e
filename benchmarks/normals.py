"""Standard normals of the simulator against those of numpy."""

from __future__ import annotations

import numpy as np

from benchmarks.rounds import Line, fastest
from langevin_qtm.sampling.normals import LANES, fill_normals, seed_lanes


def measure(rounds: int = 15, rows: int = 32, calls: int = 500) -> list[Line]:
    """Lines of the table.

    Parameters
    ----------
    rounds : int
    rows : int
        Rows of 64 normals in one call, few enough to stay in the first cache.
    calls : int
        Calls in a round.
    """
    buffer = np.empty(rows * LANES)
    generator, lanes = np.random.Generator(np.random.PCG64(1)), seed_lanes(1, 0)
    seconds = fastest(
        {
            "numpy": lambda: [generator.standard_normal(out=buffer) for _ in range(calls)],
            "own": lambda: [fill_normals(lanes, buffer) for _ in range(calls)],
        },
        rounds,
    )
    own, other = (1e9 * seconds[name] / (calls * buffer.size) for name in ("own", "numpy"))
    return [
        Line("normals", "own normal", own, "ns"),
        Line("normals", "numpy normal (PCG64)", other, "ns"),
        Line("normals", "own / numpy", own / other, "", "< 1"),
    ]
