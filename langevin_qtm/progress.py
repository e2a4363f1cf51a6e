"""What a long computation tells about itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """State of a running computation.

    Attributes
    ----------
    stage : str
        What is being done.
    done, total : float
        Work done, and in all (`None` while unknown), in the same arbitrary unit.
    message : str
        A short remark, such as the error reached so far.
    """

    stage: str
    done: float = 0.0
    total: float | None = None
    message: str = ""


Report = Callable[[Progress], None]
