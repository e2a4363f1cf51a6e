"""The time loop that resolves everything: 64 trajectories of the whole state.

For stored samples and for ensembles over time. A step draws its normals, advances z and filter states (see
`factors`), and adds work: through one coupling -ġ x F integrated over the step, with the exact integral of F
and x at the middle of the step from four neighbours, x = [7(x_k + x_{k+1}) - (x_{k-1} + x_{k+2})]/12, whose
weights make the product right to fourth order in the step for slow x; so it is done one step late.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from langevin_qtm.compiled import compiled, fma
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.factors import StepFactors
from langevin_qtm.sampling.normals import LANES, fill_rows
from langevin_qtm.sampling.row_maps import BandedMaps, apply, banded, whole_blocks, zero_rows


@dataclass
class Record:
    """Room for samples of a path, every `stride`-th step of its first lanes.

    Attributes
    ----------
    samples : (sample, row, lane) array
        Rows of z, force integrals of the step before, positions at its start; filled while there is room.
    stride : int
    """

    samples: FloatArray
    stride: int

    def __post_init__(self) -> None:
        self.counts = np.array([0, 0, self.stride, self.samples.shape[2]])


NOTHING = Record(np.zeros((0, 1, 1)), 1)


@dataclass(frozen=True)
class PathSteps:
    """Steps as the kernel takes them: arguments of `run_path`, and rows in all."""

    onward: BandedMaps
    fresh: BandedMaps
    decay: FloatArray
    normals: int
    room: int


def path_steps(factors: StepFactors) -> PathSteps:
    """Steps of factors, made once for all groups that go through them."""
    dense, carried = factors.drift.shape[1:]
    sources = whole_blocks(carried + factors.normals)
    return PathSteps(
        banded(np.concatenate([factors.drift, factors.noise], axis=2), sources),
        banded(factors.filter_noise[None], whole_blocks(factors.normals)),
        factors.decay,
        factors.normals,
        sources + max(dense, len(factors.decay)),
    )


def advance(
    steps: PathSteps,
    state: FloatArray,
    rng: np.ndarray,
    slopes: FloatArray,
    history: FloatArray,
    work: FloatArray,
    record: Record = NOTHING,
) -> FloatArray:
    """One group, (carried, lane), through all steps; other arguments as in `run_path`."""
    carried = len(state)
    rows = zero_rows(steps.room).reshape(-1, LANES)
    rows[:carried] = state
    run_path(
        rng,
        rows.reshape(-1),
        carried,
        steps.normals,
        steps.onward.matrices,
        steps.onward.bands,
        steps.fresh.matrices,
        steps.fresh.bands,
        steps.decay,
        slopes,
        history,
        work,
        record.samples,
        record.counts,
    )
    return rows[:carried]


@compiled
def run_path(
    rng,
    state,
    carried,
    normals,
    maps,
    bands,
    fresh,
    fresh_bands,
    decay,
    slopes,
    history,
    work,
    record,
    recorded,
):
    """Advance one group through all steps.

    Parameters
    ----------
    rng : (4 * LANES,) uint64
        Generator states, advanced.
    state : ((source + rest) * LANES,)
        Rows of z and q, normals of a step, zeros; then room for what comes out of a step.
    carried, normals : int
        Number of rows of z and q, and of normals.
    maps, bands
        Banded maps from sources to z' and the force integrals, (phase, dense, source).
    fresh, fresh_bands
        Banded map from normals to filter states, (1, filter, normal).
    decay : (filter,) array
        What is left of a filter state after a step.
    slopes : (phase, contact, oscillator)
        ġ in the middle of the step before each step.
    history : ((4 oscillator + contact) * LANES,)
        Positions at four neighbouring steps, and the force integrals of the step between the middle two.
    work : (oscillator * LANES,)
        Work done, added to.
    record : (sample, row, lane) array
        See `Record`; filled from `recorded[0]` on.
    recorded : (4,) int array
        Samples stored, steps until the next one, steps between samples, lanes stored.
    """
    phases, sources = maps.shape[0], maps.shape[2]
    contacts, bodies = slopes.shape[1:]
    dynamic = carried - decay.shape[0]
    first = np.int64(0)  # see `compiled`
    for k in range(phases):
        if recorded[0] < record.shape[0]:
            if recorded[1] == 0:
                _store(record[recorded[0]], recorded[3], state, history, dynamic, contacts, bodies)
                recorded[0] += 1
                recorded[1] = recorded[2]
            recorded[1] -= 1
        fill_rows(rng, state, carried, normals)
        apply(state, sources, maps, k, bands, first)
        for l in range(bodies):
            _copy(history, 3 * bodies + l, state, sources + l)
        for l in range(bodies):
            _add_work(work, l, slopes, k, history)
        for row in range(3 * bodies):
            _copy(history, row, history, bodies + row)
        for c in range(contacts):
            _copy(history, 4 * bodies + c, state, sources + dynamic + c)
        for i in range(dynamic):
            _copy(state, i, state, sources + i)
        apply(state, sources, fresh, first, fresh_bands, carried)
        for j in range(decay.shape[0]):
            _decay_and_add(state, dynamic + j, decay[j], sources + j)


@compiled
def _copy(target, to, source, index):
    one, other = target[to * LANES : (to + 1) * LANES], source[index * LANES : (index + 1) * LANES]
    for lane in range(LANES):
        one[lane] = other[lane]


@compiled
def _decay_and_add(state, index, factor, added):
    target, fresh = state[index * LANES : (index + 1) * LANES], state[added * LANES : (added + 1) * LANES]
    for lane in range(LANES):
        target[lane] = fma(factor, target[lane], fresh[lane])


@compiled
def _add_work(work, body, slopes, k, history):
    """Work of the step before the present one through the couplings of one oscillator."""
    contacts, bodies = slopes.shape[1:]
    target = work[body * LANES : (body + 1) * LANES]
    older = history[body * LANES : (body + 1) * LANES]
    old = history[(bodies + body) * LANES : (bodies + body + 1) * LANES]
    new = history[(2 * bodies + body) * LANES : (2 * bodies + body + 1) * LANES]
    newer = history[(3 * bodies + body) * LANES : (3 * bodies + body + 1) * LANES]
    for c in range(contacts):
        gain = slopes[k, c, body] / 12.0
        force = history[(4 * bodies + c) * LANES : (4 * bodies + c + 1) * LANES]
        for lane in range(LANES):
            twelvefold = 7.0 * (old[lane] + new[lane]) - (older[lane] + newer[lane])
            target[lane] = fma(-gain * twelvefold, force[lane], target[lane])


@compiled
def _store(sample, lanes, state, history, dynamic, contacts, bodies):
    """Sample at the start of the present step, see `Record`."""
    for lane in range(lanes):
        for i in range(dynamic):
            sample[i, lane] = state[i * LANES + lane]
        for c in range(contacts):
            sample[dynamic + c, lane] = history[(4 * bodies + c) * LANES + lane]
        for l in range(bodies):
            sample[dynamic + contacts + l, lane] = history[(bodies + l) * LANES + lane]
