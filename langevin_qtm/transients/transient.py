"""`transient`: exact moments over time, for any start and any protocol. No sampling.

The machine is linear and its noise Gaussian, so second moments obey a closed linear equation once the noise
kernel is a sum of exponentials (`thermal_kernel`, relative error below 1e-8). Its solution over an interval
is an affine map (`moment_map`), computed by steps that integrate the noise exactly (`sweep`). While
the protocol lasts, the maps go on from the start; from then on, powers of the map of one period carry the
state, so that a long horizon costs the logarithm of its length.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Generator, Iterator
from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from pydantic import TypeAdapter, ValidationError
from threadpoolctl import threadpool_limits

from langevin_qtm.errors import InputError
from langevin_qtm.physics._model import sentence
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.start import Continued, Start, first_time, warn_of_sudden_memoryless
from langevin_qtm.schema import assemble, mark_band_dependence
from langevin_qtm.transients.initial import initial_moments
from langevin_qtm.transients.moment_map import MomentMap, Moments
from langevin_qtm.transients.observables import observables, undefined
from langevin_qtm.transients.sweep import RADIANS_PER_STEP, Resolution, sweep
from langevin_qtm.transients.system import MomentSystem, moment_system, stored_system

STEPS_PER_HARMONIC = 32
RATE_SAMPLES = 64
MOST_STEPS = 1_000_000  # about a quarter of an hour

Report = Callable[[int, int], None]


def transient(
    machine: Machine,
    times: ArrayLike,
    start: Start | str | xr.Dataset = "equilibrated",
    start_time: float | None = None,
    progress: Report | None = None,
) -> xr.Dataset:
    """Exact moments, powers, currents and energies over time.

    Parameters
    ----------
    machine : Machine
        May have envelopes, a chirp, frequency modulation and forces, and may be unstable.
    times : array_like
        Ascending, none before `start_time`.
    start : Factorised, Equilibrated, Steady or Continued, or one of their names, or a dataset to continue
        State at `start_time`: see `langevin_qtm.physics.start`.
    start_time : float, optional
        Time t0, by default 0, or where the earlier run ended; the drive angle is counted from t = 0.
    progress : callable, optional
        Receives the number of times done, and of all.

    Returns
    -------
    xarray.Dataset
        The schema over `time`: means and covariances, Pearson coefficient, local powers, heat currents,
        energies, and what was done since the start. Attribute `noise_fit_error` is the relative error of
        the noise kernels, `noise_band` the frequency up to which they hold.

    Raises
    ------
    InputError
        For times out of order or before the start, couplings that are not finite, and starts that do not
        exist or violate the uncertainty relation.
    UnstableMachineError
        For a steady start of a machine without steady state.
    NotConvergedError
        When a noise kernel misses its tolerance.

    Warns
    -----
    AccuracyWarning
        When a strictly Ohmic reservoir is switched on suddenly: second moments then depend on the band.

    Notes
    -----
    Heat currents are <ẏ F>: the interaction energy is counted with the reservoir. A strictly Ohmic reservoir
    makes velocity covariances grow with the logarithm of the band, and leaves its heat current, a small
    difference of large terms, an absolute error near 1e-9 γ times the band.
    """
    state = parse_start(start)
    start_time = first_time(state, start_time)
    requested = _checked_times(times, start_time)
    began = clock.perf_counter()
    with threadpool_limits(1):
        system, resolution = _prepared(machine, start_time, float(requested[-1]))
        if isinstance(state, Continued):
            state.couplings(machine, "transient")  # refuses another method or other reservoirs
            system = stored_system(machine, state.dataset)
        initial = initial_moments(system, state, start_time, resolution)
        report, moments = progress or (lambda *_: None), []
        for found in _moments(system, initial, requested, start_time, resolution):
            moments.append(found)
            report(len(moments), len(requested))
    variables = observables(system, initial, start_time, moments, requested)
    variables |= _final(system, moments[-1])
    attrs = {
        "method": "transient",
        "start": state.model_dump_json(exclude_none=True),
        "start_time": start_time,
        "noise_fit_error": max(kernel.error for kernel in system.kernels),
        "noise_band": system.kernels[0].band,
        "time_step": resolution.step,
        "wall_seconds": clock.perf_counter() - began,
    }
    dataset = assemble(machine, variables, attrs, {"time": requested}, undefined(variables), ("time",))
    mark_band_dependence(dataset, machine, warn_of_sudden_memoryless(machine, state, start_time))
    return dataset


def _final(system: MomentSystem, moments: Moments) -> dict[str, FloatArray]:
    """What a later run needs to go on from here."""
    return {
        "final_second_moment": moments.second,
        "final_correlation": moments.correlations,
        "pole_rate": np.concatenate([*(kernel.rates for kernel in system.kernels), [0.0]]),
        "pole_weight": np.concatenate([*(kernel.weights for kernel in system.kernels), [0.0]]),
        "pole_contact": system.source_of,
    }


def parse_start(start: Start | str | xr.Dataset) -> Start:
    """Start from its name, its table, or itself.

    Raises
    ------
    InputError
        When it is none of them.
    """
    try:
        return TypeAdapter(Start).validate_python(start)
    except ValidationError as error:
        raise InputError(sentence(error).replace("`input", "`start", 1)) from None


def _checked_times(times: ArrayLike, start_time: float) -> FloatArray:
    values = np.atleast_1d(np.asarray(times, dtype=float))
    if values.ndim != 1 or not len(values) or not np.all(np.isfinite(values)):
        raise InputError("`times` must be a list of finite numbers, at least one.")
    if np.any(np.diff(values) < 0):
        place = int(np.argmax(np.diff(values) < 0))
        raise InputError(
            f"`times` are not in order: {values[place]:g} is followed by {values[place + 1]:g}; sort them."
        )
    if values[0] < start_time:
        raise InputError(
            f"`times` begin at {values[0]:g}, before the start at {start_time:g}; leave them out."
        )
    return values


def _prepared(machine: Machine, start_time: float, end: float) -> tuple[MomentSystem, Resolution]:
    """System with its noise kernels, and steps that resolve every rate on the way."""
    settled = max(start_time, machine.settles)
    late = settled if np.isfinite(settled) else end
    times = np.linspace(start_time, late, RATE_SAMPLES * machine.order)
    if np.isfinite(settled):
        period = 2 * np.pi / machine.clock.frequency.after
        times = np.unique([*times, *np.linspace(late, late + period, RATE_SAMPLES * machine.order)])
    rates = Embedding(machine).rates(times)
    system = moment_system(machine, rates)
    fastest_drive = float(machine.clock.rate(times).max()) * machine.order
    step = min(RADIANS_PER_STEP / rates.max(), 2 * np.pi / fastest_drive / STEPS_PER_HARMONIC)
    _refuse_endless(machine, min(settled, end) - start_time, end - min(settled, end), step)
    return system, Resolution(step, 1 / system.kernels[0].band)


def _refuse_endless(machine: Machine, protocol: float, later: float, step: float) -> None:
    """Refuse rates so fast that the steps which resolve them would never be done."""
    steps = (protocol + min(later, 2 * np.pi / machine.clock.frequency.after)) / step
    if steps > MOST_STEPS:
        raise InputError(
            f"`transient` would take {steps:.1e} steps of {step:.1e}, which the fastest rate of the machine "
            f"asks for, but at most {MOST_STEPS:.0e} are allowed; lower couplings and rates, or shorten the "
            "protocol."
        )


def _moments(
    system: MomentSystem, moments: Moments, times: FloatArray, start_time: float, resolution: Resolution
) -> Iterator[Moments]:
    """Moments at each time: first while the protocol lasts, then by powers of the period map."""
    end = min(max(start_time, system.machine.settles), float(times[-1]))
    moments = yield from _through_protocol(system, moments, times[times < end], start_time, end, resolution)
    period = 2 * np.pi / system.machine.clock.frequency.after
    yield from _through_periods(system, moments, times[times >= end], end, period, resolution)


def _through_protocol(
    system: MomentSystem,
    moments: Moments,
    times: FloatArray,
    start_time: float,
    end: float,
    resolution: Resolution,
) -> Generator[Moments, None, Moments]:
    """Moments at times before the end, from event to event; returns those at the end."""
    events = [event for event in system.machine.events if start_time < event <= end]
    for start, stop in pairwise(sorted({start_time, *events, end})):
        inside = times[(times >= start) & (times < stop)]
        grid = np.unique([start, *inside, stop])
        maps = [_identity(system), *sweep(system, grid, True, resolution)]
        for place in np.searchsorted(grid, inside):
            yield maps[place].apply(moments)
        moments = maps[-1].apply(moments)
        if stop in events:
            moments = jump_map(system, stop).apply(moments)
    return moments


def _identity(system: MomentSystem) -> MomentMap:
    return MomentMap.identity(system.size, system.amplitudes, len(system.integrals))


def _through_periods(
    system: MomentSystem,
    moments: Moments,
    times: FloatArray,
    start: float,
    period: float,
    resolution: Resolution,
) -> Iterator[Moments]:
    """Moments at times of a machine that is periodic from `start` on, by powers of the map of one period."""
    index = np.floor((times - start) / period).astype(int)
    offset = np.maximum(times - start - index * period, 0.0)
    grid = np.unique([0.0, *offset, *([period] if index[-1] else [])])
    maps = [_identity(system), *sweep(system, start + grid, True, resolution)]
    places = np.searchsorted(grid, offset)
    done, doubled = 0, [maps[-1]]
    for count, place in zip(index, places, strict=True):
        missing, power = count - done, 0
        while missing:
            if power == len(doubled):
                doubled.append(doubled[-1].then(doubled[-1]))
            if missing % 2:
                moments = doubled[power].apply(moments)
            missing //= 2
            power += 1
        done = count
        yield maps[place].apply(moments)


def jump_map(system: MomentSystem, time: float) -> MomentMap:
    """What happens to the moments at an event: couplings and frequencies that jump do work."""
    machine, embedding = system.machine, system.embedding
    before, after = np.array([np.nextafter(time, -np.inf)]), np.array([time])
    changes, later = machine.coupling_jumps(time)
    squares = (machine.squared_frequencies(after) - machine.squared_frequencies(before))[0]
    jump = embedding.jump(changes, later)
    quadratic = np.zeros((len(system.integrals), system.size, system.size))
    for f, (kind, l, c) in enumerate(system.integrals):
        left, right = np.zeros(system.size), np.zeros(system.size)
        if kind in ("work", "heat") and np.any(changes[c]):
            memory = embedding.memory_slices[c]
            if embedding.memories[c].size:
                right[memory.start] = 0.5
                right += right @ jump  # mean of the forces before and after
            else:
                right[:] = np.nan  # the jump of a memoryless reservoir's coupling costs infinite work
            left[: system.bodies] = changes[c] if kind == "heat" else 0.0
            if kind == "work":
                left[l] = -changes[c][l]
        elif kind == "modulation":
            left[l], right[l] = 0.5 * squares[l], 1.0
        quadratic[f] = 0.5 * (np.outer(left, right) + np.outer(right, left))
    still = MomentMap.linear_change(jump, system.amplitudes, len(system.integrals))
    return MomentMap(**{**vars(still), "quadratic": quadratic})
