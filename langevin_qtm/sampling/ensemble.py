"""An ensemble over time: trajectories from any start through any protocol, moments at equidistant times.

Where nothing repeats, the law of the steps is computed for some intervals, all groups of trajectories are
taken through them, and it is forgotten. Moments at the end of an interval come from conditional means some
steps before it (see `moments`): products of what the state there predicts, plus what is known of the noise
since.
"""

from __future__ import annotations

import time
from functools import partial
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
from langevin_qtm.sampling.checkpoint import Keeper, State, fingerprint, require_no_less, require_same_steps
from langevin_qtm.sampling.ensemble_law import PIECES, Grid, IntervalLaw, interval_laws
from langevin_qtm.sampling.ensemble_start import ensemble_start
from langevin_qtm.sampling.ensemble_steps import Leg, Member, Sight, WorkPath, slopes_of, split, travel
from langevin_qtm.sampling.factors import NEGLIGIBLE, factorised
from langevin_qtm.sampling.noise_filter import NoiseFilter, fit_noise_filter
from langevin_qtm.sampling.normals import LANES, fill_normals, seed_lanes
from langevin_qtm.sampling.preparation import BAND_FACTOR, LOOK_AHEAD, RADIANS_PER_STEP, STEPS_PER_HARMONIC
from langevin_qtm.sampling.rounds import Pace, map_chunks
from langevin_qtm.sampling.settings import SimulateSettings
from langevin_qtm.sampling.statistics import jackknife
from langevin_qtm.sampling.step_law import Layout, substep_edges
from langevin_qtm.schema import assemble, mark_band_dependence
from langevin_qtm.tasks import Engine

BOTTOM = 1e-2  # smallest frequency of the noise over the slowest rate
RATE_SAMPLES = 64
LISTS = ("samples", "works", "errors", "means", "known")  # of the ensemble, in a state of the run
MOST_INTERVALS = 256  # whose laws are in memory at a time
PATH_ARRAYS = ("history", "done", "slope")
EARLIER = "earlier_"


def sample_protocol(
    machine: Machine, settings: SimulateSettings, report: Report, keeper: Keeper, engine: Engine
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
        run.measure(engine, report, keeper)
        report(Progress("evaluate"))
    variables = run.observed() | run.final()
    coordinates: dict[str, np.ndarray] = {"time": grid.outputs}
    if settings.recording.trajectories:
        variables |= run.stored()
        coordinates["trajectory"] = np.arange(settings.recording.trajectories)
    if "trajectory_work" in variables:
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
    """Trajectories through all intervals, and their exact law by the same steps.

    A finished ensemble takes in more trajectories by a passage of their own: nothing that happens to a group
    depends on the others.
    """

    def __init__(self, layout: Layout, grid: Grid, settings: SimulateSettings):
        self.layout, self.grid, self.settings = layout, grid, settings
        self.start = ensemble_start(layout, settings.start, float(grid.edges[0]), grid.longest, grid.substeps)
        rows = 2 * layout.bodies + layout.contacts
        self.earlier = {  # of passages before, (time, trajectory, …)
            "means": np.zeros((len(grid.outputs), 0, rows)),
            "works": np.zeros((len(grid.outputs), 0, layout.bodies)),
        }
        self.samples: list[FloatArray] = []
        self._begin(range(settings.trajectories // LANES))

    def _begin(self, indices: range) -> None:
        """These groups, and the law, at the start of a passage."""
        kept = self.layout.carried
        self.mean, self.covariance = self.start[0].copy(), self.start[1].copy()
        self.coarse = self.covariance[np.ix_(kept, kept)]
        self.errors: list[float] = []
        self.members = [self._member(index) for index in indices]
        self.means: list[FloatArray] = []
        self.works: list[FloatArray] = []
        self.known: list[FloatArray] = []
        self.place = 0  # intervals done

    @property
    def trajectories(self) -> int:
        """Those of this passage and of the ones before."""
        return int(self.earlier["means"].shape[1]) + len(self.members) * LANES

    @property
    def scale(self) -> FloatArray:
        """Standard deviation of every variable, (state,)."""
        return np.asarray(np.sqrt(np.maximum(self.covariance.diagonal(), 1e-300)))

    def _member(self, index: int) -> Member:
        """A group with its random numbers at the start."""
        rng, layout = seed_lanes(self.settings.seed, index), self.layout
        state, first = self._draw(rng), float(self.grid.edges[0])
        recording = self.settings.recording
        path = WorkPath(layout, state, self.grid.longest, first) if recording.work else None
        return Member(rng, state, path, 0 if index else recording.trajectories, layout.bodies)

    def _draw(self, rng: np.ndarray) -> FloatArray:
        """States (carried, lane) from the law at the start."""
        kept = self.layout.carried
        scale = self.scale[kept]
        values, vectors = np.linalg.eigh(self.covariance[np.ix_(kept, kept)] / np.outer(scale, scale))
        root = scale[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
        draws = np.empty(len(kept) * LANES)
        fill_normals(rng, draws)
        return self.mean[kept][:, None] + root @ draws.reshape(len(kept), LANES)

    def measure(self, engine: Engine, report: Report, keeper: Keeper) -> None:
        """Take all trajectories through all intervals, round by round."""
        first = self.members[0].state
        steps = fingerprint([*self.start, first, self.grid.edges, self.grid.substeps])
        state = keeper.recall()
        if state is not None:
            require_same_steps(state["steps"], steps)
            self._restore(state)
        self._pass(engine, report, keeper, steps)
        if self.trajectories < self.settings.trajectories:
            self.earlier, done = self._gathered(), self.trajectories
            self._begin(range(done // LANES, self.settings.trajectories // LANES))
            self._pass(engine, report, keeper, steps, "new trajectories, ")
        keeper.close(lambda: self._state(steps))

    def _pass(
        self, engine: Engine, report: Report, keeper: Keeper, steps: np.ndarray, remark: str = ""
    ) -> None:
        """The groups of this passage from where they are to the end."""
        pace, start = Pace(), float(self.grid.edges[0])
        if not self.means:
            rows, nothing = self._rows(start), np.zeros((len(self.layout.carried),) * 2)
            self._observe(start, [m.see(rows @ m.state) for m in self.members], nothing)
        intervals = [(float(a), float(b)) for a, b in pairwise(self.grid.edges)]
        while self.place < len(intervals):
            count = pace.begin(min(len(intervals) - self.place, MOST_INTERVALS), engine.round_seconds)
            self._round(engine, intervals[self.place : self.place + count])
            pace.end(count)
            self.place += count
            reached = intervals[self.place - 1][1]
            report(Progress("measure", self.place, len(intervals), f"{remark}t = {reached:.4g}"))
            keeper.offer(lambda: self._state(steps))

    def _gathered(self) -> dict[str, FloatArray]:
        """What was seen of all trajectories, (time, trajectory, …)."""
        return {
            name: np.concatenate([before, np.array(getattr(self, name))], axis=1)
            if getattr(self, name)
            else before
            for name, before in self.earlier.items()
        }

    def observed(self) -> dict[str, FloatArray]:
        """Observables with errors over time; works where they are wanted."""
        seen, layout = self._gathered(), self.layout
        results = []
        for t, means, known in zip(self.grid.outputs, seen["means"], self.known, strict=True):
            samples = {"first": means, "second": means[:, :, None] * means[:, None, :] + known}
            values, errors = jackknife(samples, partial(_averages, layout, float(t)))
            results.append({**values, **{f"{name}_se": error for name, error in errors.items()}})
        found = {name: np.array([each[name] for each in results]) for name in results[0]}
        return found | ({"trajectory_work": seen["works"].swapaxes(0, 1)} if self.works else {})

    def _state(self, steps: np.ndarray) -> State:
        """All that the rest of the run depends on."""
        lists = {name: np.array(getattr(self, name)) for name in LISTS}
        arrays = {name: getattr(self, name) for name in ("mean", "covariance", "coarse")}
        members = {name: np.array([getattr(m, name) for m in self.members]) for name in ("rng", "state")}
        paths = [m.path for m in self.members if m.path is not None]
        works = {f"path_{name}": np.array([getattr(p, name) for p in paths]) for name in PATH_ARRAYS}
        earlier = {f"{EARLIER}{name}": values for name, values in self.earlier.items()}
        place = np.array(self.place)
        return {"steps": steps, "place": place, **lists, **arrays, **members, **works, **earlier}

    def _restore(self, state: State) -> None:
        """Go on with the passage of a state, of fewer trajectories than are asked for or as many."""
        self.earlier = {name: state[f"{EARLIER}{name}"] for name in self.earlier}
        done = self.earlier["means"].shape[1] // LANES
        count = done + len(state["rng"])
        require_no_less("trajectories", self.settings.trajectories, count * LANES)
        self._begin(range(done, count))
        self.place = int(state["place"])
        self.mean, self.covariance, self.coarse = state["mean"], state["covariance"], state["coarse"]
        for name in LISTS:
            setattr(self, name, list(state[name]))
        for index, member in enumerate(self.members):
            member.rng, member.state = state["rng"][index], state["state"][index]
            if member.path is not None:
                for name in PATH_ARRAYS:
                    setattr(member.path, name, state[f"path_{name}"][index])

    def _round(self, engine: Engine, intervals: list[tuple[float, float]]) -> None:
        """Law of some intervals, all trajectories through them, and what is seen at their ends."""
        laws = map_chunks(engine, interval_laws, intervals, (self.layout, self.grid))
        prepared = [self._leg(law) for law in laws]
        legs = [leg for leg, _ in prepared]
        found = map_chunks(engine, travel, self.members, legs)
        self.members = [member for member, _ in found]
        seen = zip(*(sights for _, sights in found), strict=True)
        ends = [(law.stop, *each) for law, each in zip(laws, prepared, strict=True)]
        outputs = [(stop, noise) for stop, leg, noise in ends if leg.view is not None]
        for (stop, noise), sights in zip(outputs, seen, strict=True):
            self._observe(stop, list(sights), noise)

    def _leg(self, interval: IntervalLaw) -> tuple[Leg, FloatArray]:
        """The interval for trajectories, and the covariance that conditional means at its end leave out."""
        kept, law = self.layout.carried, interval.law
        jump = self._jump(interval.stop)[np.ix_(kept, kept)]
        self._carry_law(interval, jump)
        noise = np.sqrt(np.maximum(law.covariance.sum(axis=0).max(axis=0).diagonal(), 1e-300))
        total = (self.grid.edges[-1] - self.grid.edges[0]) / self.grid.longest
        factors = factorised(law, np.maximum(self.scale, noise), NEGLIGIBLE / max(1e3, total))
        slopes = slopes_of(self.layout, interval.starts + interval.step / 2)
        early, late = split(factors, slopes, law.steps - interval.ahead)
        ahead = interval.late.then(jump)
        is_output = interval.stop in self.grid.outputs  # exactly: an event may be as close as rounding
        view = self._rows(interval.stop) @ ahead.flow if is_output else None
        changes = not np.array_equal(jump, np.eye(len(kept)))
        return Leg(early, late, view, jump if changes else None), ahead.noise

    def _jump(self, at: float) -> FloatArray:
        """What an event does to the state."""
        changes, later = self.layout.embedding.machine.coupling_jumps(at)
        if self.settings.recording.work and np.any(changes):
            raise InputError(
                f"`solver.recording.work` does not know the work of the coupling that jumps at t = {at:g}; "
                "use a smooth envelope."
            )
        return self.layout.jump(changes, later)

    def _carry_law(self, interval: IntervalLaw, jump: FloatArray) -> None:
        """Law by these steps, and covariance by half as many substeps: their difference is the error."""
        kept, whole = self.layout.carried, interval.whole.then(jump)
        fine = whole.covariance(self.covariance[np.ix_(kept, kept)])
        self.coarse = interval.coarse.then(jump).covariance(self.coarse)
        self.covariance[np.ix_(kept, kept)] = fine
        self.mean[kept] = whole.mean(self.mean[kept])
        positions = slice(0, self.layout.bodies)
        change = np.abs(self.coarse - fine)[positions].max(axis=1)
        self.errors.append(float((change / np.abs(fine)[positions].max(axis=1)).max()))

    def step_error(self) -> float:
        """Largest relative change of covariances when substeps are halved."""
        return max(self.errors, default=0.0)

    def _rows(self, t: float) -> FloatArray:
        """Positions, velocities and forces on the carried variables, (row, carried)."""
        layout, bodies = self.layout, self.layout.bodies
        rows = np.zeros((2 * bodies + layout.contacts, layout.size))
        rows[np.arange(2 * bodies), np.arange(2 * bodies)] = 1.0
        for c in range(layout.contacts):
            rows[2 * bodies + c] = layout.force_row(c, np.array([t]))[0]
        return rows[:, layout.carried]

    def _observe(self, t: float, sights: list[Sight], noise: FloatArray) -> None:
        """Conditional means, and what is known besides; samples and works where wanted."""
        layout, bodies, rows = self.layout, self.layout.bodies, self._rows(t)
        known = rows @ noise @ rows.T
        for c in range(layout.contacts):
            known[bodies : 2 * bodies, 2 * bodies + c] += layout.kicks(c, np.array([t]))[0]
        self.known.append(known)
        self.means.append(np.concatenate([sight.means for sight in sights]))
        if self.settings.recording.trajectories and not self.earlier["means"].shape[1]:
            self.samples.append(sights[0].sample)
        if self.settings.recording.work:
            self.works.append(np.concatenate([s.work for s in sights if s.work is not None]))

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
