"""Exact transients by brute force: oscillators and reservoir modes as one closed quadratic system.

Shares no code with the package. With m = ħ = k_B = 1, y = Σ_l g_l(t) x_l and the counterterm included, every
reservoir is a set of modes with c²/w² = (2/π) (J/w) dw and

    ẍ_l = -w_l(t)² x_l + f_l(t) + Σ g_l F,   F = Σ_k c_k Z_k,   Z_k = X_k - c_k y / w_k²,
    Ẍ_k = -w_k² X_k + c_k y      <=>      b = w Z + iP:   ḃ = -iw b - (c/w) ẏ.

Modes. Gauss-Legendre panels that double away from w = 0 (and from a Lorentzian line), with enough nodes for
every e^{-iwt} up to the horizon; J is cut by exp(-(w/reach)^8). No mode recurs, so the one error of the
discretisation is the cut: about γ w_c² / (2π reach²) in <v²>, smaller elsewhere; `extrapolated` removes it.

Time. Within a step, short enough for y to be a polynomial, x(t) is collocated at Chebyshev points; the
modes, however fast, are integrated exactly against polynomials (spherical Bessel functions). Wanted are the
rows that map the start to x(t), v(t), F(t). The symplectic form makes them solutions of the same equations,
run backwards: a row with entries a_x on positions and a_v on momenta moves as a position a_v with velocity
a_x.

Cost and error, measured on one core: two Drude reservoirs (γ = 0.05 driven, 0.5 static; w_c = 12), two
output times up to t, factorised start, `extrapolated` from reach and 2 reach. Error of covariance / powers /
currents, against the integral over noise frequencies:

    t = 1   reach 250     700 modes each   0.1 s   2e-6 / 9e-8 / 8e-7
    t = 5   reach 250    1700              0.6 s   6e-7 / 2e-8 / 4e-7
    t = 5   reach 500    3000              1.1 s   1e-7 / 4e-9 / 3e-8
    t = 20  reach 250    5400              4.4 s   5e-7 / 4e-8 / 2e-8
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh_tridiagonal
from scipy.special import spherical_jn


class Drude(NamedTuple):
    """Drude-Lorentz reservoir, J = γ w / (1 + w²/w_c²); all in units of w_A.

    `coupling(t)` and `rate(t)` give g_l and ġ_l, dims (oscillator,); no rate means a static coupling.
    """

    gamma: float
    cutoff: float
    temperature: float
    coupling: Callable
    rate: Callable | None = None

    def spectrum(self, w):
        """J(w)/w, dims of w."""
        return self.gamma / (1 + (w / self.cutoff) ** 2)

    def kernel_at_zero(self):
        """γ(t = 0) = Σ c²/w², in units of w_A²."""
        return self.gamma * self.cutoff

    def edges(self, reach):
        """Panel edges that the shape of J asks for, in units of w_A."""
        return _doubling(0.0, self.cutoff, reach)


class Lorentzian(NamedTuple):
    """Structured reservoir, J = d γ w / ((w² - w_1²)² + γ² w²).

    The strength d in units of w_A⁴, the rest of w_A; couplings as for Drude.
    """

    strength: float
    frequency: float
    gamma: float
    temperature: float
    coupling: Callable
    rate: Callable | None = None

    def spectrum(self, w):
        """J(w)/w, dims of w."""
        return self.strength * self.gamma / ((w**2 - self.frequency**2) ** 2 + (self.gamma * w) ** 2)

    def kernel_at_zero(self):
        """γ(t = 0) = Σ c²/w², in units of w_A²."""
        return self.strength / self.frequency**2

    def edges(self, reach):
        """Panel edges that the shape of J asks for, in units of w_A."""
        line = self.frequency
        sides = _doubling(0.0, self.gamma / 2, reach + line)
        return np.concatenate([line - sides, line + sides])


class Moments(NamedTuple):
    """Moments at the requested times; energies in units of w_A, powers of w_A², x² of 1/w_A (hbar = m = 1).

    Attributes
    ----------
    times : (time,)
    mean : (time, 2 oscillator), x then v
    covariance : (time, 2 oscillator, 2 oscillator), symmetrised, means subtracted
    local_power : (time, oscillator), -Σ_nu ġ_l <x_l F_nu>
    modulation_power : (time, oscillator), ½ d(w_l²)/dt <x_l²>
    heat_current : (time, reservoir), <ẏ F>
    system_energy : (time,), Σ_l ½ <v_l² + w_l² x_l²>
    interaction_energy : (time, reservoir), -<y Σ c X> + ½ <y²> γ(0), with γ(0) of infinitely many modes
    position_force : (time, oscillator, reservoir), <x_l F_nu>
    """

    times: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    local_power: np.ndarray
    modulation_power: np.ndarray
    heat_current: np.ndarray
    system_energy: np.ndarray
    interaction_energy: np.ndarray
    position_force: np.ndarray


class Energies(NamedTuple):
    """Energies of all parts, in units of w_A: system (time,), interaction and bare (time, reservoir)."""

    system: np.ndarray
    interaction: np.ndarray
    bare: np.ndarray

    @property
    def total(self):
        """Their sum, dims (time,)."""
        return self.system + (self.interaction + self.bare).sum(axis=1)


class FiniteBath:
    """Oscillators and a finite number of modes in every reservoir.

    Parameters
    ----------
    omega : (oscillator,) array, or callable of t
        w_l, in units of w_A.
    reservoirs : list of Drude or Lorentzian
    horizon : float
        The latest time that will be asked for, in units of 1/w_A; the modes do not recur before it.
    reach : float
        Frequency at which J is cut, in units of w_A.
    step : float
        Longest time step, in units of 1/w_A; by default from the cut-offs and the reach.
    square_rate, force : callable of t
        d(w_l²)/dt and f_l, dims (oscillator,).
    nodes : int
        Degree of the polynomials in a step.
    """

    def __init__(
        self, omega, reservoirs, horizon, reach=1000.0, step=None, square_rate=None, force=None, nodes=14
    ):
        self.omega = omega if callable(omega) else _constant(np.asarray(omega, dtype=float))
        self.bodies = len(self.omega(0.0))
        nothing = _constant(np.zeros(self.bodies))
        self.square_rate, self.force = (given or nothing for given in (square_rate, force))
        self.reservoirs = [r._replace(rate=r.rate or nothing) for r in reservoirs]
        self.nodes, self.horizon, self.reach = nodes, horizon, reach
        self.modes, weights = zip(*(_modes(r, horizon, reach) for r in reservoirs), strict=True)
        # c²/w², and c/w
        self.stiffness = [w * r.spectrum(q) for w, q, r in zip(weights, self.modes, reservoirs, strict=True)]
        self.gains = [np.sqrt(s) for s in self.stiffness]
        fastest = max([1.0, *(r.cutoff for r in reservoirs if isinstance(r, Drude))])
        self.step = step or min(0.1, 0.8 / fastest, 60.0 / reach)
        self._tables = {}

    def from_product(self, times, covariance, mean=None):
        """Moments after a factorised start.

        Parameters
        ----------
        times : (time,) array, in units of 1/w_A, from 0 to the horizon
        covariance, mean : (2 oscillator, 2 oscillator) and (2 oscillator,)
            Of x and v at t = 0; every reservoir starts in its bare equilibrium.

        Returns
        -------
        Moments
        """
        covariance = np.asarray(covariance, dtype=float)

        def start(rows):
            total = rows.body @ covariance @ rows.body.T
            return total + sum(self._bare(rows, index) for index in range(len(self.reservoirs)))

        return self._moments(times, start, mean)

    def from_equilibrium(self, times, coupled, mean=None):
        """Moments after a start in the Gibbs state of the oscillators and some reservoirs.

        Parameters
        ----------
        times : (time,) array, in units of 1/w_A
        coupled : list of int
            The reservoirs that are in equilibrium with the oscillators, at their one temperature and with the
            couplings and oscillator frequencies of t = 0, no force acting. The others start bare.
        mean : (2 oscillator,) array
            Sudden displacement of the oscillators alone: the modes stay where they are.

        Returns
        -------
        Moments
        """
        (temperature,) = {self.reservoirs[index].temperature for index in coupled}

        def start(rows):
            total = sum(self._bare(rows, index) for index in range(len(self.reservoirs)))
            return total + self._gibbs(rows, coupled, temperature)

        return self._moments(times, start, mean)

    def energies(self, times, covariance, mean=None):
        """Energies after a factorised start, bare reservoirs included, from all columns of the forward map.

        The cost grows with the square of the number of modes: meant for a small reach. The step has to follow
        the fastest mode. Arguments as for `from_product`.

        Returns
        -------
        Energies
        """
        columns = self._columns(np.linalg.cholesky(covariance))
        shifted = self._still(np.zeros(2 * self.bodies) if mean is None else np.asarray(mean, dtype=float))
        rows, now = [], 0.0
        for t in np.asarray(times, dtype=float):
            columns = self._travel(columns, now, t, False)
            shifted = self._travel(shifted, now, t, True)
            now = t
            both = [np.concatenate(pair, axis=1) for pair in zip(_flat(columns), _flat(shifted), strict=True)]
            rows.append(self._energy(both, t))
        return Energies(*(np.array(part) for part in zip(*rows, strict=True)))

    # ---- second moments from rows

    def _moments(self, times, start, mean):
        times = np.asarray(times, dtype=float)
        order = np.argsort(times)[::-1]
        lanes, now = None, times[order[0]]
        for index in order:
            if lanes is not None:
                lanes = self._travel(lanes, now, times[index], False)
            now = times[index]
            fresh = self._functionals(now)
            lanes = fresh if lanes is None else _joined(lanes, fresh)
        lanes = self._travel(lanes, now, 0.0, False)
        rows, count = self._rows(lanes), 2 * self.bodies + len(self.reservoirs)
        seconds = np.empty((len(times), count, count))
        for place, index in enumerate(order):
            seconds[index] = start(rows.part(slice(place * count, (place + 1) * count)))
        return self._report(times, seconds, self._means(times, mean))

    def _functionals(self, t):
        """Rows x_l, v_l, F_nu at a time, as positions and velocities of the reversed motion."""
        n, count = self.bodies, 2 * self.bodies + len(self.reservoirs)
        position, velocity = np.zeros((2, n, count))
        position[:, n : 2 * n] = velocity[:, :n] = np.eye(n)
        fields = []
        for index, reservoir in enumerate(self.reservoirs):
            g = reservoir.coupling(t)
            velocity[:, 2 * n + index] = -self.stiffness[index].sum() * g
            field = np.zeros((2, len(self.modes[index]), count))
            field[0] = -np.outer(self.gains[index], g @ position)
            field[1, :, 2 * n + index] = self.gains[index] * self.modes[index]
            fields.append(field)
        return position, velocity, fields

    def _rows(self, lanes):
        """Entries of the rows on the start, from the reversed motion at t = 0."""
        position, velocity, fields = lanes
        on_x, on_p = [], []
        for reservoir, w, gain, field in zip(self.reservoirs, self.modes, self.gains, fields, strict=True):
            y = reservoir.coupling(0.0) @ position
            on_x.append(field[1].T)
            on_p.append(((field[0] + np.outer(gain, y)) / w[:, None]).T)
        return _Rows(np.concatenate([velocity, position]).T, on_x, on_p)

    def _bare(self, rows, index):
        """Contribution of the bare equilibrium of a reservoir, dims (row, row)."""
        w = self.modes[index]
        thermal = _thermal(w, self.reservoirs[index].temperature)
        on_x, on_p = rows.on_x[index], rows.on_p[index]
        return (on_x * (thermal / w)) @ on_x.T + (on_p * (thermal * w)) @ on_p.T

    def _gibbs(self, rows, coupled, temperature):
        """What the joint equilibrium adds to the bare one of the coupled reservoirs, dims (row, row).

        With A the matrix of the potential, <XX> = ½ A^{-1/2} coth(A^{1/2}/2T) and <PP> = A <XX>: sums over
        the poles of coth of resolvents (A + ν²)^{-1}, each by elimination of the modes.
        """
        n, omega = self.bodies, self.omega(0.0)
        thermal = _thermal(omega, temperature)
        on_x, on_v = rows.body[:, :n], rows.body[:, n:]
        total = (on_x * (thermal / omega)) @ on_x.T + (on_v * (thermal * omega)) @ on_v.T
        for pole, weight in zip(*_coth_poles(temperature), strict=True):
            matrix, x, v = np.diag(omega**2 + pole**2), on_x.T, on_v.T
            for index in coupled:
                g, w, gain = self.reservoirs[index].coupling(0.0), self.modes[index], self.gains[index]
                share = 1.0 / (w**2 + pole**2)
                matrix = matrix + np.outer(g, g) * np.sum(gain**2 * pole**2 * share)
                x = x + np.outer(g, rows.on_x[index] @ (gain * w * share))
                v = v + np.outer(g, rows.on_p[index] @ (gain * w * share))
            factor, bare = cho_factor(matrix), 1.0 / (omega**2 + pole**2)
            total += weight * (x.T @ cho_solve(factor, x) - (on_x * bare) @ on_x.T)
            total -= weight * pole**2 * (v.T @ cho_solve(factor, v) - (on_v * bare) @ on_v.T)
        return total

    def _means(self, times, mean):
        """Means of x, v, F at the times, dims (time, row)."""
        lanes, now = (
            self._still(np.zeros(2 * self.bodies) if mean is None else np.asarray(mean, dtype=float)),
            0.0,
        )
        means = np.empty((len(times), 2 * self.bodies + len(self.reservoirs)))
        for index in np.argsort(times):
            lanes, now = self._travel(lanes, now, times[index], True), times[index]
            forces = [gain @ field[0] for gain, field in zip(self.gains, lanes[2], strict=True)]
            means[index] = np.concatenate([lanes[0], lanes[1], np.array(forces)])[:, 0]
        return means

    def _report(self, times, seconds, means):
        n = self.bodies
        whole = seconds + means[:, :, None] * means[:, None, :]
        omega = np.array([self.omega(t) for t in times])
        g, rate = (np.array([[f(t) for f in fs] for t in times]) for fs in self._callables())
        force = whole[:, : 2 * n, 2 * n :]  # <x F>, <v F>
        squares = np.diagonal(whole, axis1=1, axis2=2)
        zero = np.array([r.kernel_at_zero() for r in self.reservoirs])
        y_square = np.einsum("tnl,tlm,tnm->tn", g, whole[:, :n, :n], g)
        return Moments(
            times,
            means[:, : 2 * n],
            seconds[:, : 2 * n, : 2 * n],
            -np.einsum("tnl,tln->tl", rate, force[:, :n]),
            0.5 * np.array([self.square_rate(t) for t in times]) * squares[:, :n],
            np.einsum("tnl,tln->tn", rate, force[:, :n]) + np.einsum("tnl,tln->tn", g, force[:, n:]),
            0.5 * np.sum(squares[:, n : 2 * n] + omega**2 * squares[:, :n], axis=1),
            -np.einsum("tnl,tln->tn", g, force[:, :n]) - 0.5 * zero * y_square,
            force[:, :n],
        )

    def _callables(self):
        return [r.coupling for r in self.reservoirs], [r.rate for r in self.reservoirs]

    # ---- energies from columns

    def _still(self, vectors):
        """Lanes from given x and v (rows of a matrix), the modes at rest at X = 0."""
        vectors = vectors.reshape(2 * self.bodies, -1)
        position, fields = vectors[: self.bodies], []
        for reservoir, gain in zip(self.reservoirs, self.gains, strict=True):
            field = np.zeros((2, len(gain), vectors.shape[1]))
            field[0] = -np.outer(gain, reservoir.coupling(0.0) @ position)
            fields.append(field)
        return position, vectors[self.bodies :], fields

    def _columns(self, root):
        """Square root of the factorised start: lanes of the oscillators, then of every mode."""
        sizes = [2 * len(w) for w in self.modes]
        lanes = self._still(np.hstack([root, np.zeros((2 * self.bodies, sum(sizes)))]))
        begin = 2 * self.bodies
        for w, field, reservoir, size in zip(self.modes, lanes[2], self.reservoirs, sizes, strict=True):
            spread = np.diag(np.sqrt(w * _thermal(w, reservoir.temperature)))
            field[0, :, begin : begin + len(w)] = spread
            field[1, :, begin + len(w) : begin + size] = spread
            begin += size
        return lanes

    def _energy(self, parts, t):
        position, velocity, *fields = parts
        system = 0.5 * np.sum(velocity**2 + (self.omega(t)[:, None] * position) ** 2)
        interaction, bare = [], []
        for reservoir, gain, field in zip(self.reservoirs, self.gains, fields, strict=True):
            y, half = reservoir.coupling(t) @ position, len(gain)
            place = field[:half] + np.outer(gain, y)  # w X
            bare.append(0.5 * np.sum(place**2 + field[half:] ** 2))
            interaction.append(-np.sum(y * (gain @ place)) + 0.5 * np.sum(gain**2) * np.sum(y**2))
        return system, interaction, bare

    # ---- motion

    def _travel(self, lanes, begin, end, forced):
        """Lanes moved from one time to another, in steps of equal length."""
        if begin == end:
            return lanes
        count = int(np.ceil(abs(end - begin) / self.step - 1e-9))
        table = self._table(abs(end - begin) / count)
        direction = np.sign(end - begin)
        for index in range(count):
            lanes = self._step(
                lanes, begin + index * (end - begin) / count + direction * table.points, table, forced
            )
        return lanes

    def _step(self, lanes, times, table, forced):
        position, velocity, fields = lanes
        n, size, lane_count = self.bodies, len(times), position.shape[1]
        matrix = np.zeros((n, size, n, size))
        squares = np.array([self.omega(t) for t in times]).T ** 2
        for l in range(n):
            matrix[l, :, l, :] = -np.diag(squares[l])
        push, kick = np.zeros((n, size, lane_count)), np.zeros((n, lane_count))
        couplings = [np.array([r.coupling(t) for t in times]).T for r in self.reservoirs]
        for g, memory, free, field in zip(couplings, table.memory, table.free, fields, strict=True):
            matrix += np.einsum("li,ij,mj->limj", g, memory, g)
            struck = (free @ field.reshape(-1, lane_count)).reshape(size, size, lane_count)
            push[:, 1:] += np.einsum("lj,ijs->lis", g, struck[:-1])
            kick += g @ struck[-1]
        outer = np.array([self.force(t) for t in times]).T[:, :, None] * forced
        known = position[:, None] + table.points[:, None] * velocity[:, None] + push + table.twice @ outer
        whole = np.eye(n * size) - np.einsum("ij,ljmk->limk", table.twice, matrix).reshape(n * size, n * size)
        path = np.linalg.solve(whole, known.reshape(n * size, -1))
        pull = (matrix.reshape(n * size, -1) @ path).reshape(n, size, -1) + outer
        path = path.reshape(n, size, -1)
        fields = [
            self._turned(field, turn, answer, np.einsum("lj,ljs->js", g, path))
            for field, turn, answer, g in zip(fields, table.turn, table.answer, couplings, strict=True)
        ]
        return path[:, -1], velocity + kick + np.einsum("j,ljs->ls", table.once, pull), fields

    @staticmethod
    def _turned(field, turn, answer, y):
        """b(h) = e^{-iwh} b - (c/w) ∫ e^{-iw(h - s)} ẏ ds."""
        cosine, sine = turn.real[:, None], turn.imag[:, None]
        moved = np.array([cosine * field[0] - sine * field[1], cosine * field[1] + sine * field[0]])
        return moved + (answer @ y).reshape(moved.shape)

    def _table(self, step):
        key = round(step, 12)
        if key not in self._tables:
            if len(self._tables) > max(3, 40000 // sum(map(len, self.modes))):
                self._tables.clear()
            self._tables[key] = _Table(step, self.nodes, self.modes, self.gains)
        return self._tables[key]


class _Rows(NamedTuple):
    """Entries of rows on oscillators (row, x then v), and on X and P of every reservoir (row, mode)."""

    body: np.ndarray
    on_x: list
    on_p: list

    def part(self, chosen):
        return _Rows(self.body[chosen], [a[chosen] for a in self.on_x], [a[chosen] for a in self.on_p])


class _Table:
    """Weights of one time step h, points τ_i, ℓ_j the polynomial that is 1 at τ_j.

    once_j = ∫_0^h ℓ_j, twice_ij = ∫_0^τ_i (τ_i - s) ℓ_j(s) ds; memory: y at the points to F at the points;
    free: b to ∫ (τ_i - s) ℓ_j F ds for i > 0, then to ∫_0^h ℓ_j F ds; answer: y at the points to b(h).
    """

    def __init__(self, step, nodes, modes, gains):
        self.points = 0.5 * step * (1 - np.cos(np.pi * np.arange(nodes + 1) / nodes))
        scaled = 2 * self.points / step - 1
        inverse = np.linalg.inv(np.polynomial.chebyshev.chebvander(scaled, nodes))
        slopes = np.polynomial.chebyshev.chebder(np.eye(nodes + 1), axis=0)
        slope = np.polynomial.chebyshev.chebvander(scaled, nodes - 1) @ slopes @ inverse * 2 / step
        single = [_legendre(tau, step, inverse, 0) for tau in self.points]
        double = [_legendre(tau, step, inverse, 1) for tau in self.points]
        self.once = single[-1][0] * step
        self.twice = np.array([c[0] * tau for c, tau in zip(double, self.points, strict=True)])
        self.memory, self.free, self.turn, self.answer = [], [], [], []
        for w, gain in zip(modes, gains, strict=True):
            kernel, free = np.zeros((nodes + 1, nodes + 1)), np.empty((nodes + 1, nodes + 1, 2, len(w)))
            for i in range(1, nodes + 1):
                waves = _waves(w, self.points[i], nodes + 2)
                once, twice = single[i].T @ waves[:-1], double[i].T @ waves
                kernel[i] = (once.conj() * np.exp(-1j * w * self.points[i])).real @ gain**2
                free[i - 1] = np.stack([twice.real, -twice.imag], axis=1) * gain
            free[-1] = np.stack([once.real, -once.imag], axis=1) * gain
            turn = np.exp(-1j * w * step)
            answer = -(gain * turn * once.conj()).T @ slope
            self.memory.append(-kernel @ slope)
            self.free.append(free.reshape((nodes + 1) ** 2, -1))
            self.turn.append(turn)
            self.answer.append(np.concatenate([answer.real, answer.imag]))


def _legendre(tau, step, inverse, power):
    """Legendre coefficients on [0, τ] of (τ - s)^power ℓ_j(s), dims (degree, j)."""
    degree = len(inverse) - 1
    x, weights = np.polynomial.legendre.leggauss(degree + 2)
    s = 0.5 * tau * (1 + x)
    basis = np.polynomial.chebyshev.chebvander(2 * s / step - 1, degree) @ inverse
    values = (tau - s)[:, None] ** power * basis * weights[:, None]
    orders = np.arange(degree + 1 + power)
    return (np.polynomial.legendre.legvander(x, orders[-1]).T @ values) * (orders + 0.5)[:, None]


def _waves(w, tau, count):
    """∫_0^τ P_m(2s/τ - 1) e^{-iws} ds, dims (m, w)."""
    orders = np.arange(count)[:, None]
    return tau * np.exp(-0.5j * w * tau) * (-1j) ** orders * spherical_jn(orders, 0.5 * w * tau)


def _doubling(start, scale, end):
    """start, start + scale, start + 2 scale, start + 4 scale, ... below end."""
    count = max(1, int(np.ceil(np.log2(max(end / scale, 1.0)))))
    return start + np.concatenate([[0.0], scale * 2.0 ** np.arange(count)])


def _split(edges, longest):
    """Edges with equal parts put into every panel that is too long."""
    pieces = [edges[:1]]
    for left, right in pairwise(edges):
        pieces.append(np.linspace(left, right, 1 + int(np.ceil((right - left) / longest)))[1:])
    return np.concatenate(pieces)


def _modes(reservoir, horizon, reach, base=16):
    """Frequencies and weights (2/π) dw of the modes of a reservoir, the cut of J in the weights."""
    end = 1.55 * reach
    edges = [reservoir.edges(end), _doubling(0.0, max(reservoir.temperature, 1e-3) * 3.0, end), [0.0, end]]
    edges = np.unique(np.clip(np.concatenate(edges), 0.0, end))
    edges = edges[np.append(True, np.diff(edges) > 1e-9)]
    edges = _split(edges, 800 / horizon)
    frequencies, weights = [], []
    for left, right in pairwise(edges):
        phase = (right - left) * horizon / 2
        x, share = np.polynomial.legendre.leggauss(base + int(phase / 2 + 6 * np.cbrt(phase)))
        frequencies.append(left + 0.5 * (right - left) * (1 + x))
        weights.append(0.5 * (right - left) * share)
    frequencies, weights = np.concatenate(frequencies), np.concatenate(weights)
    return frequencies, 2 / np.pi * weights * np.exp(-((frequencies / reach) ** 8))


def _thermal(w, temperature):
    """½ coth(w/2T), dims of w."""
    return 0.5 / np.tanh(w / (2 * temperature)) if temperature else 0.5 * np.ones_like(w)


def _coth_poles(temperature, count=300):
    """ν and W with ½ coth(w/2T)/w = Σ W/(w² + ν²), from Lambert's continued fraction of coth.

    Returns two (pole,) arrays, ν in units of w_A and W of w_A; ν = 0 comes first.
    """
    m = np.arange(1, 2 * count)
    roots, vectors = eigh_tridiagonal(np.zeros(2 * count), 1 / np.sqrt((2 * m + 1) * (2 * m + 3)))
    roots, shares = roots[count:], 2 / 3 * vectors[0, count:] ** 2
    return np.append(0.0, 2 * temperature / roots), temperature * np.append(1.0, shares / roots**2)


def _constant(value):
    return lambda _: value


def _flat(lanes):
    position, velocity, fields = lanes
    return [position, velocity, *(field.reshape(-1, field.shape[2]) for field in fields)]


def _joined(first, second):
    fields = [np.concatenate(pair, axis=2) for pair in zip(first[2], second[2], strict=True)]
    position, velocity = (np.hstack([first[i], second[i]]) for i in (0, 1))
    return position, velocity, fields


def extrapolated(build, solve, reach):
    """Moments with the cut of J removed to leading order, and the size of that correction.

    Parameters
    ----------
    build : callable
        `build(reach)` gives a FiniteBath.
    solve : callable
        `solve(bath)` gives its Moments.
    reach : float
        The lower of two cuts, in units of w_A; the other is twice as far. The error falls as 1/reach².

    Returns
    -------
    Moments and Moments
        The extrapolation, and its difference from the run with the farther cut: a generous error estimate.
    """
    near, far = solve(build(reach)), solve(build(2 * reach))
    best = Moments(far.times, *(b + (b - a) / 3 for a, b in zip(near[1:], far[1:], strict=True)))
    return best, Moments(far.times, *(abs(a - b) for a, b in zip(best[1:], far[1:], strict=True)))
