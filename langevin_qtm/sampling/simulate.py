"""`simulate`: an ensemble of c-number trajectories of the generalised quantum Langevin equations.

The equations are linear, so the c-number process driven by Gaussian noise of the symmetrised quantum
spectrum has exactly the quantum second moments; only the commutator part of fluctuations D is added from
response functions. See `step_law` for the time step, `noise_filter` for the noise, `kernel` for the loop.
"""

from __future__ import annotations

import os
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat

import numpy as np
import xarray as xr
from scipy.special import ndtri
from threadpoolctl import threadpool_limits

from langevin_qtm.errors import AccuracyWarning, InputError
from langevin_qtm.exact.fluctuations import commutator_fluctuation
from langevin_qtm.physics import thermodynamics
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.machine import Machine
from langevin_qtm.progress import Progress, Report
from langevin_qtm.sampling.checkpoint import (
    Keeper,
    NoKeeper,
    State,
    fingerprint,
    groups_state,
    require_same_steps,
    restore_groups,
)
from langevin_qtm.sampling.ensemble import sample_protocol
from langevin_qtm.sampling.group import Group, Totals, new_group
from langevin_qtm.sampling.normals import LANES
from langevin_qtm.sampling.observables import (
    FluctuationParts,
    all_observables,
    all_phase_observables,
    balanced,
    period_averages,
    phase_moments,
    window_moments,
)
from langevin_qtm.sampling.paths import Record
from langevin_qtm.sampling.preparation import Preparation, prepare
from langevin_qtm.sampling.settings import SimulateSettings
from langevin_qtm.sampling.short_time import unresolved_fluctuation, unresolved_power
from langevin_qtm.sampling.start import after_periods, require_plain, start_covariance
from langevin_qtm.sampling.statistics import drift_scores, jackknife, mean_and_error
from langevin_qtm.sampling.trajectories import sample_trajectories, stored_trajectories
from langevin_qtm.schema import assemble
from langevin_qtm.tasks import Engine

BLOCK_STEPS = 20_000_000  # trajectory-steps between looks at the result
MAX_BLOCKS = 64  # block averages kept; neighbours are merged beyond
STEADY_FALSE_ALARM = 1e-3
DEFAULT_TARGET_ERROR = 0.01
DEFAULT_TIME_LIMIT = 600.0


def simulate(
    machine: Machine,
    settings: SimulateSettings | None = None,
    progress: Report | None = None,
    keeper: Keeper | None = None,
    engine: Engine | None = None,
    **changes: object,
) -> xr.Dataset:
    """Sample trajectories to the periodic steady state and average over whole drive periods.

    Parameters
    ----------
    machine : Machine
    settings : SimulateSettings, optional
    progress : callable, optional
        Receives `Progress` now and then.
    keeper : Keeper, optional
        Keeps the state of the run now and then, and knows one to go on from.
    **changes
        Settings by name, instead of `settings` or on top of it.

    Returns
    -------
    xarray.Dataset
        The schema: period averages and phase-resolved means with companions `<name>_se`, sample
        trajectories over `time` (0 at the start of the measurement), and the audit of the noise power
        spectrum over `frequency`. With `duration`, ensemble averages over `time` instead. Standard errors
        come from the scatter of independent trajectories (jackknife where a number is not a plain mean).

    Raises
    ------
    InputError
        For settings out of range.
    UnstableMachineError
        When there is no periodic steady state.
    NotConvergedError
        When noise filter or step law do not reach their tolerances.

    Warns
    -----
    AccuracyWarning
        When block averages still drift at the end.

    Notes
    -----
    For a given seed, results are the same bit for bit whatever the number of threads, and however often the
    run was stopped and went on; a `time_limit` that strikes changes where the run stops.
    """
    given = {} if settings is None else {name: getattr(settings, name) for name in settings.model_fields_set}
    settings = SimulateSettings(**(given | changes))
    report = progress or (lambda _: None)
    if settings.duration is not None:
        return sample_protocol(machine, settings, report, keeper or NoKeeper())
    machine.require_bare_period("simulate without `solver.duration`")
    require_plain(settings.start)
    began = time.perf_counter()
    with threadpool_limits(1):  # small matrices, and numbers that do not depend on threads
        report(Progress("prepare", message="noise filters and step law"))
        preparation = prepare(machine, settings)
        local, total = commutator_fluctuation(machine)
        parts = FluctuationParts(unresolved_fluctuation(preparation.plan), np.append(local, total))
        report(Progress("compile"))
        groups, samples = _launch(preparation, settings)
        groups[0].advance(0)
        run = _Run(preparation, settings, groups, report)
        run.measure(keeper or NoKeeper())
        report(Progress("evaluate"))
        dataset = _to_dataset(run, parts, samples)
    dataset.attrs["wall_seconds"] = time.perf_counter() - began
    return dataset


def _launch(preparation: Preparation, settings: SimulateSettings) -> tuple[list[Group], Record]:
    """Groups at the start of the measurement, and trajectories to be stored."""
    plan = preparation.plan
    covariance = start_covariance(plan.law, settings.start.kind, getattr(settings.start, "temperature", None))
    covariance = after_periods(plan.law, covariance, preparation.run_in)
    samples = sample_trajectories(plan, settings.recording, settings.seed, covariance)
    groups = [
        new_group(plan, settings.seed, index, covariance, settings.recording.work_periods)
        for index in range(settings.trajectories // LANES)
    ]
    return groups, samples


@dataclass
class _Run:
    """The measurement: blocks of periods until a stopping rule strikes."""

    preparation: Preparation
    settings: SimulateSettings
    groups: list[Group]
    report: Report
    blocks: list[FloatArray] = field(default_factory=list)
    periods: int = 0
    seconds: float = 0.0
    stop_reason: str = ""

    def __post_init__(self) -> None:
        self.plan = self.preparation.plan
        self.totals = [Totals.empty(self.plan) for _ in self.groups]
        steps = self.settings.trajectories * self.plan.law.steps
        self.block_periods = max(1, BLOCK_STEPS // steps)
        if self.settings.periods is not None:
            self.block_periods = max(1, min(self.block_periods, self.settings.periods // 16))
        self.merge = 1
        self.pending: list[FloatArray] = []

    @property
    def target(self) -> float | None:
        """Relative standard error aimed at, if any."""
        free = self.settings.periods is None and self.settings.time_limit is None
        return self.settings.target_error or (DEFAULT_TARGET_ERROR if free else None)

    @property
    def time_limit(self) -> float:
        """Seconds of measurement after which to stop."""
        unlimited = np.inf if self.settings.periods is not None else DEFAULT_TIME_LIMIT
        return self.settings.time_limit or unlimited

    def measure(self, keeper: Keeper) -> None:
        """Advance block by block."""
        steps = self._steps()
        state = keeper.recall()
        if state is not None:
            require_same_steps(state["steps"], steps)
            self._restore(state)
        threads = self.settings.threads or os.cpu_count() or 1
        began = time.perf_counter() - self.seconds
        with ThreadPoolExecutor(min(threads, len(self.groups))) as pool:
            self.report(Progress("measure", message="first block" if state is None else "resumed"))
            while not self._has_ended():
                periods = self._next_block()
                list(pool.map(Group.advance, self.groups, repeat(periods)))
                self._collect(periods)
                self.seconds = time.perf_counter() - began
                keeper.offer(lambda: self._state(steps))
        keeper.close(lambda: self._state(steps))

    def _has_ended(self) -> bool:
        """Report, and see whether a stopping rule strikes."""
        if not self.periods:
            return False
        error = self.power_error()
        self._report(error)
        if self.target is not None and error <= self.target:
            self.stop_reason = "target_error"
        elif self.seconds > self.time_limit:
            self.stop_reason = "time_limit"
        elif self.periods == self.settings.periods:
            self.stop_reason = "periods"
        return bool(self.stop_reason)

    def _next_block(self) -> int:
        """Periods of the next block."""
        if self.settings.periods is None:
            return self.block_periods
        return min(self.block_periods, self.settings.periods - self.periods)

    def _steps(self) -> np.ndarray:
        """Fingerprint of what the run does in a step, and of where it begins."""
        plan, first = self.plan, self.groups[0]
        maps = (plan.maps, plan.look_maps, plan.moment_maps)
        return fingerprint([*(m.matrices for m in maps), plan.slopes, first.rng, first.state])

    def _state(self, steps: np.ndarray) -> State:
        """All that the rest of the run depends on."""
        numbers = {"periods": self.periods, "seconds": self.seconds, "merge": self.merge}
        return {
            "steps": steps,
            "blocks": np.array(self.blocks),
            "pending": np.array(self.pending),
            **{name: np.array(value) for name, value in numbers.items()},
            **groups_state(self.groups, self.totals),
        }

    def _restore(self, state: State) -> None:
        restore_groups(state, self.groups, self.totals)
        self.blocks, self.pending = list(state["blocks"]), list(state["pending"])
        self.periods, self.merge = int(state["periods"]), int(state["merge"])
        self.seconds = float(state["seconds"])
        if self.settings.periods is not None and self.periods > self.settings.periods:
            raise InputError(
                f"`solver.periods` = {self.settings.periods} is less than the {self.periods} periods that "
                "the checkpoint has; raise it, or remove the checkpoint to start over."
            )

    def _collect(self, periods: int) -> None:
        """Add the block to the totals, and keep its averages for the test of stationarity."""
        block = []
        for group, total in zip(self.groups, self.totals, strict=True):
            taken = group.take_totals()
            total.phase += taken.phase
            total.mean += taken.mean
            total.periods += taken.periods
            averages = period_averages(self.plan, taken)
            covariance = averages["position_covariance"].reshape(LANES, -1)
            block.append(np.concatenate([averages["local_power"], covariance], axis=1))
        self.periods += periods
        self.pending.append(np.concatenate(block))
        if len(self.pending) == self.merge:
            self.blocks.append(np.mean(self.pending, axis=0))
            self.pending = []
        if len(self.blocks) == MAX_BLOCKS:
            pairs = zip(self.blocks[::2], self.blocks[1::2], strict=True)
            self.blocks = [0.5 * (a + b) for a, b in pairs]
            self.merge *= 2

    def samples(self) -> dict[str, FloatArray]:
        """Averages of every trajectory over the whole measurement."""
        parts = [period_averages(self.plan, total) for total in self.totals]
        averages = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return balanced(averages, self.preparation.is_steady)

    def power_error(self) -> float:
        """Largest relative standard error of a local power that is driven."""
        mean, error = mean_and_error(self.samples()["local_power"])
        driven = self.plan.driven_oscillators
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.max(error[driven] / np.abs(mean[driven]), initial=0.0))

    def _report(self, error: float) -> None:
        remark = f"{self.periods} periods, error of powers {100 * error:.2g} %"
        if self.settings.periods is not None:
            done, total = float(self.periods), float(self.settings.periods)
        elif self.target is not None:
            needed = self.periods * max(1.0, (error / self.target) ** 2)
            done, total = float(self.periods), needed
        else:
            done, total = self.seconds, self.time_limit
        self.report(Progress("measure", done, total, remark))


def _to_dataset(run: _Run, parts: FluctuationParts, samples: Record) -> xr.Dataset:
    plan, preparation, machine = run.plan, run.preparation, run.plan.law.machine
    trajectories = run.samples()
    windows = window_moments(run.groups)
    if windows is not None:
        trajectories["windows"] = windows
    values, errors = jackknife(trajectories, lambda means: all_observables(plan, means, parts))
    phases = [phase_moments(plan, total) for total in run.totals]
    by_phase = {name: np.concatenate([part[name] for part in phases]) for name in phases[0]}
    phase_values, phase_errors = jackknife(by_phase, all_phase_observables)
    variables = {**values, **phase_values}
    variables |= {f"{name}_se": error for name, error in errors.items()}
    variables |= {f"{name}_se": error for name, error in phase_errors.items()}
    coordinates = {"phase": np.arange(len(plan.moments.times)) / len(plan.moments.times)}
    stored, axes = stored_trajectories(plan, samples)
    if run.settings.recording.work_periods and run.groups[0].works:
        works = np.concatenate([group.window_works() for group in run.groups])
        stored["window_work"] = works
        axes |= {"sample": np.arange(len(works)), "window": np.arange(works.shape[1])}
    audit, frequency = _noise_audit(preparation)
    undefined = thermodynamics.reasons(machine, values)
    if windows is None:
        reason = f"needs four windows of {plan.window} periods"
        undefined |= {
            name: reason for name, value in values.items() if "fluctuation" in name or "tur" in name
        }
    dataset = assemble(
        machine,
        {**variables, **stored, **audit},
        _attributes(run),
        {**coordinates, **axes, "frequency": frequency},
        undefined,
    )
    dataset["fluctuation_cnumber"].attrs["short_time_part"] = parts.unresolved[:-1]
    if "window_work" in dataset:
        attrs = {"periods": run.settings.recording.work_periods, "short_time_part": parts.unresolved}
        attrs["short_time_power"] = unresolved_power(plan)
        dataset["window_work"].attrs |= attrs
    dataset["fluctuation_quantum"].attrs["commutator_part"] = parts.commutator[:-1]
    if any(not contact.density.memory().size for contact in machine.contacts):
        for name in ("velocity_covariance", "velocity_covariance_se"):
            dataset[name].attrs["uv_sensitive"] = "grows with the logarithm of attribute noise_band"
    return dataset


def _noise_audit(preparation: Preparation) -> tuple[dict[str, FloatArray], FloatArray]:
    """Target and generated noise power spectra of every reservoir."""
    plan = preparation.plan
    machine = plan.law.machine
    band = preparation.filters[0].band
    frequency = np.geomspace(1e-6 * band, band, 241)
    target = np.zeros((len(machine.reservoirs), len(frequency)))
    generated = np.zeros_like(target)
    for contact, noise_filter in zip(machine.contacts, preparation.filters, strict=True):
        friction = contact.density.friction(frequency)
        target[contact.reservoir] = contact.noise_power_spectrum(frequency)
        generated[contact.reservoir] = friction * noise_filter.power_spectrum(frequency)
    return {"noise_spectrum_target": target, "noise_spectrum_filter": generated}, frequency


def _attributes(run: _Run) -> dict[str, object]:
    plan, settings = run.plan, run.settings
    embedding = plan.law.layout.embedding
    change, trend = drift_scores(np.array(run.blocks)) if len(run.blocks) >= 4 else (np.zeros(1), np.zeros(1))
    worst = float(np.max(np.abs([change, trend])))
    limit = _family_threshold(2 * len(change))
    settled = worst <= limit
    if not settled:
        warnings.warn(
            f"Block averages still drift (z = {worst:.1f}, limit {limit:.1f}): lengthen `solver.run_in`.",
            AccuracyWarning,
            stacklevel=4,
        )
    return {
        "method": "simulate",
        "seed": str(settings.seed),
        "trajectories": settings.trajectories,
        "start": settings.start.kind,
        "run_in_periods": run.preparation.run_in,
        "periods": run.periods,
        "stop_reason": run.stop_reason,
        "steps_per_period": plan.law.steps,
        "time_step": plan.step,
        "step_error": run.preparation.step_error,
        "noise_fit_error": max(f.error for f in run.preparation.filters),
        "noise_band": run.preparation.filters[0].band,
        "look_ahead": plan.moments.ahead * plan.step,
        "variables_per_step": plan.reduced.size,
        "normals_per_step": plan.reduced.normals,
        "window_periods": plan.window,
        "max_multiplier": embedding.max_multiplier,
        "relaxation_time": embedding.relaxation_time,
        "steady_state_confirmed": int(settled),
        "steady_change_z": float(np.abs(change).max()),
        "steady_trend_z": float(np.abs(trend).max()),
    }


def _family_threshold(tests: int) -> float:
    """|z| that the largest of so many tests exceeds with probability `STEADY_FALSE_ALARM`."""
    return float(-ndtri(STEADY_FALSE_ALARM / (2 * tests)))
