r"""Exact mean and variance of the work done in whole drive periods of the periodic steady state.

The work W_l = -∫dt Σ_c ġ_{c,l} x_l F_c is quadratic in Gaussian variables. By Wick's theorem the symmetrised
covariance of two powers is a product of two-time correlations, symmetrised (S) and of commutators (A),

    c_lm(t', t) = Σ_cd ġ_{d,m}(t') ġ_{c,l}(t) [S_xx S_FF + S_xF S_Fx - A_xx A_FF - A_xF A_Fx],  t' > t,

and Var W over n periods is its double integral. Both correlations of z = (x, v, memories) with an output
o(t), x_l or F_c, move forward in t' by the maps that move the moments (`moment_map`):

    S(z(t'), o(t)) = Φ(t', t) S(z(t), o(t)) - Σ_j κ_j Y_j(t', t) <η_j o>,
    A(z(t'), o(t)) = <[z(t'), o(t)]>/2i = -½ Φ(t', t) k_o(t).

A is minus half the response to a pull on o: k_x = e_v kicks the velocity; a pull on F_c displaces y_c inside
the reservoir, ẏ_c -> ẏ_c + δ'(t), so that k_F = G B - Ḃ with B the gain of ẏ_c on z. A reservoir without
memory has white parts at t' = t; they add ∫dt Σ_c γ_c ġ_l ġ_m (D S_xx - ½ δ_lm).

Lags below a fraction of the period are integrated by Gauss rules on octaves down to the noise band, the
others by an end-corrected trapezoidal rule; over the phase t everything is periodic, and incomplete periods
are integrals of its Fourier series.
"""

from __future__ import annotations

import time as clock
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import bernoulli
from threadpoolctl import threadpool_limits

from langevin_qtm.errors import InputError
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.machine import Machine
from langevin_qtm.transients.initial import periodic_moments
from langevin_qtm.transients.moment_map import MomentMap, Moments
from langevin_qtm.transients.product_weights import NODES
from langevin_qtm.transients.sweep import GAPS, GAUSS, Resolution, _advance, _Prefix, sweep
from langevin_qtm.transients.system import BAND_FACTOR, MomentSystem
from langevin_qtm.transients.transient import _prepared

PHASES_PER_HARMONIC = 32
RADIANS_PER_LAG = 0.15  # of the fastest oscillation
SHORT = 8  # lags of the uniform grid that are replaced by Gauss rules on octaves
POINTS_PER_OCTAVE = 8
SHORTEST = 0.1  # first octave over the inverse largest noise rate
ORDER = 8  # of the end corrections
NEGLIGIBLE = 1e-13  # covariance over its largest value, at which lags end
PARTS = ("cnumber", "commutator")


def work_cumulants(machine: Machine, periods: int | Iterable[int]) -> xr.Dataset:
    """Exact first and second cumulants of the work in n periods of the periodic steady state.

    Parameters
    ----------
    machine : Machine
    periods : int or sequence of int
        n >= 1.

    Returns
    -------
    xarray.Dataset
        `mean`, `variance_cnumber`, `variance_commutator` and their sum `variance_quantum`, dims (periods,
        channel): every oscillator and, last, "total". Sampled trajectories have the c-number variance. Each
        has a companion `<name>_error`: the change when phases and lags are thinned by two, plus the error
        of the noise kernels (for a driven reservoir without memory, of their finite band).

    Raises
    ------
    InputError
        For periods that are not positive integers, and for machines with envelopes, chirp, frequency
        modulation or forces.
    UnstableMachineError
        When there is no periodic steady state.
    NotConvergedError
        When a noise kernel misses its tolerance.

    Examples
    --------
    >>> from langevin_qtm import Drive, DrudeLorentz, Reservoir
    >>> bath = DrudeLorentz(gamma=0.1, cutoff=5.0)
    >>> machine = Machine(
    ...     frequencies={"A": 1.0},
    ...     drive_frequency=1.3,
    ...     reservoirs=[
    ...         Reservoir(
    ...             name="driven", temperature=1.0, spectral_density=bath, coupling={"A": Drive.cosine()}
    ...         ),
    ...         Reservoir(name="static", temperature=1.0, spectral_density=bath),
    ...     ],
    ... )
    >>> found = work_cumulants(machine, [1, 10])
    >>> bool((found.variance_quantum > 0).all())
    True
    """
    counts = _checked(periods)
    machine.require_bare_period("work_cumulants")
    began = clock.perf_counter()
    with threadpool_limits(1):
        system, resolution = _prepared(machine, 0.0, machine.period)
        correlations = _Correlations(system, resolution)
        mean, fine, coarse = correlations.cumulants(counts)
    fit = max(kernel.error for kernel in system.kernels)
    if not all(system.embedding.memories[c].size for c in correlations.driven):
        fit += 1 / BAND_FACTOR  # noise beyond the band, of which white forces have much
    dims = ("periods", "channel")
    variables: dict[str, tuple[tuple[str, str], FloatArray]] = {
        "mean": (dims, np.outer(counts, mean)),
        "mean_error": (dims, np.outer(counts, fit * np.abs(mean) + 1e-10 * np.abs(mean).max())),
    }
    for index, part in enumerate(PARTS):
        error = np.abs(fine[index] - coarse[index]) + fit * np.abs(fine[index])
        variables[f"variance_{part}"] = dims, fine[index]
        variables[f"variance_{part}_error"] = dims, error
    variables["variance_quantum"] = dims, fine.sum(axis=0)
    both = [variables[f"variance_{part}_error"][1] for part in PARTS]
    variables["variance_quantum_error"] = dims, both[0] + both[1]
    attrs = {
        "method": "work_cumulants",
        "noise_fit_error": fit,
        "phases": correlations.count,
        "wall_seconds": clock.perf_counter() - began,
    }
    coords = {"periods": counts, "channel": [*machine.oscillators, "total"]}
    return xr.Dataset(variables, coords, attrs)


def _checked(periods: int | Iterable[int]) -> FloatArray:
    counts = np.atleast_1d(np.asarray(periods if np.isscalar(periods) else list(periods)))  # type: ignore[arg-type]
    if counts.ndim != 1 or not len(counts) or counts.dtype.kind not in "iu" or counts.min() < 1:
        raise InputError(f"`periods` = {periods!r} must be one or more positive whole numbers.")
    return counts


@dataclass(frozen=True)
class _Steps:
    """Steps over lags from any phase; lags, and with them the weights of the noise, are shared by all.

    Attributes
    ----------
    system : MomentSystem
    starts, lengths : (step,) arrays
        Lag at the start of each step, and its length.
    ends : (lag,) int array
        Steps to each of the lags asked for.
    """

    system: MomentSystem
    starts: FloatArray
    lengths: FloatArray
    ends: NDArray[np.intp]

    @classmethod
    def to(cls, system: MomentSystem, lags: FloatArray, longest: float) -> _Steps:
        """Steps from 0 to ascending lags."""
        gaps = np.diff(lags, prepend=0.0)
        counts = np.maximum(1, np.ceil(gaps / longest - 1e-9)).astype(int)
        lengths = np.repeat(gaps / counts, counts)
        return cls(system, np.cumsum(lengths) - lengths, lengths, np.cumsum(counts))

    @cached_property
    def weights(self) -> list[tuple[FloatArray, ...]]:
        """What `sweep` wants to know of the noise, for every step."""
        prefix = _Prefix(self.system)
        found: list[tuple[FloatArray, ...]] = []
        for length in self.lengths:
            weights = prefix.weights(float(length))
            found.append(
                (
                    np.concatenate([w.decay for w in weights]),
                    np.concatenate([w.onward for w in weights]).T.copy(),
                    np.concatenate([w.inward for w in weights]).T.copy(),
                    np.stack([w.within for w in weights]),
                )
            )
        return found

    def maps(self, origin: float) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Φ and Y from the time `origin` to every lag."""
        system, size = self.system, self.system.size
        starts, lengths = origin + self.starts[:, None], self.lengths[:, None]
        inputs = system.inputs((starts + NODES * lengths).ravel())
        inputs = inputs.reshape(len(starts), len(NODES), -1, size)
        middles = (NODES[:-1, None] + GAPS[:, None] * GAUSS).ravel()
        generators = system.generator((starts + middles * lengths).ravel())
        generators = generators.reshape(len(starts), len(GAPS), 2, size, size)
        blank = MomentMap.identity(size, system.amplitudes, 0)
        arrays = [array.copy() for array in list(vars(blank).values())[1:]]
        no_rows, none = np.zeros((2, 0, size)), np.zeros(0)
        for k, step in enumerate(self.lengths):
            fading, onward, inward, within = self.weights[k]
            _advance(
                *arrays, system.amplitudes, system.source_of, step,
                generators[k : k + 1], inputs[k : k + 1], fading, onward, inward, within,
                np.zeros(2), no_rows, no_rows, none.astype(np.intp), none, system.whites,
                inputs[k, [0, -1]],
            )  # fmt: skip
            for _ in range(np.count_nonzero(self.ends == k + 1)):
                yield arrays[0], arrays[2]


@dataclass(frozen=True)
class _Correlations:
    """Two-time correlations of positions and driven reservoir forces in the periodic steady state."""

    system: MomentSystem
    resolution: Resolution

    @cached_property
    def count(self) -> int:
        """Phases, and lags, in a period: a multiple of 8."""
        machine = self.system.machine
        times = machine.period * np.arange(16 * machine.order) / (16 * machine.order)
        rates = np.linalg.eigvals(self.system.generator(times))
        fastest = np.abs(rates.imag).max() + machine.angular_frequency * machine.order
        lags = fastest * machine.period / RADIANS_PER_LAG / 8
        return 8 * int(np.ceil(max(PHASES_PER_HARMONIC * machine.order / 8, min(lags, 64))))

    @cached_property
    def times(self) -> FloatArray:
        """Phases as times."""
        return self.system.machine.period * np.arange(self.count) / self.count

    @property
    def lag(self) -> float:
        """Spacing of the uniform grid of lags."""
        return self.system.machine.period / self.count

    @cached_property
    def driven(self) -> list[int]:
        """Contacts that do work."""
        return [c for c, contact in enumerate(self.system.machine.contacts) if contact.is_driven]

    @cached_property
    def maps(self) -> list[MomentMap]:
        """From every phase to the next."""
        edges = np.append(self.times, self.system.machine.period)
        found = []
        for ends in pairwise(edges):
            (one,) = sweep(self.system, np.array(ends), False, self.resolution)
            found.append(one)
        return found

    @cached_property
    def moments(self) -> list[Moments]:
        """At every phase, and at the end of the period, with the work done since its start."""
        period = self.maps[0]
        for later in self.maps[1:]:
            period = period.then(later)
        found = [periodic_moments(period)]
        for one in self.maps:
            found.append(one.apply(found[-1]))
        return found

    def mean(self) -> FloatArray:
        """Work of one period, channels."""
        work = np.zeros(self.system.bodies)
        for value, (kind, l, _) in zip(self.moments[-1].integrals, self.system.integrals, strict=True):
            if kind == "work":
                work[l] += value
        return np.append(work, work.sum())

    def gains(self, t: FloatArray) -> FloatArray:
        """-ġ of driven contacts, (time, contact, oscillator)."""
        contacts = self.system.machine.contacts
        return -np.stack([contacts[c].coupling_rates(t) for c in self.driven], axis=1)

    @cached_property
    def gains_at_phases(self) -> FloatArray:
        """`gains` at every phase."""
        return self.gains(self.times)

    def rows(self, t: FloatArray) -> FloatArray:
        """Positions, then driven forces without their white part, on z: (time, output, state)."""
        bodies, embedding = self.system.bodies, self.system.embedding
        rows = np.zeros((len(t), bodies + len(self.driven), self.system.size))
        rows[:, np.arange(bodies), np.arange(bodies)] = 1.0
        for place, c in enumerate(self.driven):
            rows[:, bodies + place] = embedding.force_row(c, t)
        return rows

    @cached_property
    def whites(self) -> FloatArray:
        """Gain of the noise η_j on each output, (output, pole)."""
        gains = np.zeros((self.system.bodies + len(self.driven), len(self.system.amplitudes)))
        for place, c in enumerate(self.driven):
            gain = self.system.embedding.memories[c].white_gain
            gains[self.system.bodies + place, self.system.poles_of(c)] = gain
        return gains

    @cached_property
    def remembered(self) -> FloatArray:
        """<η_j o> at every phase, (phase, pole, output)."""
        rows = self.rows(self.times)
        noise = np.array([m.correlations for m in self.moments[:-1]])
        return (rows @ noise + self.whites).swapaxes(1, 2)

    @cached_property
    def start(self) -> FloatArray:
        """S, then A, of z just after t with the outputs at t: (phase, state, 2 output)."""
        second = np.array([m.second for m in self.moments[:-1]])
        noise = np.array([m.correlations for m in self.moments[:-1]])
        symmetric = second @ self.rows(self.times).swapaxes(1, 2)
        inputs, amplitudes = self.system.inputs(self.times), self.system.amplitudes
        for place, c in enumerate(self.driven):
            gain = self.system.embedding.memories[c].white_gain
            poles = self.system.poles_of(c)
            seen = self.system.whites[c] * inputs[:, c] - noise[:, :, poles] @ amplitudes[poles]
            symmetric[:, :, self.system.bodies + place] += gain * seen
        return np.concatenate([symmetric, -0.5 * self._kicks()], axis=2)

    def _kicks(self) -> FloatArray:
        """k_o, (phase, state, output)."""
        bodies, size, embedding = self.system.bodies, self.system.size, self.system.embedding
        kicks = np.zeros((self.count, size, bodies + len(self.driven)))
        kicks[:, bodies + np.arange(bodies), np.arange(bodies)] = 1.0
        generator = self.system.generator(self.times)
        for place, c in enumerate(self.driven):
            memory, contact = embedding.memories[c], self.system.machine.contacts[c]
            gain, change = np.zeros((2, self.count, size))
            gain[:, bodies : 2 * bodies] = -memory.friction * contact.couplings(self.times)
            change[:, bodies : 2 * bodies] = -memory.friction * contact.coupling_rates(self.times)
            gain[:, embedding.memory_slices[c]] = memory.velocity_gain
            kicks[:, :, bodies + place] = (generator @ gain[..., None])[..., 0] - change
        return kicks

    def instant(self) -> FloatArray:
        """White parts, integrated over both times, (part, phase, channel)."""
        bodies = self.system.bodies
        parts = np.zeros((2, self.count, bodies, bodies))
        gains = self.gains_at_phases
        positions = np.array([m.second[:bodies, :bodies] for m in self.moments[:-1]])
        for place, c in enumerate(self.driven):
            friction = self.system.embedding.memories[c].white_gain ** 2
            both = friction * gains[:, place, :, None] * gains[:, place, None, :]
            parts[0] += self.system.whites[c] * both * positions
            parts[1] -= 0.5 * both * np.eye(bodies)
        return _channels(parts)

    def covariance(
        self, rows: FloatArray, after: FloatArray, columns: FloatArray, decay: FloatArray
    ) -> FloatArray:
        """c(t', t) at one lag, (part, phase, channel).

        Parameters
        ----------
        rows, after : arrays
            `rows` and `gains` at t'.
        columns : (phase, state, 2 output) array
            S and A of z(t') with the outputs at t.
        decay : (pole,) array
            -κ_j e^{-b_j (t' - t)}.
        """
        bodies, outputs = self.system.bodies, len(self.whites)
        seen = rows @ columns
        seen[..., :outputs] += (self.whites * decay) @ self.remembered
        before, parts = self.gains_at_phases, []
        for sign, both in ((1.0, seen[..., :outputs]), (-1.0, seen[..., outputs:])):
            xx, ff = both[:, :bodies, :bodies], both[:, bodies:, bodies:]
            xf, fx = both[:, :bodies, bodies:], both[:, bodies:, :bodies]
            direct = xx * (after.swapaxes(1, 2) @ ff @ before)
            crossed = (xf @ before) * (after.swapaxes(1, 2) @ fx)
            parts.append(sign * (direct + crossed))
        return _channels(np.array(parts))

    def short_lags(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Nodes and weights on [0, SHORT lags], c there, and the columns S, A at the end."""
        top, fastest = SHORT * self.lag, max(k.rates.max() for k in self.system.kernels)
        octaves = max(1, int(np.ceil(np.log2(top * fastest / SHORTEST))))
        edges = np.append(0.0, top * 0.5 ** np.arange(octaves, -1, -1))
        points, weights = np.polynomial.legendre.leggauss(POINTS_PER_OCTAVE)
        half = np.diff(edges)[:, None] / 2
        nodes = (edges[:-1, None] + half * (points + 1)).ravel()
        steps = _Steps.to(self.system, np.append(nodes, top), self.resolution.step)
        columns = np.array([self._reached(phase, steps) for phase in range(self.count)])
        rates = self._rates()
        found = [
            self.covariance(
                self.rows(self.times + tau),
                self.gains(self.times + tau),
                columns[:, i],
                -self.system.amplitudes * np.exp(-rates * tau),
            )
            for i, tau in enumerate(nodes)
        ]
        return nodes, (half * weights).ravel(), np.array(found), columns[:, -1]

    def _rates(self) -> FloatArray:
        return np.append(np.concatenate([k.rates for k in self.system.kernels]), 0.0)

    def _reached(self, phase: int, steps: _Steps) -> FloatArray:
        """Columns after each lag from one phase, (lag, state, 2 output)."""
        noise, found = self.system.amplitudes[:, None] * self.remembered[phase], []
        for flow, onward in steps.maps(float(self.times[phase])):
            columns = flow @ self.start[phase]
            columns[:, : len(self.whites)] -= onward @ noise
            found.append(columns)
        return np.array(found)

    def long_lags(self, columns: FloatArray) -> Iterator[FloatArray]:
        """c at the uniform lags from SHORT on."""
        flows = np.array([m.flow for m in self.maps])
        onward = np.array([m.onward for m in self.maps])
        outputs, rates, place = len(self.whites), self._rates(), np.arange(self.count)
        rows = self.rows(self.times)
        for index in range(SHORT, 2**62):
            decay = -self.system.amplitudes * np.exp(-rates * self.lag * index)
            here = (place + index) % self.count
            yield self.covariance(rows[here], self.gains_at_phases[here], columns, decay)
            columns = flows[here] @ columns
            alive = np.exp(-rates * self.lag * index) > 1e-17
            columns[..., :outputs] += (onward[here][:, :, alive] * decay[alive]) @ self.remembered[:, alive]

    def cumulants(self, counts: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Mean of one period; variances (part, periods, channel), and with phases and lags thinned by two."""
        mean, channels = self.mean(), self.system.bodies + 1
        if not self.driven:
            nothing = np.zeros((2, len(counts), channels))
            return mean, nothing, nothing
        nodes, weights, short, columns = self.short_lags()
        long, largest, last = [], np.abs(short).max(axis=(0, 2)), int(counts.max()) * self.count
        for index, values in enumerate(self.long_lags(columns), start=SHORT):
            long.append(values)
            recent = len(long) >= self.count and index % self.count == 0
            if index == last:
                break
            if recent:
                window = np.abs(long[-self.count :]).max(axis=(0, 2))
                if np.all(window <= NEGLIGIBLE * largest):
                    break
        series, instant = np.array(long), self.instant()
        fine, coarse = (
            np.stack(
                [self._variance(int(n), nodes, weights, short, series, instant, thin) for n in counts], axis=1
            )
            for thin in (1, 2)
        )
        return mean, fine, coarse

    def _variance(
        self,
        n: int,
        nodes: FloatArray,
        weights: FloatArray,
        short: FloatArray,
        long: FloatArray,
        instant: FloatArray,
        thin: int,
    ) -> FloatArray:
        """Var W over n periods, (part, channel)."""
        period, kept = self.system.machine.period, slice(None, None, thin)
        indices = np.arange(SHORT, min(SHORT + len(long) - 1, n * self.count) + 1, thin)
        tail = thin * self.lag * _trapezoid(len(indices))
        lags = np.concatenate([nodes, self.lag * indices])
        values = np.concatenate([short, long[: len(indices) * thin : thin]])[:, :, kept]
        whole = np.concatenate([np.floor(nodes / period), indices // self.count])
        remainder = np.append(lags[: len(nodes)], self.lag * (indices % self.count))
        spread = _incomplete(values.shape[2], period, period - remainder)
        spread += (n - whole - 1)[:, None] * period / values.shape[2]
        total = 2 * np.einsum("i,ip,ikpc->kc", np.append(weights, tail), spread, values)
        return np.asarray(total + n * period * instant[:, kept].mean(axis=1))


def _channels(matrix: FloatArray) -> FloatArray:
    """Diagonal, and sum of all, of the last two axes."""
    diagonal = np.einsum("...ii->...i", matrix)
    return np.concatenate([diagonal, matrix.sum(axis=(-2, -1))[..., None]], axis=-1)


def _trapezoid(count: int) -> FloatArray:
    """Weights of the trapezoidal rule with corrections at both ends, unit spacing; Gregory's rule."""
    order = min(ORDER, count // 2)
    powers = np.arange(order)
    moments = bernoulli(order)[1:] / (powers + 1)  # minus the sums of i^k, regularised
    moments[0] = -0.5
    points = np.arange(order)
    change = np.linalg.solve(points[None, :] ** powers[:, None].astype(float), moments)
    weights = np.ones(count)
    weights[:order] += change
    weights[-order:] += change[::-1]
    return weights


def _incomplete(count: int, period: float, length: FloatArray) -> FloatArray:
    """Weights that integrate values at equidistant phases from 0 to each length, by their Fourier series."""
    harmonic = np.arange(1, (count - 1) // 2 + 1)
    omega, phase = 2 * np.pi * harmonic / period, 2 * np.pi * np.outer(harmonic, np.arange(count)) / count
    angle = np.outer(length, omega)
    # each harmonic e^{iωt} has the coefficient Σ_p e^{-iω t_p} / count, and the integral (e^{iωs} - 1) / iω
    spread = (np.sin(angle) / omega) @ np.cos(phase) + ((1 - np.cos(angle)) / omega) @ np.sin(phase)
    return np.asarray((length[:, None] + 2 * spread) / count)
