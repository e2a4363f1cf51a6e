"""An ensemble over time: trajectories from any start through any protocol, moments at equidistant times.

Where nothing repeats, the law of the steps is computed interval by interval, all groups of trajectories are
taken through it, and it is forgotten. Moments at the end of an interval come from conditional means some
steps before it (see `moments`): products of what the state there predicts, plus what is known of the noise
since.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from langevin_qtm.errors import InputError
from langevin_qtm.physics import thermodynamics
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.start import Continued, first_time, warn_of_sudden_memoryless
from langevin_qtm.progress import Progress, Report
from langevin_qtm.sampling.checkpoint import Keeper, State, fingerprint, require_same_steps
from langevin_qtm.sampling.ensemble_start import ensemble_start
from langevin_qtm.sampling.ensemble_steps import WorkPath, advance, slopes_of, split
from langevin_qtm.sampling.factors import NEGLIGIBLE, StepFactors, factorised
from langevin_qtm.sampling.noise_filter import NoiseFilter, fit_noise_filter
from langevin_qtm.sampling.normals import LANES, fill_normals, seed_lanes
from langevin_qtm.sampling.preparation import BAND_FACTOR, LOOK_AHEAD, RADIANS_PER_STEP, STEPS_PER_HARMONIC
from langevin_qtm.sampling.settings import SimulateSettings
from langevin_qtm.sampling.statistics import jackknife
from langevin_qtm.sampling.step_law import Layout, StepLaw, law_of_steps, substep_edges
from langevin_qtm.schema import assemble, mark_band_dependence

PIECES = 2  # of each substep; the error estimate compares with 1
BOTTOM = 1e-2  # smallest frequency of the noise over the slowest rate
RATE_SAMPLES = 64
LISTS = ("rngs", "states", "samples", "works", "errors")  # of the ensemble, in a state of the run
PATH_ARRAYS = ("history", "done", "slope")
OBSERVED = "observed_"


@dataclass(frozen=True)
class Grid:
    """Times of the run.

    Attributes
    ----------
    outputs : (time,) array
        Where moments are taken, the start among them.
    edges : (edge,) array
        These and the events between them.
    longest : float
        Longest step.
    substeps : (substep + 1,) array
        Cut of every step.
    look_ahead : float
        Time over which moments look ahead, at most an interval.
    """

    outputs: FloatArray
    edges: FloatArray
    longest: float
    substeps: FloatArray
    look_ahead: float

    def steps(self, start: float, stop: float) -> int:
        """Steps between two edges."""
        return max(1, int(np.ceil((stop - start) / self.longest - 1e-9)))


def sample_protocol(
    machine: Machine, settings: SimulateSettings, report: Report, keeper: Keeper, engine: object = None
) -> xr.Dataset:
    """Ensemble averages over time, from `settings.start_time` for `settings.duration`.

    Returns
    -------
    xarray.Dataset
        The schema over `time`, each average with a companion `<name>_se` from the scatter of trajectories,
        and the first `recording.trajectories` of them.

    Raises
    ------
    InputError
        For couplings that are not finite, and starts that do not exist.
    NotConvergedError
        When a noise filter misses its tolerance.
    """
    began = time.perf_counter()
    with threadpool_limits(1):
        report(Progress("prepare", message="noise filters and start"))
        layout, grid = _prepared(machine, settings)
        run = _Ensemble(layout, grid, settings)
        run.measure(report, keeper)
        report(Progress("evaluate"))
    variables = run.observed() | run.final()
    coordinates: dict[str, np.ndarray] = {"time": grid.outputs}
    if settings.recording.trajectories:
        variables |= run.stored()
        coordinates["trajectory"] = np.arange(settings.recording.trajectories)
    if run.paths:
        variables["trajectory_work"] = np.stack(run.works, axis=1)
        coordinates["sample"] = np.arange(settings.trajectories)
    attrs = {
        "method": "simulate",
        "seed": str(settings.seed),
        "trajectories": settings.trajectories,
        "start": settings.start.model_dump_json(exclude_none=True),
        "start_time": float(grid.outputs[0]),
        "duration": settings.duration,
        "time_step": grid.longest,
        "step_error": run.step_error(),
        "noise_fit_error": max(f.error for f in layout.filters),
        "noise_band": layout.filters[0].band,
        "wall_seconds": time.perf_counter() - began,
    }
    reasons = {"pearson": "a single oscillator", "entropy_production": "a reservoir at zero temperature"}
    undefined = {n: text for n, text in reasons.items() if np.any(np.isnan(variables[n]))}
    dataset = assemble(machine, variables, attrs, coordinates, undefined, ("time",))
    sudden = warn_of_sudden_memoryless(machine, settings.start, float(grid.outputs[0]))
    mark_band_dependence(dataset, machine, sudden)
    return dataset


def _prepared(machine: Machine, settings: SimulateSettings) -> tuple[Layout, Grid]:
    """Layout with its noise filters, and the times."""
    start, duration = first_time(settings.start, settings.start_time), settings.duration or 0.0
    outputs = start + np.linspace(0.0, duration, settings.points)
    if np.any(np.diff(outputs) <= 0):
        raise InputError(
            f"`solver.duration` = {duration:g} from t = {start:g} on has no room for {settings.points} "
            "different times; lengthen it."
        )
    events = [event for event in machine.events if start < event < outputs[-1]]
    edges = np.unique([*outputs, *events])
    samples = np.unique(
        np.concatenate([edges, np.linspace(start, outputs[-1], RATE_SAMPLES * machine.order)])
    )
    embedding = Embedding(machine)
    rates = embedding.rates(samples)
    frequency = float(np.sqrt(machine.squared_frequencies(samples).max()))
    drive = float(machine.clock.rate(samples).max()) * machine.order
    scales = [scale for contact in machine.contacts for scale in contact.density.scales]
    band = BAND_FACTOR * max(frequency, drive, *scales)
    bottom = BOTTOM * float(rates[rates > 1e-12 * rates.max()].min())
    fitted = {
        temperature: fit_noise_filter(temperature, band, bottom, settings.noise_tolerance)
        for temperature in {contact.temperature for contact in machine.contacts}
    }
    filters = tuple(fitted[contact.temperature] for contact in machine.contacts)
    if isinstance(settings.start, Continued):
        settings.start.couplings(machine, "simulate")
        filters = _stored_filters(machine, settings.start.dataset)
    longest = min(RADIANS_PER_STEP / frequency, 2 * np.pi / drive / STEPS_PER_HARMONIC)
    substeps = substep_edges(longest * float(rates.max()), PIECES)
    return Layout(embedding, filters, has_constant=True), Grid(
        outputs, edges, longest, substeps, LOOK_AHEAD / frequency
    )


def _stored_filters(machine: Machine, dataset: xr.Dataset) -> tuple[NoiseFilter, ...]:
    """The noise filters of an earlier dataset."""
    filters = []
    error, band = (float(dataset.attrs[name]) for name in ("noise_fit_error", "noise_band"))
    for c, contact in enumerate(machine.contacts):
        own = dataset["pole_contact"].values == c
        rates, residues = dataset["pole_rate"].values[own], dataset["pole_weight"].values[own]
        # at w = 0 the filter is h + Σ r/b = √(2T); at T = 0 that fixes h as well
        white = float(np.sqrt(2 * contact.temperature) - (residues / rates).sum())
        filters.append(NoiseFilter(rates, residues, white, error, 0.0, band))
    return tuple(filters)


class _Ensemble:
    """All trajectories, and their exact law by the same steps."""

    def __init__(self, layout: Layout, grid: Grid, settings: SimulateSettings):
        self.layout, self.grid, self.settings = layout, grid, settings
        self.mean, self.covariance = ensemble_start(
            layout, settings.start, float(grid.edges[0]), grid.longest, grid.substeps
        )
        kept = layout.carried
        self.coarse = self.covariance[np.ix_(kept, kept)]
        self.errors: list[float] = []
        self.scale = np.sqrt(np.maximum(self.covariance.diagonal(), 1e-300))
        indices = range(settings.trajectories // LANES)
        self.rngs = [seed_lanes(settings.seed, index) for index in indices]
        self.states = [self._draw(rng) for rng in self.rngs]
        self.samples: list[FloatArray] = []
        keeps_work, first = settings.recording.work, float(grid.edges[0])
        self.paths = [WorkPath(layout, s, grid.longest, first) for s in self.states] if keeps_work else []
        self.works: list[FloatArray] = []
        self.results: list[dict[str, FloatArray]] = []
        self.place = 0  # intervals done

    def _draw(self, rng: np.ndarray) -> FloatArray:
        """States (carried, lane) from the law at the start."""
        kept = self.layout.carried
        scale = self.scale[kept]
        values, vectors = np.linalg.eigh(self.covariance[np.ix_(kept, kept)] / np.outer(scale, scale))
        root = scale[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
        draws = np.empty(len(kept) * LANES)
        fill_normals(rng, draws)
        return self.mean[kept][:, None] + root @ draws.reshape(len(kept), LANES)

    def measure(self, report: Report, keeper: Keeper) -> None:
        """Observables with errors at each output time."""
        grid, threads = self.grid, self.settings.threads or os.cpu_count() or 1
        steps = fingerprint([self.mean, self.covariance, self.states[0], grid.edges, grid.substeps])
        state = keeper.recall()
        if state is None:
            self._observe(grid.edges[0], self.states, np.zeros((len(self.layout.carried),) * 2))
        else:
            require_same_steps(state["steps"], steps)
            self._restore(state)
        intervals = list(pairwise(grid.edges))
        with ThreadPoolExecutor(min(threads, len(self.states))) as pool:
            while self.place < len(intervals):
                start, stop = intervals[self.place]
                found = self._interval(pool, start, stop)
                if stop in grid.outputs:  # exactly: an event may be as close as rounding
                    self._observe(stop, *found)
                self.place += 1
                report(Progress("measure", self.place, len(intervals), f"t = {stop:.4g}"))
                keeper.offer(lambda: self._state(steps))
        keeper.close(lambda: self._state(steps))

    def observed(self) -> dict[str, FloatArray]:
        """Observables with errors over time."""
        return {name: np.array([each[name] for each in self.results]) for name in self.results[0]}

    def _state(self, steps: np.ndarray) -> State:
        """All that the rest of the run depends on."""
        lists = {name: np.array(getattr(self, name)) for name in LISTS}
        arrays = {name: getattr(self, name) for name in ("mean", "covariance", "coarse", "scale")}
        works = {f"path_{name}": np.array([getattr(p, name) for p in self.paths]) for name in PATH_ARRAYS}
        observed = {f"{OBSERVED}{name}": values for name, values in self.observed().items()}
        return {"steps": steps, "place": np.array(self.place), **lists, **arrays, **works, **observed}

    def _restore(self, state: State) -> None:
        self.place = int(state["place"])
        self.mean, self.covariance = state["mean"], state["covariance"]
        self.coarse, self.scale = state["coarse"], state["scale"]
        for name in LISTS:
            setattr(self, name, list(state[name]))
        for name in PATH_ARRAYS:
            for path, value in zip(self.paths, state[f"path_{name}"], strict=True):
                setattr(path, name, value)
        observed = {k.removeprefix(OBSERVED): v for k, v in state.items() if k.startswith(OBSERVED)}
        times = range(len(next(iter(observed.values()))))
        self.results = [{name: values[i] for name, values in observed.items()} for i in times]

    def _interval(
        self, pool: ThreadPoolExecutor, start: float, stop: float
    ) -> tuple[list[FloatArray], FloatArray]:
        """Advance all trajectories; conditional means at the end, and covariance of what they leave out."""
        layout, kept = self.layout, self.layout.carried
        steps = self.grid.steps(start, stop)
        step = (stop - start) / steps
        starts = start + step * np.arange(steps, dtype=float)
        # at a jump, couplings of the last step are those before it: Gauss nodes never touch the ends
        law = law_of_steps(layout, starts, step, self.grid.substeps)
        jump = self._jump(stop)[np.ix_(kept, kept)]
        self._carry_law(law, starts, step, jump)
        ahead = min(steps, max(1, int(self.grid.look_ahead / step)))
        flow, noise = np.eye(len(kept)), np.zeros((len(kept),) * 2)
        for k in range(steps - ahead, steps):
            one = law.propagator[k][np.ix_(kept, kept)]
            flow, noise = (
                one @ flow,
                one @ noise @ one.T + law.covariance[:, k].sum(axis=0)[np.ix_(kept, kept)],
            )
        scale = np.maximum(
            self.scale, np.sqrt(np.maximum(law.covariance.sum(axis=0).max(axis=0).diagonal(), 1e-300))
        )
        total = (self.grid.edges[-1] - self.grid.edges[0]) / self.grid.longest
        factors = factorised(law, scale, NEGLIGIBLE / max(1e3, total))
        early, late = split(factors, steps - ahead)
        paths: list[WorkPath | None] = [*self.paths] or [None] * len(self.states)
        slopes = slopes_of(layout, starts + step / 2)
        first, rest = slopes[: steps - ahead], slopes[steps - ahead :]

        def moved_on(part: StepFactors, along: FloatArray, i: int) -> FloatArray:
            return advance(part, self.states[i], self.rngs[i], along, paths[i])

        self.states = list(pool.map(lambda i: moved_on(early, first, i), range(len(self.states))))
        predicted = [jump @ flow @ state for state in self.states]
        moved = pool.map(lambda i: moved_on(late, rest, i), range(len(self.states)))
        self.states = [jump @ state for state in moved]
        return predicted, jump @ noise @ jump.T

    def _jump(self, at: float) -> FloatArray:
        """What an event does to the state."""
        changes, later = self.layout.embedding.machine.coupling_jumps(at)
        if self.paths and np.any(changes):
            raise InputError(
                f"`solver.recording.work` does not know the work of the coupling that jumps at t = {at:g}; "
                "use a smooth envelope."
            )
        return self.layout.jump(changes, later)

    def _carry_law(self, law: StepLaw, starts: FloatArray, step: float, jump: FloatArray) -> None:
        """Covariance by these steps, and by steps of half as many substeps: their difference is the error."""
        kept = self.layout.carried
        rough = law_of_steps(self.layout, starts, step, self.grid.substeps[::PIECES])
        fine, coarse = self.covariance[np.ix_(kept, kept)], self.coarse
        mean = self.mean[kept]
        for k in range(len(starts)):
            one, other = law.propagator[k][np.ix_(kept, kept)], rough.propagator[k][np.ix_(kept, kept)]
            mean = one @ mean
            fine = one @ fine @ one.T + law.covariance[:, k].sum(axis=0)[np.ix_(kept, kept)]
            coarse = other @ coarse @ other.T + rough.covariance[:, k].sum(axis=0)[np.ix_(kept, kept)]
        fine, self.coarse = jump @ fine @ jump.T, jump @ coarse @ jump.T
        self.covariance[np.ix_(kept, kept)] = fine
        self.mean[kept] = jump @ mean
        self.scale = np.sqrt(np.maximum(self.covariance.diagonal(), 1e-300))
        positions = slice(0, self.layout.bodies)
        change = np.abs(self.coarse - fine)[positions].max(axis=1)
        self.errors.append(float((change / np.abs(fine)[positions].max(axis=1)).max()))

    def step_error(self) -> float:
        """Largest relative change of covariances when substeps are halved."""
        return max(self.errors, default=0.0)

    def _observe(self, t: float, predicted: list[FloatArray], noise: FloatArray) -> None:
        """Averages over trajectories and their standard errors; samples and works where wanted."""
        layout, kept = self.layout, self.layout.carried
        at, bodies = np.array([t]), self.layout.bodies
        rows = np.zeros((2 * bodies + layout.contacts, layout.size))
        rows[np.arange(2 * bodies), np.arange(2 * bodies)] = 1.0
        for c in range(layout.contacts):
            rows[2 * bodies + c] = layout.force_row(c, at)[0]
        rows = rows[:, kept]
        means = np.concatenate([rows @ state for state in predicted], axis=1).T  # (trajectory, row)
        known = rows @ noise @ rows.T
        for c in range(layout.contacts):
            known[bodies : 2 * bodies, 2 * bodies + c] += layout.kicks(c, at)[0]
        if self.settings.recording.trajectories:
            self.samples.append(self.states[0][: 2 * bodies, : self.settings.recording.trajectories].copy())
        if self.paths:
            self.works.append(np.concatenate([path.work() for path in self.paths]))
        samples = {"first": means, "second": means[:, :, None] * means[:, None, :] + known}
        values, errors = jackknife(samples, lambda m: _averages(layout, t, m))
        self.results.append({**values, **{f"{name}_se": error for name, error in errors.items()}})

    def final(self) -> dict[str, FloatArray]:
        """The law at the end by the same steps, and the noise filters: where a later run can go on."""
        filters = self.layout.filters
        return {
            "final_mean": self.mean,
            "final_second_moment": self.covariance,
            "pole_rate": np.concatenate([f.rates for f in filters]),
            "pole_weight": np.concatenate([f.residues for f in filters]),
            "pole_contact": np.repeat(np.arange(len(filters)), [len(f.rates) for f in filters]),
        }

    def stored(self) -> dict[str, FloatArray]:
        """Positions and velocities of the stored trajectories, (trajectory, time, oscillator)."""
        stored = np.array(self.samples).transpose(2, 0, 1)
        bodies = self.layout.bodies
        return {"position": stored[..., :bodies], "velocity": stored[..., bodies:]}


def _averages(layout: Layout, t: float, means: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Variables of the schema at one time from means over trajectories (leading axes allowed)."""
    machine, bodies, at = layout.embedding.machine, layout.bodies, np.array([t])
    first, second = means["first"][..., : 2 * bodies], means["second"]
    x, v = slice(0, bodies), slice(bodies, 2 * bodies)
    covariance = second[..., : 2 * bodies, : 2 * bodies] - first[..., :, None] * first[..., None, :]
    shape = second.shape[:-2]
    power, heat = np.zeros((*shape, bodies)), np.zeros((*shape, len(machine.reservoirs)))
    for c, contact in enumerate(machine.contacts):
        pulled, pushed = second[..., x, 2 * bodies + c], second[..., v, 2 * bodies + c]
        g, rate = contact.couplings(at)[0], contact.coupling_rates(at)[0]
        power -= rate * pulled
        heat[..., contact.reservoir] += pulled @ rate + pushed @ g
    diagonal = np.einsum("...ii->...i", second)
    squares = machine.squared_frequencies(at)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -(heat / machine.temperatures).sum(axis=-1)
    return {
        "position_mean": first[..., x],
        "velocity_mean": first[..., v],
        "position_covariance": covariance[..., x, x],
        "velocity_covariance": covariance[..., v, v],
        "position_velocity_covariance": covariance[..., x, v],
        "pearson": thermodynamics.pearson(covariance[..., x, x]),
        "local_power": power,
        "power": power.sum(axis=-1),
        "heat_current": heat,
        "modulation_power": 0.5 * machine.squared_frequency_rates(at)[0] * diagonal[..., x],
        "force_power": machine.forces(at)[0] * first[..., v],
        "system_energy": 0.5 * (diagonal[..., v] + squares * diagonal[..., x]),
        "entropy_production": np.where(np.isfinite(entropy), entropy, np.nan),
    }
