"""Sweeps of second order: microseconds a point, so all points at once, and no files."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from langevin_qtm.combining import with_status
from langevin_qtm.data.sweep import Sweep
from langevin_qtm.errors import FAILURES, NotConvergedError
from langevin_qtm.exact.second_order import COMMENT, KINDS, second_order_averages
from langevin_qtm.floating_point import within_range
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.machine import Machine
from langevin_qtm.progress import Progress, Report
from langevin_qtm.schema import assemble

CHUNK = 2000  # points of second order between looks at the progress


def second_order_sweep(sweep: Sweep, report: Report) -> xr.Dataset:
    """All points by the closed form, many at a time."""
    sentences = [""] * sweep.size
    total: dict[str, FloatArray] = {}
    reasons: dict[str, str] = {}
    report(Progress("second order", 0, sweep.size))
    for start in range(0, sweep.size, CHUNK):
        places = list(range(start, min(start + CHUNK, sweep.size)))
        for chosen, variables, undefined in _stacks(
            [sweep.runs[place].machine for place in places], places, sentences
        ):
            reasons |= undefined
            for name, values in variables.items():
                if name not in total:
                    total[name] = np.full((sweep.size, *values.shape[1:]), np.nan)
                total[name][chosen] = values
        report(Progress("second order", places[-1] + 1, sweep.size))
    _refuse_inaccurate(sweep, total, sentences)
    shaped = {name: values.reshape(*sweep.shape, *values.shape[1:]) for name, values in total.items()}
    reasons = {name: text for name, text in reasons.items() if not np.all(np.isfinite(total[name]))}
    attrs = {"method": "second_order", "comment": COMMENT}
    dataset = assemble(sweep.first.machine, shaped, attrs, undefined=reasons, leading=sweep.dims)
    return with_status(sweep, dataset.assign_coords(sweep.coordinates()), sentences)


def _stacks(
    machines: list[Machine], places: list[int], sentences: list[str]
) -> Iterator[tuple[list[int], dict[str, FloatArray], dict[str, str]]]:
    """Averages of all machines that have them; halves of what fails, down to the machines at fault."""
    try:
        with within_range():
            found = second_order_averages(machines)
    except FAILURES as error:
        if len(places) == 1:
            sentences[places[0]] = str(error)
            return
        half = len(places) // 2
        yield from _stacks(machines[:half], places[:half], sentences)
        yield from _stacks(machines[half:], places[half:], sentences)
    else:
        yield places, *found


def _refuse_inaccurate(sweep: Sweep, total: dict[str, FloatArray], sentences: list[str]) -> None:
    """Points whose rounding exceeds their tolerance become failures."""

    def largest(names: list[str]) -> FloatArray:
        columns = [np.abs(total[name]).reshape(sweep.size, -1) for name in names]
        return np.nan_to_num(np.concatenate(columns, axis=1)).max(axis=1)

    if not total:
        return
    tolerances = np.array([getattr(run.solver, "tolerance", np.inf) for run in sweep.runs])
    for kind in KINDS:
        error, value = largest([f"{name}_error" for name in kind]), largest(list(kind))
        for place in np.flatnonzero(error > tolerances * value):
            relative = float(error[place] / value[place]) if value[place] else np.inf
            failure = NotConvergedError(
                "Second order", relative, tolerances[place], "rounding; loosen `tolerance`"
            )
            sentences[place] = sentences[place] or str(failure)
    failed = np.array([bool(sentence) for sentence in sentences])
    for values in total.values():
        values[failed] = np.nan
