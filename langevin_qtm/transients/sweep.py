"""Moment maps from the start of an interval to any times in it, by small steps in one jitted loop.

Steps resolve the rates of the machine (`RADIANS_PER_STEP`), so the vectors Φ(h, s) b(s) are smooth within
one and are interpolated at nine nodes; the noise, however fast, is integrated exactly (`product_weights`).
Between nodes Φ is the fourth-order Magnus exponential

    exp[½δ(G_1 + G_2) - (√3/12) δ² (G_1 G_2 - G_2 G_1)],   G_1, G_2 at the Gauss nodes.

After the start and after jumps, the first steps are short and grow by octaves, since moments then change on
the scale of the noise band. Time integrals use Boole's rule over groups of four steps.

Magnus exponential: Blanes, Casas, Oteo, Ros, Phys. Rep. 470, 151 (2009).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from langevin_qtm.compiled import compiled
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.transients.moment_map import MomentMap
from langevin_qtm.transients.product_weights import NODES, ProductWeights, constant_weights, product_weights
from langevin_qtm.transients.system import MomentSystem

RADIANS_PER_STEP = 0.5
STEPS_PER_OCTAVE = 12
STEPS_PER_CALL = 256
BOOLE = np.array([7.0, 32.0, 12.0, 32.0, 7.0]) * 2 / 45
GROUP = len(BOOLE) - 1
GAUSS = 0.5 + np.array([-1.0, 1.0]) * np.sqrt(3.0) / 6.0
GAPS = np.diff(NODES)


@dataclass(frozen=True)
class Resolution:
    """How finely time is cut.

    Attributes
    ----------
    step : float
        Longest step.
    shortest : float
        Step right after a start or a jump.
    """

    step: float
    shortest: float


def sweep(
    system: MomentSystem, times: FloatArray, after_jump: bool, resolution: Resolution
) -> Iterator[MomentMap]:
    """Maps from times[0] to each of the later times.

    Parameters
    ----------
    system : MomentSystem
    times : (time,) array
        Ascending; nothing may happen between the first and the last that is not smooth.
    after_jump : bool
        Whether times[0] is a start or a jump, after which steps are short.
    resolution : Resolution

    Yields
    ------
    MomentMap
    """
    state = _Prefix(system)
    for start, stop in pairwise(times):
        for left, right in _octaves(start, stop, times[0], resolution) if after_jump else [(start, stop)]:
            limit = max(resolution.shortest, (left - times[0]) / STEPS_PER_OCTAVE) if after_jump else np.inf
            for cut, steps in _calls(left, right, min(limit, resolution.step)):
                state.advance(*cut, steps)
        yield state.map()


def _octaves(start: float, stop: float, jump: float, resolution: Resolution) -> Iterator[tuple[float, float]]:
    """The interval cut where the distance from the jump has doubled."""
    edges = jump + STEPS_PER_OCTAVE * resolution.shortest * 2.0 ** np.arange(64)
    inner = edges[(edges > start) & (edges < stop) & (edges < jump + 2 * STEPS_PER_OCTAVE * resolution.step)]
    return pairwise([start, *inner, stop])


def _calls(left: float, right: float, longest: float) -> Iterator[tuple[tuple[float, float], int]]:
    """Pieces of the interval for one call of the kernel each, and their number of steps, a multiple of 4."""
    groups = max(1, int(np.ceil((right - left) / longest / GROUP)))
    calls = -(-groups * GROUP // STEPS_PER_CALL)
    for cut in pairwise(np.linspace(left, right, calls + 1)):
        yield cut, GROUP * -(-groups // calls)


class _Prefix:
    """The map from the start to the current time, in arrays that the kernel updates in place."""

    def __init__(self, system: MomentSystem):
        self.system = system
        blank = MomentMap.identity(system.size, system.amplitudes, len(system.integrals))
        self.arrays = [array.copy() for array in list(vars(blank).values())[1:]]
        self._weights: dict[float, list[ProductWeights]] = {}

    def map(self) -> MomentMap:
        """A copy."""
        return MomentMap(self.system.amplitudes, *(array.copy() for array in self.arrays))

    def advance(self, left: float, right: float, steps: int) -> None:
        """Equal steps from left to right."""
        system, step = self.system, (right - left) / steps
        starts = left + step * np.arange(steps)
        middles = (NODES[:-1, None] + GAPS[:, None] * GAUSS).ravel() * step
        nodes = (starts[:, None] + NODES * step)[:, :-1].ravel()
        end = np.nextafter(right, left)  # at a jump, the value before it
        ends = np.append(starts, end)
        count, sources = len(NODES), len(system.whites)
        inputs = system.inputs(np.append(nodes, end))
        spread = np.empty((steps, count, sources, system.size))
        spread[:, :-1] = inputs[:-1].reshape(steps, count - 1, sources, system.size)
        spread[:-1, -1], spread[-1, -1] = spread[1:, 0], inputs[-1]
        generators = system.generator((starts[:, None] + middles).ravel())
        generators = generators.reshape(steps, count - 1, 2, system.size, system.size)
        weights = self.weights(step)
        quadrature = step * np.tile(BOOLE[:-1], steps // GROUP)
        quadrature[GROUP::GROUP] *= 2
        quadrature = np.append(quadrature, step * BOOLE[-1])
        left_rows, right_rows = system.integrands(ends)
        _advance(
            *self.arrays,
            system.amplitudes,
            system.source_of,
            step,
            generators,
            spread,
            np.concatenate([w.decay for w in weights]),
            np.concatenate([w.onward for w in weights]).T.copy(),
            np.concatenate([w.inward for w in weights]).T.copy(),
            np.stack([w.within for w in weights]),
            quadrature,
            left_rows,
            right_rows,
            system.integral_sources,
            system.integral_gains,
            system.whites,
            inputs_at(spread),
        )

    def weights(self, step: float) -> list[ProductWeights]:
        """Product weights of every source, kept for steps that recur."""
        key = float(f"{step:.12e}")
        if key not in self._weights:
            by_kernel = {id(kernel): product_weights(kernel, step) for kernel in self.system.kernels}
            thermal = [by_kernel[id(kernel)] for kernel in self.system.kernels]
            self._weights[key] = [*thermal, constant_weights(step)]
        return self._weights[key]


def inputs_at(spread: FloatArray) -> FloatArray:
    """Input vectors at the ends of the steps, (step + 1, source, state)."""
    return np.concatenate([spread[:, 0], spread[-1:, -1]])


@compiled
def _multiply(left, right, out):
    """out = left right."""
    for i in range(left.shape[0]):
        for j in range(right.shape[1]):
            out[i, j] = 0.0
        for k in range(left.shape[1]):
            factor = left[i, k]
            for j in range(right.shape[1]):
                out[i, j] += factor * right[k, j]


@compiled
def _from_left(factor, array, work):
    """array = factor array."""
    _multiply(factor, array, work)
    for i in range(array.shape[0]):
        for j in range(array.shape[1]):
            array[i, j] = work[i, j]


@compiled
def _exponential(matrix, work, term, out):
    """out = exp(matrix) by Taylor series of order 8 after scaling below 1/8, squared back.

    Until the end, out holds exp - 1, which keeps the digits of slow rates.
    """
    size = matrix.shape[0]
    norm = 0.0
    for i in range(size):
        row = 0.0
        for j in range(size):
            row += abs(matrix[i, j])
        norm = max(norm, row)
    squarings, scale = 0, 1.0
    while norm > 0.125:
        norm *= 0.5
        scale *= 0.5
        squarings += 1
    for i in range(size):
        for j in range(size):
            out[i, j] = term[i, j] = scale * matrix[i, j]
    for order in range(2, 9):
        _multiply(term, matrix, work)
        for i in range(size):
            for j in range(size):
                term[i, j] = work[i, j] * scale / order
                out[i, j] += term[i, j]
    for _ in range(squarings):
        _multiply(out, out, work)
        for i in range(size):
            for j in range(size):
                out[i, j] = 2.0 * out[i, j] + work[i, j]
    for i in range(size):
        out[i, i] += 1.0


@compiled
def _magnus(first, second, gap, work, out):
    """Magnus exponent of a gap from the generators at its two Gauss nodes."""
    _multiply(first, second, work)
    _multiply(second, first, out)
    size, square = len(out), np.sqrt(3.0) / 12 * gap * gap
    for i in range(size):
        for j in range(size):
            commutator = work[i, j] - out[i, j]
            out[i, j] = 0.5 * gap * (first[i, j] + second[i, j]) - square * commutator


@compiled
def _add_integrals(
    weight, left, right, sources, gains, whites, inputs, amplitudes, source_of,
    flow, decay, onward, added, noise, quadratic, linear, constant,
):  # fmt: skip
    """Add weight times <(left·z)(right·z)> + gain <(left·z) η> at the current time to the integrals."""
    size, poles = onward.shape
    ahead_u, ahead_v = np.empty(size), np.empty(size)
    by_u, by_v = np.empty(poles), np.empty(poles)
    for f in range(left.shape[0]):
        u, v, source, gain = left[f], right[f], sources[f], gains[f]
        ahead_u[:], ahead_v[:], by_u[:], by_v[:] = 0.0, 0.0, 0.0, 0.0
        total = 0.0
        for i in range(size):
            total += 0.5 * gain * whites[source] * u[i] * inputs[source, i]
            for j in range(size):
                ahead_u[j] += u[i] * flow[i, j]
                ahead_v[j] += v[i] * flow[i, j]
                total += u[i] * noise[i, j] * v[j]
            for j in range(poles):
                by_u[j] -= weight * amplitudes[j] * u[i] * onward[i, j]
                by_v[j] -= weight * amplitudes[j] * v[i] * onward[i, j]
                if source_of[j] == source:
                    total -= gain * amplitudes[j] * u[i] * added[i, j]
        for j in range(poles):
            if source_of[j] == source:
                by_v[j] -= weight * gain * amplitudes[j] * decay[j]
        constant[f] += weight * total
        for i in range(size):
            for j in range(size):
                quadratic[f, i, j] += 0.5 * weight * (ahead_u[i] * ahead_v[j] + ahead_v[i] * ahead_u[j])
            for j in range(poles):
                linear[f, i, j] += ahead_u[i] * by_v[j] + ahead_v[i] * by_u[j]


@compiled
def _look_ahead(generators, inputs, step, work, term, exponent, micro, ahead, vectors):
    """Φ(h, 0), and v_q = Φ(h, s_q) b(s_q) of every source, from the end of the step backwards."""
    nodes, sources, size = vectors.shape
    ahead[:] = 0.0
    for i in range(size):
        ahead[i, i] = 1.0
    for q in range(nodes - 1, -1, -1):
        if q < nodes - 1:
            _magnus(generators[q, 0], generators[q, 1], GAPS[q] * step, work, exponent)
            _exponential(exponent, work, term, micro)
            _multiply(ahead, micro, work)
            for i in range(size):
                for j in range(size):
                    ahead[i, j] = work[i, j]
        for s in range(sources):
            for i in range(size):
                total = 0.0
                for j in range(size):
                    total += ahead[i, j] * inputs[q, s, j]
                vectors[q, s, i] = total


@compiled
def _add_noise(vectors, within, amplitudes, source_of, onward_weights, added, noise):
    """Add to Q what noise within the step does, alone and with what came before (c, moved by Φ)."""
    nodes, sources, size = vectors.shape
    poles = len(amplitudes)
    before = np.zeros((sources, size))
    for q in range(nodes):
        before[:] = 0.0
        for i in range(size):
            for j in range(poles):
                before[source_of[j], i] += amplitudes[j] * onward_weights[q, j] * added[i, j]
        for s in range(sources):
            for i in range(size):
                for j in range(size):
                    crossed = vectors[q, s, i] * before[s, j]
                    noise[i, j] -= crossed
                    noise[j, i] -= crossed
            for r in range(nodes):
                weight = within[s, q, r]
                for i in range(size):
                    for j in range(size):
                        noise[i, j] += weight * vectors[q, s, i] * vectors[r, s, j]


@compiled
def _add_correlations(vectors, source_of, fading, onward_weights, inward_weights, decay, onward, added):
    """Add the noise within the step to Y and c."""
    nodes, _, size = vectors.shape
    for i in range(size):
        for j in range(len(fading)):
            out, back = 0.0, 0.0
            for q in range(nodes):
                value = vectors[q, source_of[j], i]
                out += onward_weights[q, j] * value
                back += inward_weights[q, j] * value
            onward[i, j] += decay[j] * out
            added[i, j] = fading[j] * added[i, j] + back


@compiled
def _advance(
    flow, decay, onward, added, noise, quadratic, linear, constant,
    amplitudes, source_of, step, generators, inputs, fading, onward_weights, inward_weights, within,
    quadrature, left, right, integral_sources, integral_gains, whites, inputs_at_ends,
):  # fmt: skip
    """Compose the map with that of each step; see `MomentMap`, `MomentSystem`, `ProductWeights`."""
    steps = len(generators)
    size, poles = onward.shape
    work, term, exponent = np.empty((size, size)), np.empty((size, size)), np.empty((size, size))
    micro, ahead = np.empty((size, size)), np.empty((size, size))
    wide, vectors = np.empty((size, poles)), np.empty(inputs.shape[1:])
    for k in range(steps + 1):
        _add_integrals(
            quadrature[k], left[k], right[k], integral_sources, integral_gains, whites, inputs_at_ends[k],
            amplitudes, source_of, flow, decay, onward, added, noise, quadratic, linear, constant,
        )  # fmt: skip
        if k == steps:
            break
        _look_ahead(generators[k], inputs[k], step, work, term, exponent, micro, ahead, vectors)
        _from_left(ahead, flow, work)
        _from_left(ahead, onward, wide)
        _from_left(ahead, added, wide)
        _multiply(ahead, noise, work)
        _multiply(work, ahead.T, noise)
        _add_noise(vectors, within, amplitudes, source_of, onward_weights, added, noise)
        _add_correlations(vectors, source_of, fading, onward_weights, inward_weights, decay, onward, added)
        decay *= fading
