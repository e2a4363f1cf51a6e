"""`simulate`: an ensemble of c-number trajectories of the generalised quantum Langevin equations.

The equations are linear, so the c-number process driven by Gaussian noise of the symmetrised quantum
spectrum has exactly the quantum second moments; only the commutator part of fluctuations D is added from
response functions. See `step_law` for the time step, `noise_filter` for the noise, `kernel` for the loop.
"""

from __future__ import annotations

import os
import time
import warnings

import numpy as np
import xarray as xr
from scipy.special import ndtri
from threadpoolctl import threadpool_limits

from langevin_qtm.errors import AccuracyWarning
from langevin_qtm.exact.fluctuations import commutator_fluctuation
from langevin_qtm.physics import thermodynamics
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.machine import Machine
from langevin_qtm.progress import Progress, Report
from langevin_qtm.sampling.checkpoint import Keeper, NoKeeper
from langevin_qtm.sampling.ensemble import sample_protocol
from langevin_qtm.sampling.group import Group, new_group
from langevin_qtm.sampling.measurement import Measurement
from langevin_qtm.sampling.normals import LANES
from langevin_qtm.sampling.observables import (
    FluctuationParts,
    all_observables,
    all_phase_observables,
    phase_moments,
    window_moments,
)
from langevin_qtm.sampling.paths import Record
from langevin_qtm.sampling.preparation import Preparation, prepare
from langevin_qtm.sampling.settings import SimulateSettings
from langevin_qtm.sampling.short_time import unresolved_fluctuation, unresolved_power
from langevin_qtm.sampling.start import after_periods, require_plain, start_covariance
from langevin_qtm.sampling.statistics import jackknife
from langevin_qtm.sampling.trajectories import sample_trajectories, stored_trajectories
from langevin_qtm.schema import assemble
from langevin_qtm.tasks import Engine, Threads

STEADY_FALSE_ALARM = 1e-3


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
        run = Measurement(preparation, settings, groups, engine, report)
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


def _to_dataset(run: Measurement, parts: FluctuationParts, samples: Record) -> xr.Dataset:
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


def _attributes(run: Measurement) -> dict[str, object]:
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
