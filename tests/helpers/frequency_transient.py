"""Exact transients, one noise frequency after the other: responses of the embedded equations to e^{-iwt}.

Shares no code with the package. With m = ħ = k_B = 1, z = (x, v, memory), ż = G(t) z + Σ_nu b_nu(t) ξ_nu and
y = Σ_l g_l(t) x_l,

    <z zᵀ>(t) = Φ(t, 0) <z zᵀ>(0) Φ(t, 0)ᵀ + Σ_nu ∫ dw/2π S_nu(w) Re u u†,   S = J coth(w/2T),
    u(t; w) = ∫_0^t Φ(t, s) b_nu(s) e^{-iws} ds   (and e^{-iwt} more in the force of that reservoir).

Embeddings, from a factorised start at t = 0:
    Drude       F = ξ + f,  ḟ = -w_c f - γ w_c ẏ,  f(0) = -γ w_c y(0);
    Lorentzian  F = ξ + q - (d/w_1²) y,  q̈ = -w_1² q - γ q̇ + d y,  q(0) = q̇(0) = 0;
    Ohmic       F = ξ - γ ẏ, and v jumps by -γ g y(0).

The rows of Φ(t, s) are collocated once, on equal panels in s, and not once for each w; on a panel the
integral over e^{-iws} is a sum of spherical Bessel functions, right at any w. The integral over w runs over
Gauss panels that double away from w = 0 and from resonances, dense enough for e^{±iwt}; a smooth window hands
over to a tail mapped to infinity. There the two parts of u, from s = 0 and s = t, differ by a phase e^{-iwt}
which the tail cannot follow: their cross term is taken out by a binomial average over w ± jπ/t.

The other start: reservoirs `coupled` with constant g have acted since ever, the rest joins at t = 0. Then
u(0; w) of a coupled reservoir is its stationary response, carried along by Φ(t, 0), and there is no other
initial state.

Strictly Ohmic reservoirs. Coupled since ever: <v v> and <x F>, <ẏ F> of that reservoir diverge
logarithmically and are nan, all else is finite. Joining at t = 0, every second moment diverges: noise with
S ~ |w| that sets in at once kicks v with infinite variance, and |u_x|² S ~ γ |Φ_xv(t, 0) g|² / w at any
later t. Only means remain.

Cost and error, measured: one output time on one core, changes in <x x> / powers with 1.5 times the nodes. The
number of frequencies grows with t times the fastest rate, the seconds with its square.

    two Drude reservoirs, w_c = 12                t = 1     1100 frequencies   0.02 s   2e-8 / 3e-9
                                                  t = 5     1400               0.05 s   8e-10 / 2e-10
                                                  t = 30    3400               0.24 s   2e-13 / 5e-12
    Drude w_c = 12 driven, Ohmic γ = 100 coupled  t = 1     3900               0.13 s   2e-11 / 5e-13
                                                  t = 5     8200               0.7 s    1e-12 / 3e-14
                                                  t = 20   24000               5.1 s
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.special import spherical_jn

DEGREE = 16  # of the polynomials on a panel in s
PHASES = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16


class Ohmic(NamedTuple):
    """Strictly Ohmic reservoir, J = γ w; in units of w_A.

    `coupling(t)` and `rate(t)` give g_l and ġ_l, dims (oscillator,); no rate means a static coupling.
    """

    gamma: float
    temperature: float
    coupling: Callable
    rate: Callable | None = None
    memories = 0

    def spectrum(self, w):
        """J(w)/w, dims of w."""
        return self.gamma * np.ones_like(w)

    def fastest(self, square):
        """Fastest rate that the reservoir brings, in units of w_A, with Σ g_l² at most the given value."""
        return self.gamma * square

    def start(self, g):
        """Memory (memory, oscillator) and velocities (oscillator, oscillator) added at the start, on x."""
        return np.zeros((0, len(g))), -self.gamma * np.outer(g, g)

    def force(self, g, rate):
        """Row of F without ξ: on x, v and the memory."""
        return -self.gamma * rate, -self.gamma * g, np.zeros(0)

    def motion(self, g, rate):  # noqa: ARG002
        """Rows of the rate of the memory: on x, v and the memory."""
        return np.zeros((0, len(g))), np.zeros((0, len(g))), np.zeros((0, 0))


class Drude(NamedTuple):
    """Drude-Lorentz reservoir, J = γ w / (1 + w²/w_c²); in units of w_A. Couplings as for Ohmic."""

    gamma: float
    cutoff: float
    temperature: float
    coupling: Callable
    rate: Callable | None = None
    memories = 1

    def spectrum(self, w):
        """J(w)/w, dims of w."""
        return self.gamma * self.cutoff**2 / (self.cutoff**2 + w**2)

    def fastest(self, square):
        """Fastest rate that the reservoir brings, in units of w_A, with Σ g_l² at most the given value."""
        return self.cutoff + np.sqrt(self.gamma * self.cutoff * square)

    def start(self, g):
        """Memory and velocities added at the start, on x."""
        return -self.gamma * self.cutoff * g[None], np.zeros((len(g), len(g)))

    def force(self, g, rate):  # noqa: ARG002
        """Row of F without ξ: on x, v and the memory."""
        return 0 * g, 0 * g, np.ones(1)

    def motion(self, g, rate):
        """Rows of the rate of the memory: on x, v and the memory."""
        drag = -self.gamma * self.cutoff
        return drag * rate[None], drag * g[None], np.array([[-self.cutoff]])


class Lorentzian(NamedTuple):
    """Structured reservoir, J = d γ w / ((w² - w_1²)² + γ² w²).

    The strength d in units of w_A⁴, the rest of w_A; couplings as for Ohmic.
    """

    strength: float
    frequency: float
    gamma: float
    temperature: float
    coupling: Callable
    rate: Callable | None = None
    memories = 2

    def spectrum(self, w):
        """J(w)/w, dims of w."""
        return self.strength * self.gamma / abs(self.frequency**2 - w**2 - 1j * self.gamma * w) ** 2

    def fastest(self, square):
        """Fastest rate that the reservoir brings, in units of w_A, with Σ g_l² at most the given value."""
        return self.frequency + self.gamma + np.sqrt(self.strength * square) / self.frequency

    def start(self, g):
        """Memory and velocities added at the start, on x."""
        return np.zeros((2, len(g))), np.zeros((len(g), len(g)))

    def force(self, g, rate):  # noqa: ARG002
        """Row of F without ξ: on x, v and the memory."""
        return -self.strength / self.frequency**2 * g, 0 * g, np.array([1.0, 0.0])

    def motion(self, g, rate):  # noqa: ARG002
        """Rows of the rate of the memory: on x, v and the memory."""
        own = np.array([[0.0, 1.0], [-(self.frequency**2), -self.gamma]])
        return np.array([0 * g, self.strength * g]), np.zeros((2, len(g))), own


class Moments(NamedTuple):
    """Moments at the requested times; energies in units of w_A, powers of w_A², x² of 1/w_A.

    Attributes
    ----------
    times : (time,)
    mean : (time, 2 oscillator), x then v
    covariance : (time, 2 oscillator, 2 oscillator), symmetrised, means subtracted
    local_power : (time, oscillator), -Σ_nu ġ_l <x_l F_nu>; a static reservoir adds nothing
    heat_current : (time, reservoir), <ẏ F>
    position_force : (time, oscillator, reservoir), <x_l F_nu>
    """

    times: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    local_power: np.ndarray
    heat_current: np.ndarray
    position_force: np.ndarray


class FrequencyTransient:
    """Moments of driven oscillators after a factorised start, or one stationary under some reservoirs.

    Parameters
    ----------
    omega : (oscillator,) array, or callable of t
        w_l, in units of w_A.
    reservoirs : list of Ohmic, Drude, Lorentzian
    covariance, mean : (2 oscillator, 2 oscillator) and (2 oscillator,) arrays
        Of x and v at t = 0, before the jump that an Ohmic reservoir makes. No covariance with `coupled`.
        The mean of a coupled start is a sudden displacement, no mode following.
    coupled : list of int
        Reservoirs in a stationary state with the oscillators at t = 0; at their own temperatures.
    force : callable of t
        f_l, dims (oscillator,).
    fastest : float
        Rate that the panels in s have to follow, in units of w_A; by default from the reservoirs at t = 0.
    """

    def __init__(self, omega, reservoirs, covariance=None, mean=None, coupled=(), force=None, fastest=None):
        self.omega = omega if callable(omega) else _constant(np.asarray(omega, dtype=float))
        self.bodies = n = len(self.omega(0.0))
        nothing = _constant(np.zeros(n))
        self.reservoirs = [r._replace(rate=r.rate or nothing) for r in reservoirs]
        self.coupled, self.force = tuple(coupled), force or nothing
        if (covariance is None) != bool(self.coupled):
            raise ValueError("give either the covariance of the start or the reservoirs coupled before it")
        self.covariance = (
            np.zeros((2 * n, 2 * n)) if covariance is None else np.asarray(covariance, dtype=float)
        )
        self.start_mean = np.zeros(2 * n) if mean is None else np.asarray(mean, dtype=float)
        self.size = 2 * n + sum(r.memories for r in reservoirs)
        self.fastest = fastest or max(1.0, *(r.fastest(n) for r in reservoirs))

    def moments(self, times, density=1.0):
        """Moments at the given times.

        Parameters
        ----------
        times : (time,) array of positive times, in units of 1/w_A
        density : float
            Factor on the numbers of nodes and on the frequency where the tail begins.

        Returns
        -------
        Moments
        """
        parts = [self._at(float(t), density) for t in times]
        return Moments(np.asarray(times, dtype=float), *(np.array(part) for part in zip(*parts, strict=True)))

    def error(self, times):
        """Change of every moment as the nodes are doubled and the tail begins twice as far, as Moments."""
        pair = (self.moments(times, density) for density in (1.0, 2.0))
        once, twice = (m[1:] for m in pair)
        return Moments(np.asarray(times), *(abs(a - b) for a, b in zip(once, twice, strict=True)))

    def nodes(self, t, density=1.0):
        """Number of noise frequencies at a time t, in units of 1/w_A."""
        return len(self._frequencies(t, density)[0]) + len(self._tail(t, density)[0])

    def _at(self, t, density):
        """One time: mean, covariance, local power, heat current, <x F>."""
        n, count = self.bodies, len(self.reservoirs)
        first, pushed, series, span = self._rows(t, density)
        free = first @ self._start(())[:, : 2 * n]
        mean = free @ self.start_mean + pushed
        second = free @ self.covariance @ free.T
        ohmic = np.array([r.memories == 0 for r in self.reservoirs])
        if any(ohmic[index] and index not in self.coupled for index in range(count)):
            second = np.full_like(second, np.nan)
        for index, reservoir in enumerate(self.reservoirs):
            path = _Path(t, index, series[index], span, first if index in self.coupled else None)
            second = second + self._noise(path, reservoir, density)
        whole = second + np.outer(mean, mean)
        force = np.where(ohmic, np.nan, whole[: 2 * n, 2 * n :])
        covariance = second[: 2 * n, : 2 * n].copy()
        if ohmic.any():
            covariance[n:, n:] = np.nan
        g, rate = (np.array([f(t) for f in fs]) for fs in self._callables())
        moved = np.where(rate.T == 0.0, 0.0, rate.T * force[:n])
        current = [rate[r] @ force[:n, r] + g[r] @ force[n:, r] for r in range(count)]
        return mean[: 2 * n], covariance, -moved.sum(axis=1), current, force[:n]

    def _callables(self):
        return [r.coupling for r in self.reservoirs], [r.rate for r in self.reservoirs]

    # ---- rows of the propagator

    def _pieces(self, t, reservoirs=None):
        """Generator (state, state), rows of x, v, F (row, state), couplings (reservoir, oscillator)."""
        n, at = self.bodies, 2 * self.bodies
        generator = np.zeros((self.size, self.size))
        rows = np.zeros((2 * n + len(self.reservoirs), self.size))
        generator[:n, n:at] = np.eye(n)
        generator[n:at, :n] = -np.diag(self.omega(t) ** 2)
        rows[:at, :at] = np.eye(at)
        couplings = []
        for index, reservoir in enumerate(reservoirs or self.reservoirs):
            g, rate = reservoir.coupling(t), reservoir.rate(t)
            own = slice(at, at + reservoir.memories)
            force = rows[2 * n + index]
            force[:n], force[n : 2 * n], force[own] = reservoir.force(g, rate)
            generator[own, :n], generator[own, n : 2 * n], generator[own, own] = reservoir.motion(g, rate)
            generator[n : 2 * n] += np.outer(g, force)
            couplings.append(g)
            at += reservoir.memories
        return generator, rows, np.array(couplings)

    def _rows(self, t, density):
        """Rows on the state at the start, their push by the force, and Legendre series of Φ(t, s) b_nu(s).

        Returns arrays (row, state), (row,), (reservoir, panel, degree, row) and the length of a panel.
        """
        n, panels = self.bodies, int(np.ceil(t * self.fastest * density / 2.0))
        span, state = t / panels, self._pieces(t)[1].T
        points = np.cos(np.pi * np.arange(DEGREE + 1) / DEGREE)  # from +1, the end known, to -1
        slope, to_series = _slopes(points) * 2 / span, _to_series(points)
        series = np.empty((len(self.reservoirs), panels, DEGREE + 1, state.shape[1]))
        pushed = np.zeros(state.shape[1])
        for panel in reversed(range(panels)):
            times = span * (panel + 0.5 * (1 + points))
            generators, _, couplings = zip(*(self._pieces(s) for s in times), strict=True)
            path = _collocated(slope, np.array(generators), state)
            on_v = path[:, n : 2 * n]
            struck = np.einsum("jrl,jlo->rjo", np.array(couplings), on_v)
            series[:, panel] = to_series @ struck
            outer = np.array([self.force(s) for s in times])
            pushed += span * (to_series @ np.einsum("jl,jlo->jo", outer, on_v))[0]
            state = path[-1]
        return state.T, pushed, series, span

    def _start(self, coupled):
        """Map from the state before the start to the one after it, dims (state, state)."""
        n, at = self.bodies, 2 * self.bodies
        start = np.eye(self.size)
        for index, reservoir in enumerate(self.reservoirs):
            if index not in coupled:
                memory, jump = reservoir.start(reservoir.coupling(0.0))
                start[at : at + reservoir.memories] = 0.0
                start[at : at + reservoir.memories, :n] = memory
                start[n : 2 * n, :n] += jump
            at += reservoir.memories
        return start

    def _before(self):
        """Generator before the start: the reservoirs that are not coupled are held at rest."""
        n, at = self.bodies, 2 * self.bodies
        still, nothing = [], _constant(np.zeros(n))
        for index, reservoir in enumerate(self.reservoirs):
            g = _constant(reservoir.coupling(0.0)) if index in self.coupled else nothing
            still.append(reservoir._replace(coupling=g, rate=nothing))
        generator = self._pieces(0.0, still)[0]
        for index, reservoir in enumerate(self.reservoirs):
            if index not in self.coupled:
                own = slice(at, at + reservoir.memories)
                generator[own] = generator[:, own] = 0.0
                generator[own, own] = -np.eye(reservoir.memories)
            at += reservoir.memories
        return generator

    # ---- integral over noise frequencies

    def _noise(self, path, reservoir, density):
        """∫ dw/2π S Re u u† of one reservoir, dims (row, row)."""
        turn, total = self._turn(path.t, density), 0.0
        w, weight = self._frequencies(path.t, density)
        weight = weight * (1 - _beyond(w / turn)) * _noise_power(reservoir, w) / np.pi
        for begin in range(0, len(w), 2000):
            part = slice(begin, begin + 2000)
            u = self._response(w[part], path)
            total = total + (u * weight[part]) @ u.conj().T
        w, weight = self._tail(path.t, density)
        weight = weight * _beyond(w / turn) * _noise_power(reservoir, w) / np.pi
        for shift, share in zip(range(-2, 3), PHASES, strict=True):
            u = self._response(w + shift * np.pi / path.t, path)
            total = total + share * (u * weight) @ u.conj().T
        return total.real

    def _response(self, w, path):
        """Rows of u(t; w) for unit noise e^{-iwt} of one reservoir, dims (row, w)."""
        panels, degrees, rows = path.series.shape
        phases = np.exp(-1j * np.outer(w, path.span * (np.arange(panels) + 0.5)))
        flat = path.series.reshape(panels, -1)
        u = (phases.real @ flat + 1j * (phases.imag @ flat)).reshape(len(w), degrees, rows)
        orders = np.arange(degrees)
        waves = path.span * (-1j) ** orders * spherical_jn(orders, 0.5 * path.span * w[:, None])
        u = np.einsum("wmr,wm->rw", u, waves)
        u[2 * self.bodies + path.index] += np.exp(-1j * w * path.t)
        if path.first is not None:
            u += path.first @ self._start(self.coupled) @ self._stationary(w, path.index)
        return u

    def _stationary(self, w, index):
        """State before the start, under unit noise of a coupled reservoir since ever, dims (state, w)."""
        n = self.bodies
        push = np.zeros((self.size, 1))
        push[n : 2 * n, 0] = self.reservoirs[index].coupling(0.0)
        matrices = -1j * w[:, None, None] * np.eye(self.size) - self._before()
        return np.linalg.solve(matrices, push[None])[:, :, 0].T

    def _turn(self, t, density):
        """Where the tail takes over, in units of w_A."""
        return density * max(16.0 * self.fastest, 300.0 / t)

    def _frequencies(self, t, density):
        """Gauss nodes and weights of the resolved range."""
        end = self._turn(t, density)
        edges = [_doubled(max(r.temperature, 1e-3), end) for r in self.reservoirs]
        for root in np.linalg.eigvals(self._before()) if self.coupled else ():
            sides = _doubled(max(0.5 * abs(root.real), 1e-9), end)
            edges.append(np.concatenate([abs(root.imag) - sides, abs(root.imag) + sides]))
        for reservoir in self.reservoirs:
            if isinstance(reservoir, Lorentzian):
                line = reservoir.frequency
                sides = _doubled(0.25 * reservoir.gamma, end)
                edges.append(np.concatenate([line - sides, line + sides]))
            elif isinstance(reservoir, Drude):
                edges.append(_doubled(reservoir.cutoff, end))
        edges = np.unique(np.clip(np.concatenate([*edges, [0.5 * end]]), 0.0, end))
        edges = edges[np.append(np.diff(edges) > 1e-9, True)]
        edges[0] = 0.0
        cuts = [np.arange(a, b, 800 / t) for a, b in pairwise(edges)]
        edges = np.append(np.concatenate(cuts), end)
        widths = np.diff(edges)
        phases = widths * t / 2
        spread = 20 + phases / 2 + 4 * np.cbrt(phases) + 40 * (edges[1:] > 0.5001 * end)
        counts = np.ceil(density * spread).astype(int)
        rules = [_gauss(count) for count in counts]
        w = [a + 0.5 * b * (1 + rule[0]) for a, b, rule in zip(edges, widths, rules, strict=False)]
        return np.concatenate(w), np.concatenate(
            [0.5 * b * rule[1] for b, rule in zip(widths, rules, strict=True)]
        )

    def _tail(self, t, density):
        """Gauss nodes and weights of the handover and of 1/w beyond it."""
        x, weight = np.polynomial.legendre.leggauss(int(60 * density))
        end, u = self._turn(t, density), 0.5 * (1 + x)
        return np.concatenate([0.5 * end * (1 + u), end / u]), 0.5 * np.concatenate(
            [0.5 * end * weight, weight * end / u**2]
        )


class _Path(NamedTuple):
    """Time, reservoir, series (panel, degree, row) of Φ(t, s) b(s), panel length; Φ(t, 0) if coupled."""

    t: float
    index: int
    series: np.ndarray
    span: float
    first: np.ndarray | None


@lru_cache(maxsize=64)
def _gauss(count):
    return np.polynomial.legendre.leggauss(count)


def _noise_power(reservoir, w):
    """J coth(w/2T), dims of w."""
    if not reservoir.temperature:
        return reservoir.spectrum(w) * w
    return reservoir.spectrum(w) * w / np.tanh(w / (2 * reservoir.temperature))


def _constant(value):
    return lambda _: value


def _beyond(share):
    """Smooth step from 0 at one half to 1 at one, dims of share."""
    x = np.clip(2 * share - 1, 1e-2, 1 - 1e-2)
    inside = 1 / (1 + np.exp(np.clip(1 / x - 1 / (1 - x), -99, 99)))
    return np.where(share <= 0.5, 0.0, np.where(share >= 1, 1.0, inside))


def _doubled(scale, end):
    """0, scale, 2 scale, 4 scale ... up to end."""
    return np.append(0.0, scale * 2.0 ** np.arange(max(1.0, np.ceil(np.log2(end / scale)) + 1)))


def _slopes(points):
    """Differentiation matrix on the points, dims (point, point)."""
    count = len(points) - 1
    values = np.polynomial.chebyshev.chebvander(points, count)
    slopes = np.polynomial.chebyshev.chebder(np.eye(count + 1), axis=0)
    return values[:, :-1] @ slopes @ np.linalg.inv(values)


def _to_series(points):
    """Legendre coefficients of the polynomial through values at the points, dims (degree, point)."""
    return np.linalg.inv(np.polynomial.legendre.legvander(points, len(points) - 1))


def _collocated(slope, generators, state):
    """Solution of da/ds = -G(s)ᵀ a at the points, the first of which has the given state.

    Dims (point, state, row).
    """
    points, size = len(slope), len(state)
    matrix = np.einsum("ij,ab->iajb", slope, np.eye(size))
    places = np.arange(points)
    matrix[places, :, places] += generators.transpose(0, 2, 1)
    inner = matrix[1:].reshape((points - 1) * size, points * size)
    rest = np.linalg.solve(inner[:, size:], -inner[:, :size] @ state)
    return np.concatenate([state[None], rest.reshape(points - 1, size, -1)])
