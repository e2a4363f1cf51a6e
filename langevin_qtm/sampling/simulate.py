"""`simulate`: an ensemble of c-number trajectories of the generalised quantum Langevin equations.

The equations are linear, so the c-number process driven by Gaussian noise of the symmetrised quantum
spectrum has exactly the quantum second moments; only the commutator part of fluctuations D is added from
response functions. See `step_law` for the time step, `noise_filter` for the noise, `kernel` for the loop.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Sequence

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
from langevin_qtm.sampling.blocks import block_length, block_sums
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
from langevin_qtm.sampling.group import Group, Steps, new_group
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
from langevin_qtm.sampling.rounds import Pace, map_chunks
from langevin_qtm.sampling.settings import SimulateSettings
from langevin_qtm.sampling.short_time import unresolved_fluctuation, unresolved_power
from langevin_qtm.sampling.start import after_periods, require_plain, start_covariance
from langevin_qtm.sampling.statistics import drift_scores, jackknife, mean_and_error
from langevin_qtm.sampling.trajectories import sample_trajectories, stored_trajectories
from langevin_qtm.schema import assemble
from langevin_qtm.tasks import Engine, Threads

LOOK_STEPS = 5_000_000  # of each group between looks at the result, at first
FEWEST_BLOCKS = 4  # that show a drift
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
    engine : Engine, optional
        Where trajectories are advanced; by default by threads of this process.
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
    For a given seed, results are the same bit for bit whatever the engine, and however often the run was
    stopped and went on, also with more periods or trajectories; a `time_limit` that strikes changes where the
    run stops.
    """
    given = {} if settings is None else {name: getattr(settings, name) for name in settings.model_fields_set}
    settings = SimulateSettings(**(given | changes))
    report = progress or (lambda _: None)
    engine = engine or Threads(settings.threads or os.cpu_count() or 1)
    if settings.duration is not None:
        return sample_protocol(machine, settings, report, keeper or NoKeeper(), engine)
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
        groups[0].run(preparation.plan.kernel_steps, 0)
        run = _Run(preparation, settings, groups, engine, report)
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


def _advance(arrivals: Sequence[tuple[Group, int]], steps: Steps) -> list[Group]:
    """Groups after so many periods since their start each: a task of the engine."""
    for group, periods in arrivals:
        group.advance(steps, periods - group.periods)
    return [group for group, _ in arrivals]


class _Run:
    """The measurement: rounds of periods until a stopping rule strikes."""

    def __init__(
        self,
        preparation: Preparation,
        settings: SimulateSettings,
        groups: list[Group],
        engine: Engine,
        report: Report,
    ):
        self.preparation, self.settings, self.groups = preparation, settings, groups
        self.engine, self.report, self.plan = engine, report, preparation.plan
        self.works: list[list[FloatArray]] = [[] for _ in groups]
        self.pace = Pace()
        self.look_periods = _power_of_two(LOOK_STEPS // (LANES * self.plan.law.steps))
        self.looked, self.error = 0, np.inf
        self.seconds, self.stop_reason = 0.0, ""

    @property
    def periods(self) -> int:
        """Periods that all groups have done."""
        return min(group.periods for group in self.groups)

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
        """Advance round by round."""
        steps = self._steps()
        state = keeper.recall()
        if state is not None:
            require_same_steps(state["steps"], steps)
            self._restore(state)
        began = time.perf_counter() - self.seconds
        self.report(Progress("measure", message="first round" if state is None else "resumed"))
        while not self._has_ended():
            self._round()
            self.seconds = time.perf_counter() - began
            keeper.offer(lambda: self._state(steps))
        keeper.close(lambda: self._state(steps))

    def _round(self) -> None:
        """Take the groups that are behind to where others are, or all to where the next look is due."""
        done, ahead = self.periods, max(group.periods for group in self.groups)
        stop = ahead if done < ahead else self._next_stop(done)
        length = self.pace.begin(stop - done, min(self.engine.round_seconds, self.time_limit - self.seconds))
        behind = [index for index, group in enumerate(self.groups) if group.periods < done + length]
        arrivals = [(self.groups[index], done + length) for index in behind]
        steps = self.plan.kernel_steps
        for index, group in zip(
            behind, map_chunks(self.engine, _advance, arrivals, steps, self.report), strict=True
        ):
            self.groups[index] = group
            self.works[index] += group.works
            group.works = []
        self.pace.end(length)

    def _spacing(self, periods: int) -> int:
        """Periods between looks: a block at least."""
        return max(self.look_periods, block_length(periods))

    def _next_stop(self, periods: int) -> int:
        """Where a round has to end, however short that makes it."""
        stop: int | None = self.settings.periods
        if self.target is not None:
            spacing = self._spacing(periods)
            look = (periods // spacing + 1) * spacing
            stop = look if stop is None else min(look, stop)
        return sys.maxsize if stop is None else stop

    def _has_ended(self) -> bool:
        """Look where it is due, report, and see whether a stopping rule strikes."""
        periods, spacing = self.periods, self._spacing(self.periods)
        if periods < max(group.periods for group in self.groups):
            self.report(Progress("measure", periods, self.groups[0].periods, "new trajectories"))
            return False
        if not periods:
            return False
        is_last = periods == self.settings.periods
        if is_last or periods // spacing > self.looked // spacing:
            self.looked, self.error = periods, self.power_error()
            if self.target is not None and self.error <= self.target:
                self.stop_reason = "target_error"
        self._report()
        if not self.stop_reason and self.seconds > self.time_limit:
            self.stop_reason = "time_limit"
        elif not self.stop_reason and is_last:
            self.stop_reason = "periods"
        return bool(self.stop_reason)

    def _steps(self) -> np.ndarray:
        """Fingerprint of what the run does in a step, and of where it begins."""
        plan, first = self.plan, self.groups[0]
        maps = (plan.maps, plan.look_maps, plan.moment_maps)
        return fingerprint([*(m.matrices for m in maps), plan.slopes, first.rng, first.state])

    def _state(self, steps: np.ndarray) -> State:
        """All that the rest of the run depends on."""
        return {
            "steps": steps,
            "seconds": np.array(self.seconds),
            **groups_state(self.groups, self.works),
        }

    def _restore(self, state: State) -> None:
        """Go on from a state, of fewer trajectories or periods than are asked for."""
        trajectories, periods = len(state["periods"]) * LANES, int(state["periods"].max())
        _require_no_less("periods", self.settings.periods, periods)
        _require_no_less("trajectories", self.settings.trajectories, trajectories)
        restore_groups(state, self.groups, self.works)
        self.seconds = float(state["seconds"])
        self.looked = max(0, periods - 1)  # a look that was due then is still due

    def samples(self) -> dict[str, FloatArray]:
        """Averages of every trajectory over the whole measurement."""
        parts = [period_averages(self.plan, group.totals) for group in self.groups]
        averages = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return balanced(averages, self.preparation.is_steady)

    def power_error(self) -> float:
        """Largest relative standard error of a local power that is driven."""
        mean, error = mean_and_error(self.samples()["local_power"])
        driven = self.plan.driven_oscillators
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.max(error[driven] / np.abs(mean[driven]), initial=0.0))

    def drift(self) -> tuple[FloatArray, FloatArray]:
        """Scores of `drift_scores` for local powers and position covariances; zeros with few blocks."""
        blocks = np.concatenate([block_sums(group.marks) for group in self.groups], axis=1)
        return drift_scores(blocks) if len(blocks) >= FEWEST_BLOCKS else (np.zeros(1), np.zeros(1))

    def window_works(self) -> FloatArray:
        """Work in each window of `work_periods` periods, (trajectory, window, oscillator)."""
        noted = [np.diff(own, axis=0, prepend=0.0 * own[0][None]) for own in self.works]
        return np.concatenate([works.transpose(2, 0, 1) for works in noted])

    def _report(self) -> None:
        periods, error = float(self.periods), self.error
        remark = f"{self.periods} periods"
        if self.looked and np.isfinite(error):
            remark += f", error of powers {100 * error:.2g} %"
        if self.settings.periods is not None:
            done, total = periods, float(self.settings.periods)
        elif self.target is not None:
            done, total = periods, periods * max(1.0, (error / self.target) ** 2)
        else:
            done, total = self.seconds, self.time_limit
        self.report(Progress("measure", done, total if np.isfinite(total) else None, remark))


def _power_of_two(number: float) -> int:
    """Largest power of two that is not larger; one at least."""
    return int(1 << max(1, int(number)).bit_length() - 1)


def _require_no_less(key: str, asked: int | None, kept: int) -> None:
    """Refuse to go on from a state that has more than is asked for.

    Raises
    ------
    InputError
    """
    if asked is not None and asked < kept:
        raise InputError(
            f"`solver.{key}` = {asked} is less than the {kept} {key} that the checkpoint has; raise it, or "
            "remove the checkpoint to start over."
        )


def _to_dataset(run: _Run, parts: FluctuationParts, samples: Record) -> xr.Dataset:
    plan, preparation, machine = run.plan, run.preparation, run.plan.law.machine
    trajectories = run.samples()
    windows = window_moments(run.groups)
    if windows is not None:
        trajectories["windows"] = windows
    values, errors = jackknife(trajectories, lambda means: all_observables(plan, means, parts))
    phases = [phase_moments(plan, group.totals) for group in run.groups]
    by_phase = {name: np.concatenate([part[name] for part in phases]) for name in phases[0]}
    phase_values, phase_errors = jackknife(by_phase, all_phase_observables)
    variables = {**values, **phase_values}
    variables |= {f"{name}_se": error for name, error in errors.items()}
    variables |= {f"{name}_se": error for name, error in phase_errors.items()}
    coordinates = {"phase": np.arange(len(plan.moments.times)) / len(plan.moments.times)}
    stored, axes = stored_trajectories(plan, samples)
    if run.works[0]:
        works = run.window_works()
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
    change, trend = run.drift()
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
