"""Timing in turns, and one line of the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One number.

    Attributes
    ----------
    group, name : str
        Measurement, and what the number is.
    value : float
    unit : str
        Empty for ratios.
    bound : str
        What the number cannot pass, or how to read it.
    """

    group: str
    name: str
    value: float
    unit: str = ""
    bound: str = ""


def fastest(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of the fastest of several rounds of each call, taken in turns; one round before is not counted.

    Parameters
    ----------
    calls : mapping
        Functions without arguments, by name.
    rounds : int
    """
    best = dict.fromkeys(calls, float("inf"))
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - began)
    return best
