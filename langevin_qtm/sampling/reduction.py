"""What of a step can be seen: the fewest variables and normals that give the same moments.

Most of the state s of a step law never shows: noises faster than a step are gone before moments look at them,
and most combinations of slow ones act alike. Let y_k be what is looked at in step k (`Outputs`). In the
periodic steady state, with P_k the covariance of s_k and the observability Gramian

    O_k = Σ_j Φ_{k→k+j}ᵀ y_{k+j}ᵀ y_{k+j} Φ_{k→k+j},   P_k = L_k L_kᵀ,   L_kᵀ O_k L_k = V_k Σ_k² V_kᵀ,

the variables r_k = V_kᵀ L_k^{-1} s_k are independent with unit variance, and Σ_k (Hankel singular
values) says how much of the outputs, now and later, each of them carries. The first few are kept [1]_,
as many as the memory of positions and forces asks for:

    r_{k+1} = A_k r_k + η_k,   A_k = T_{k+1} Φ_k S_k,   <η_k η_kᵀ> = 1 - A_k A_kᵀ,   T = Vᵀ L^{-1}, S = L V.

This is the best Markov model of r; covariances at one time are exact, whatever is left out.

**Normals.** Not every η_k need be drawn at once. Let r_k = r̃_k + ρ_k with r̃_k drawn and ρ_k, independent of
all that has been drawn, of known covariance R_k. Then

    A_k ρ_k + η_k = N_k ξ_k + ρ_{k+1},   N_k N_kᵀ + R_{k+1} = A_k R_k A_kᵀ + <η_k η_kᵀ>:

N_k takes the few directions that matter most to the outputs, the rest waits in R until it has grown, turned
or died; R is then recomputed for the N of one period, repeated. r̃ is the conditional mean of r given the
normals drawn so far, and E[r rᵀ] = E[r̃ r̃ᵀ] + R exactly (Rao–Blackwell). One normal for each reservoir and
step is typical.

An orthogonal change of basis makes all A_k but the last of a period lower triangular (periodic QL).

.. [1] B. C. Moore, IEEE Trans. Autom. Control 26, 17 (1981); for periodic systems A. Varga, Proc. 39th IEEE
   Conference on Decision and Control, 2338 (2000).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.step_law import StepLaw, periodic_covariance

UNSEEN = 0.02  # Hankel singular values left out, in standard deviations of an output
MEMORY = 2.5e-4  # error of the covariances of positions and forces at later times, in the same units
UNDRAWN = 0.1  # variance of an output that may wait to be drawn, in the same units
LAGS = 12  # steps within which `short_time` adds to fluctuations what waits
LATE = 100.0  # how much stricter variance that waits is judged by what is left of it later
FORCE_WEIGHT = 2.0  # of the force over a step among the outputs
SWEEPS = 30  # periods within which R should repeat itself …
REPEATED = 1e-9  # … to this
RANK = 1e-13  # relative variance below which a direction of the state does not exist


@dataclass(frozen=True)
class Outputs:
    """Rows on the carried variables that are looked at.

    Attributes
    ----------
    moments : (sample, row, carried) array
        Conditional means whose products are accumulated, at every `stride`-th step.
    stride : int
    driven : list of int
        Contacts whose force over each step does work.
    """

    moments: FloatArray
    stride: int
    driven: list[int]


@dataclass(frozen=True)
class ReducedLaw:
    """r̃_{k+1} = A_k r̃_k + N_k ξ_k for the steps k of a drive period.

    Attributes
    ----------
    transition : (phase, r, r) array
        A.
    noise : (phase, r, normal) array
        N.
    lift : (phase, carried, r) array
        S: E[s_k | r_k].
    project : (phase, r, carried) array
        T.
    covariance : (phase, r, r) array
        Of r in the periodic steady state.
    waiting : (phase, r, r) array
        R: covariance of what is not drawn yet.
    ends : (phase, oscillator + driven, 2 r) array
        Positions in the middle of step k, then force integrals over it, expected from r_k and r_{k+1}.
    """

    transition: FloatArray
    noise: FloatArray
    lift: FloatArray
    project: FloatArray
    covariance: FloatArray
    waiting: FloatArray
    ends: FloatArray

    @property
    def size(self) -> int:
        """Number of variables."""
        return self.transition.shape[-1]

    @property
    def normals(self) -> int:
        """Normals in a step."""
        return self.noise.shape[-1]

    @property
    def drawn(self) -> FloatArray:
        """Covariance of r̃ in the periodic steady state, (phase, r, r)."""
        return self.covariance - self.waiting


def reduced_law(law: StepLaw, outputs: Outputs) -> ReducedLaw:
    """Reduce a law to what the outputs see of it in the periodic steady state."""
    system = _System(law, outputs)
    lift, project, values = _balanced(system)
    size = _enough_variables(system, lift, project, values)
    lift, project, values = lift[:, :, :size], project[:, :size], values[:, :size]
    transition = np.roll(project, -1, axis=0) @ system.flow @ lift
    seen = [output @ along for output, along in zip(system.seen, lift, strict=True)]
    waiting, noise = _fewest_normals(transition, np.maximum(values, 1e-3 * UNSEEN), seen)
    basis = _triangular_basis(transition)
    later = np.roll(basis, -1, axis=0)
    turned = later.transpose(0, 2, 1) @ transition @ basis
    turned[:-1] = np.tril(turned[:-1])
    lift, project = lift @ basis, basis.transpose(0, 2, 1) @ project
    middle = _middle(lift[:, : law.layout.bodies], turned, np.roll(turned.transpose(0, 2, 1), 1, axis=0))
    force = _force_given_ends(system, turned, project)
    return ReducedLaw(
        transition=turned,
        noise=later.transpose(0, 2, 1) @ noise,
        lift=lift,
        project=project,
        covariance=np.broadcast_to(np.eye(size), turned.shape),
        waiting=basis.transpose(0, 2, 1) @ waiting @ basis,
        ends=np.concatenate([middle, force], axis=1),
    )


def whole_law(law: StepLaw, outputs: Outputs) -> ReducedLaw:
    """A law in the same form with nothing left out, right outside its steady state, too."""
    system = _System(law, outputs)
    scale = np.sqrt(np.maximum(system.covariance.diagonal(axis1=1, axis2=2).mean(axis=0), 1e-300))
    one = np.broadcast_to(np.eye(len(scale)), system.flow.shape)
    transition = system.flow * scale / scale[:, None]
    spread = system.noise / np.outer(scale, scale)
    values, axes = np.linalg.eigh(spread)
    kept = values > RANK * values[:, -1:]
    inverse = (axes * np.where(kept, 1 / np.where(kept, values, 1.0), 0.0)[:, None]) @ axes.transpose(0, 2, 1)
    after = (system.force_noise / scale) @ inverse  # force integral on what the noise did to the state
    force = np.concatenate([system.force_flow * scale - after @ transition, after], axis=2)
    positions = (one * scale)[:, : law.layout.bodies]
    # x_{k-1} by extrapolation from x_k, x_{k+1} and x_{k+2}
    middle = _middle(positions, transition, None)
    return ReducedLaw(
        transition=transition,
        noise=axes * np.sqrt(np.maximum(values, 0.0))[:, None],
        lift=one * scale,
        project=one / scale,
        covariance=system.covariance / np.outer(scale, scale),
        waiting=np.zeros(system.flow.shape),
        ends=np.concatenate([middle, force], axis=1),
    )


def _middle(position: FloatArray, onward: FloatArray, back: FloatArray | None) -> FloatArray:
    """Positions in the middle of steps, on r at both ends, (phase, oscillator, 2 r).

    By four neighbours, x = [7 (x_k + x_{k+1}) - (x_{k-1} + x_{k+2})] / 12: weights that make products with
    force integrals right to fourth order in the step for slow x. The outer two are expected from r_k and
    r_{k+1}; without a regression `back`, x_{k-1} = 3 x_k - 3 x_{k+1} + x_{k+2} of a parabola.
    """
    beyond = np.roll(position, -1, axis=0) @ onward  # x_{k+1} given r_k
    if back is None:
        before, after = 4 * position, 10 * position - 2 * beyond
    else:
        before, after = 7 * position - np.roll(position, 1, axis=0) @ back, 7 * position - beyond
    return np.concatenate([before, np.roll(after, -1, axis=0)], axis=2) / 12


class _System:
    """Carried variables of a law and what is seen of them, in the periodic steady state.

    Attributes
    ----------
    flow : (phase, n, n) array
    covariance : (phase, n, n) array
        P.
    noise : (phase, n, n) array
        Covariance of the noise of a step.
    force_flow : (phase, driven, n) array
        Force integral of a step on the state at its start.
    force_noise : (phase, driven, n) array
        Covariance of its noise with that of the state.
    force_scale : (driven,) array
        Standard deviation of force integrals.
    always : (phase, row, n) array
        Outputs at every phase, in units of their standard deviations.
    seen : list of (row, n) arrays
        The same, forces weighted, with the conditional means where they are taken.
    """

    def __init__(self, law: StepLaw, outputs: Outputs):
        layout = law.layout
        carried, fresh = layout.carried, layout.dynamic + np.array(outputs.driven, dtype=int)
        noise = law.covariance.sum(axis=0)
        self.flow = law.propagator[:, carried][:, :, carried]
        self.covariance = law.periodic_covariance[:, carried][:, :, carried]
        self.noise = noise[:, carried][:, :, carried]
        self.force_flow = law.propagator[:, fresh][:, :, carried]
        self.force_noise = noise[:, fresh][:, :, carried]
        variance = np.einsum("kcn,knm,kcm->kc", self.force_flow, self.covariance, self.force_flow)
        variance += noise[:, fresh, fresh]
        self.force_scale = np.sqrt(variance.mean(axis=0))
        self.always = self._always(layout.bodies)
        self.seen = self._seen(outputs)

    def _always(self, bodies: int) -> FloatArray:
        """Positions, and forces over the step to come, at every phase."""
        body, force = np.arange(bodies), self.force_flow / np.maximum(self.force_scale, 1e-300)[:, None]
        position = np.zeros((len(self.flow), bodies, self.flow.shape[-1]))
        position[:, body, body] = 1 / np.sqrt(self.covariance[:, body, body].mean(axis=0))
        return np.concatenate([position, force], axis=1)

    def _seen(self, outputs: Outputs) -> list[FloatArray]:
        sampled = self.covariance[:: outputs.stride]
        spread = np.einsum("krn,knm,krm->kr", outputs.moments, sampled, outputs.moments).mean(axis=0)
        moments = outputs.moments / np.sqrt(np.maximum(spread, 1e-300))[:, None]
        weights = np.ones(self.always.shape[1])
        weights[len(weights) - len(outputs.driven) :] = FORCE_WEIGHT
        rows = list(self.always * weights[:, None])
        for sample, conditional in enumerate(moments):
            rows[sample * outputs.stride] = np.concatenate(
                [conditional, self.always[sample * outputs.stride]]
            )
        return rows


def _balanced(system: _System) -> tuple[FloatArray, FloatArray, FloatArray]:
    """S (phase, n, r), T (phase, r, n) and Σ (phase, r), all directions that exist, largest Σ first."""
    gramians = _observability(system)
    phases, size = system.flow.shape[:2]
    lift, project, values = np.zeros((phases, size, size)), np.zeros((phases, size, size)), []
    for k, (covariance, gramian) in enumerate(zip(system.covariance, gramians, strict=True)):
        scale = np.sqrt(np.maximum(covariance.diagonal(), 1e-300))
        spread, axes = np.linalg.eigh(covariance / np.outer(scale, scale))
        exists = spread > RANK * spread[-1]
        root = np.sqrt(np.where(exists, spread, 0.0))
        inverse = np.where(exists, 1 / np.where(exists, root, 1.0), 0.0)
        into = scale[:, None] * axes * root
        back = (axes * inverse) / scale[:, None]
        weight, turn = np.linalg.eigh(into.T @ gramian @ into)
        turn = turn[:, ::-1]
        lift[k], project[k] = into @ turn, (back @ turn).T
        values.append(np.sqrt(np.maximum(weight[::-1], 0.0)))
    return lift, project, np.array(values)


def _enough_variables(system: _System, lift: FloatArray, project: FloatArray, values: FloatArray) -> int:
    """Variables that keep the singular values above `UNSEEN`, and the memory of the outputs to `MEMORY`."""
    rows, size = system.always, max(1, int((values > UNSEEN).sum(axis=1).max()))
    exact = _memory(system.flow, rows, system.covariance @ rows.swapaxes(1, 2))
    while size < values.shape[1]:
        transition = np.roll(project[:, :size], -1, axis=0) @ system.flow @ lift[:, :, :size]
        seen = rows @ lift[:, :, :size]
        if np.abs(_memory(transition, seen, seen.swapaxes(1, 2)) - exact).max() <= MEMORY:
            break
        size += 1
    return size


def _memory(flow: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Covariances of outputs at lags beyond `LAGS`, (lag, phase, row, row), from their columns at lag 0."""
    found = []
    for lag in range(1, 10 * LAGS):
        columns = np.roll(flow, 1 - lag, axis=0) @ columns
        if lag > LAGS:
            found.append(np.roll(rows, -lag, axis=0) @ columns)
    return np.array(found)


def _observability(system: _System) -> FloatArray:
    """Periodic solution of O_k = y_kᵀ y_k + Φ_kᵀ O_{k+1} Φ_k, (phase, n, n)."""
    flow, seen = system.flow, system.seen
    size = flow.shape[-1]
    total, once = np.zeros((size, size)), np.eye(size)
    for step, rows in zip(flow[::-1], seen[::-1], strict=True):
        total = rows.T @ rows + step.T @ total @ step
        once = once @ step
    for _ in range(64):  # Σ_j Φᵀ^j G Φ^j over whole periods, by doubling
        added = once.T @ total @ once
        total = total + added
        once = once @ once
        if np.abs(added).max() <= 1e-15 * np.abs(total).max():
            break
    gramians = np.zeros((len(flow), size, size))
    for k in range(len(flow) - 1, -1, -1):
        total = seen[k].T @ seen[k] + flow[k].T @ total @ flow[k]
        gramians[k] = total
    return gramians


def _fewest_normals(
    transition: FloatArray, weights: FloatArray, seen: list[FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """R (phase, r, r) and N (phase, r, normal) with the fewest normals that keep outputs drawn."""
    size = transition.shape[-1]
    for normals in range(1, size + 1):
        noise = _deferred(transition, weights, normals)
        waiting = np.eye(size) - periodic_covariance(transition, noise @ noise.swapaxes(1, 2))
        if _undrawn(transition, waiting, seen) <= UNDRAWN:
            break
    return waiting, noise


def _undrawn(transition: FloatArray, waiting: FloatArray, seen: list[FloatArray]) -> float:
    """Largest variance of an output that waits, or `LATE` times its covariance with the same output later."""
    worst, columns = 0.0, [r @ rows.T for r, rows in zip(waiting, seen, strict=True)]
    for lag in range(2 * LAGS + 1):
        if lag == 0 or lag > LAGS:
            factor = 1.0 if lag == 0 else LATE
            for k, column in enumerate(columns):
                later = seen[(k + lag) % len(seen)]
                if len(later) == column.shape[1]:
                    worst = max(worst, factor * float(np.abs(np.einsum("or,ro->o", later, column)).max()))
        columns = [transition[(k + lag) % len(seen)] @ column for k, column in enumerate(columns)]
    return worst


def _deferred(transition: FloatArray, weights: FloatArray, normals: int) -> FloatArray:
    """N for a number of normals; the directions drawn weigh most in the outputs."""
    phases, size = transition.shape[:2]
    noise, left = np.zeros((phases, size, normals)), np.zeros((size, size))
    fresh = np.eye(size) - transition @ transition.transpose(0, 2, 1)
    for _ in range(SWEEPS):
        before = left
        for k in range(phases):
            later = weights[(k + 1) % phases]
            total = transition[k] @ left @ transition[k].T + fresh[k]
            values, axes = np.linalg.eigh(total * np.outer(later, later))
            largest = np.sqrt(np.maximum(values[-normals:], 0.0))
            noise[k] = axes[:, -normals:] * largest / later[:, None]
            left = total - noise[k] @ noise[k].T
            left = 0.5 * (left + left.T)
        if np.abs(left - before).max() <= REPEATED:
            break
    return noise


def _force_given_ends(system: _System, transition: FloatArray, project: FloatArray) -> FloatArray:
    """Regression of the force integral of a step on r at its two ends, (phase, driven, 2 r)."""
    one = np.broadcast_to(np.eye(transition.shape[-1]), transition.shape)
    joint = np.block([[one, transition.transpose(0, 2, 1)], [transition, one]])
    with_state = system.force_flow @ system.covariance
    with_next = with_state @ system.flow.transpose(0, 2, 1) + system.force_noise
    with_start = with_state @ project.transpose(0, 2, 1)
    with_end = with_next @ np.roll(project, -1, axis=0).transpose(0, 2, 1)
    both = np.concatenate([with_start, with_end], axis=2)
    return np.asarray(both @ np.linalg.pinv(joint, rcond=1e-11, hermitian=True))


def _triangular_basis(transition: FloatArray) -> FloatArray:
    """Orthogonal Q_k, (phase, r, r), with Q_{k+1}ᵀ A_k Q_k lower triangular for all k but the last."""
    basis = np.zeros(transition.shape)
    basis[0] = np.eye(transition.shape[-1])
    for k in range(len(transition) - 1):
        basis[k + 1] = np.linalg.qr(transition[k] @ basis[k])[0]
    return basis[:, :, ::-1]
