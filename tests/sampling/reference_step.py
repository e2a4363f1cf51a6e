"""What the kernels do, in plain numpy: loops over steps with matrices of the law, nothing shared with them.

Trajectories on the last axis. Documented definitions only:

- `ReferenceRun`, what is averaged: r' = A r + N ξ from `ReducedLaw` and one row of 64 normals for each ξ;
  moments are products of conditional means some steps ahead plus what is known of the rest (`moments`); work
  of a step is -ġ x F with F integrated and x in the middle, both given r at the two ends (`kernel`);
- `ReferencePath`, what is stored: z' = A z + B q + N ξ, q' = e^{-b h} q + M ξ, from `StepFactors`.
"""

from __future__ import annotations

import numpy as np

from langevin_qtm.sampling.factors import step_factors
from langevin_qtm.sampling.normals import LANES, reference_normals


class Reference:
    """Times and forces of a plan."""

    def __init__(self, plan, periods):
        self.plan, self.law = plan, plan.law
        self.layout, self.machine = self.law.layout, self.law.machine
        self.bodies, self.steps = self.layout.bodies, self.law.steps
        self.count = periods * self.steps

    def time(self, step):
        """Time in the period at the start of a step."""
        return np.array([self.machine.period * (step % self.steps) / self.steps])

    def velocities(self, step, positions, velocities):
        """ẏ of every contact: Σ_l (ġ_l x_l + g_l v_l)."""
        t = self.time(step)
        return [
            contact.coupling_rates(t)[0] @ positions + contact.couplings(t)[0] @ velocities
            for contact in self.machine.contacts
        ]

    def forces(self, step, state):
        """F of every contact without its white part: f + ξ, or noise minus friction."""
        bodies, forces = self.bodies, []
        speeds = self.velocities(step, state[:bodies], state[bodies : 2 * bodies])
        filters = np.split(
            state[self.layout.dynamic :], np.cumsum([len(f.rates) for f in self.layout.filters])[:-1]
        )
        for index, memory in enumerate(self.layout.embedding.memories):
            if memory.size:
                force = state[self.layout.friction[index].start] + state[self.layout.noise[index].start]
            else:
                coloured = self.layout.filters[index].residues @ filters[index]
                force = memory.white_gain * coloured - memory.friction * speeds[index]
            forces.append(force)
        return forces

    def force_rows(self, step):
        """F of every contact on the carried variables, column by column."""
        return np.array(self.forces(step, np.eye(len(self.layout.carried))))


class ReferenceRun(Reference):
    """64 trajectories through whole periods.

    Attributes
    ----------
    states : (step + 1, r, lane) array
        r̃ at the start of every step, and at the end.
    """

    def __init__(self, plan, rng, start, periods):
        super().__init__(plan, periods)
        reduced, states = plan.reduced, [start]
        for step in range(self.count):
            k, normals = step % self.steps, reference_normals(rng, reduced.normals).reshape(-1, LANES)
            states.append(reduced.transition[k] @ states[-1] + reduced.noise[k] @ normals)
        self.states, self.rng = np.array(states), rng

    def moments(self):
        """Position covariance, local power, heat by oscillator and reservoir, x v and v v, per trajectory.

        Conditional means `ahead` steps after each kept step, plus the covariance of the noise in between.
        """
        plan, law, bodies = self.plan, self.law, self.bodies
        kept, ahead, phases = self.layout.carried, plan.moments.ahead, len(plan.moments.times)
        stride, lanes, samples = self.steps // phases, LANES, self.count // self.steps
        covariance = np.zeros((lanes, bodies, bodies, phases))
        power, heat = (
            np.zeros((lanes, bodies, phases)),
            np.zeros((lanes, bodies, len(self.machine.reservoirs), phases)),
        )
        crossed, kinetic = np.zeros((2, lanes, bodies, bodies))
        noises = law.covariance.sum(axis=0)[:, kept][:, :, kept]
        flows = law.propagator[:, kept][:, :, kept]
        for step in range(0, self.count, stride):
            k, reduced = step % self.steps, plan.reduced
            mean = reduced.lift[k] @ self.states[step]
            drawn = reduced.covariance[k] - reduced.waiting[k]
            whole = law.periodic_covariance[k][np.ix_(kept, kept)]
            spread = whole - reduced.lift[k] @ drawn @ reduced.lift[k].T
            for k in range(step, step + ahead):
                mean = flows[k % self.steps] @ mean
                spread = flows[k % self.steps] @ spread @ flows[k % self.steps].T + noises[k % self.steps]
            later = step + ahead
            phase = later % self.steps // stride
            assert later % stride == 0
            t = self.time(later)
            x, v = mean[:bodies], mean[bodies : 2 * bodies]
            covariance[..., phase] += np.einsum("an,bn->nab", x, x) + spread[:bodies, :bodies]
            crossed += np.einsum("an,bn->nab", x, v) + spread[:bodies, bodies : 2 * bodies]
            kinetic += np.einsum("an,bn->nab", v, v) + spread[bodies : 2 * bodies, bodies : 2 * bodies]
            rows = self.force_rows(later)
            for c, contact in enumerate(self.machine.contacts):
                force, memory = rows[c] @ mean, self.layout.embedding.memories[c]
                g, rate = contact.couplings(t)[0], contact.coupling_rates(t)[0]
                # white noise and velocity at equal times: half the jump, ½ <Δv ΔF>
                kick = 0.5 * (memory.white_gain * self.layout.filters[c].white) ** 2 * g
                for l in range(bodies):
                    work = rate[l] * (x[l] * force + spread[l] @ rows[c])
                    power[:, l, phase] -= work
                    heat[:, l, contact.reservoir, phase] += work
                    moment = v[l] * force + spread[bodies + l] @ rows[c] + kick[l]
                    heat[:, l, contact.reservoir, phase] += g[l] * moment
        count = samples * phases
        return {
            "position_covariance": covariance / samples,
            "local_power": power / samples,
            "heat": heat / samples,
            "position_velocity_covariance": crossed / count,
            "velocity_covariance": kinetic / count,
        }

    def works(self):
        """Work of every step, by oscillator and in total: (step, channel, lane)."""
        position, force = step_end_rows(self.plan)
        works = []
        for step in range(self.count):
            k = step % self.steps
            ends = np.concatenate(self.states[step : step + 2])
            middle, integrals = position[k] @ ends, force[k] @ ends
            t = self.time(step) + 0.5 * self.machine.period / self.steps
            local = np.zeros((self.bodies, LANES))
            for row, c in enumerate(self.plan.moments.driven):
                slope = self.machine.contacts[c].coupling_rates(t)[0]
                local -= slope[:, None] * middle * integrals[row]
            works.append(np.concatenate([local, local.sum(axis=0, keepdims=True)]))
        return np.array(works)

    def window_moments(self, periods):
        """Means of w, w² and w w_previous over windows of so many periods: (lane, 3, channel)."""
        works = self.works()
        windows = works.reshape(-1, periods * self.steps, *works.shape[1:]).sum(axis=1)
        means = [windows.mean(axis=0), (windows**2).mean(axis=0), (windows[1:] * windows[:-1]).mean(axis=0)]
        return np.array(means).transpose(2, 0, 1)


def step_end_rows(plan):
    """Middle positions and force integrals of each step on r at its start and end, (phase, row, 2 r).

    x = [7 (x_k + x_{k+1}) - x_{k-1} - x_{k+2}] / 12, the outer two as expected from r_k and from r_{k+1}:
    <r_{k+1} r_kᵀ> = A_k with unit variances on either side. Not reduced: x_{k-1} by a parabola. Force
    integrals by least squares from the joint covariance of the law.
    """
    reduced, found, steps, bodies = plan.reduced, plan.law, plan.law.steps, plan.law.layout.bodies
    is_steady = plan.moments.is_steady
    carried, fresh = found.layout.carried, found.layout.dynamic + np.array(plan.moments.driven)
    x, positions, forces = [lift[:bodies] for lift in reduced.lift], [], []
    for k in range(steps):
        after, beyond, before = (k + 1) % steps, (k + 2) % steps, (k - 1) % steps
        last = x[beyond] @ reduced.transition[after]
        start, end = 7 * x[k], 7 * x[after] - last
        if is_steady:
            start = start - x[before] @ reduced.transition[before].T
        else:
            start, end = start - 3 * x[k], end + 3 * x[after] - last
        positions.append(np.concatenate([start, end], axis=1) / 12)
        flow, noise = found.propagator[k][:, carried], found.covariance[:, k].sum(axis=0)
        whole = found.periodic_covariance[k][np.ix_(carried, carried)]
        with_start = flow[fresh] @ whole @ reduced.project[k].T
        with_end = (flow[fresh] @ whole @ flow[carried].T + noise[np.ix_(fresh, carried)]) @ reduced.project[
            after
        ].T
        own, crossed = reduced.covariance[k], reduced.transition[k] @ reduced.covariance[k]
        joint = np.block([[own, crossed.T], [crossed, reduced.covariance[after]]])
        forces.append(
            np.linalg.lstsq(joint, np.concatenate([with_start, with_end], axis=1).T, rcond=1e-11)[0].T
        )
    return np.array(positions), np.array(forces)


class ReferencePath(Reference):
    """64 trajectories of the whole state.

    Attributes
    ----------
    states : (step + 1, carried, lane) array
        z and q at the start of every step, and at the end.
    integrals : (step, contact, lane) array
        Integral of F over every step.
    """

    def __init__(self, plan, rng, start, periods):
        super().__init__(plan, periods)
        factors, dynamic = step_factors(plan.law), self.layout.dynamic
        states, integrals = [start], []
        for step in range(self.count):
            k, normals = step % self.steps, reference_normals(rng, factors.normals).reshape(-1, LANES)
            dense = factors.drift[k] @ states[-1] + factors.noise[k] @ normals
            filters = factors.decay[:, None] * states[-1][dynamic:] + factors.filter_noise @ normals
            states.append(np.concatenate([dense[:dynamic], filters]))
            integrals.append(dense[dynamic:])
        self.states, self.integrals, self.rng = np.array(states), np.array(integrals), rng

    def samples(self, stride):
        """Position, velocity, noise and instantaneous power at every `stride`-th step: (lane, time, …)."""
        step = self.plan.step
        kept = range(0, self.count, stride)
        position = np.array([self.states[k, : self.bodies] for k in kept]).transpose(2, 0, 1)
        velocity = np.array([self.states[k, self.bodies : 2 * self.bodies] for k in kept]).transpose(2, 0, 1)
        noise = np.zeros((LANES, len(kept), len(self.machine.reservoirs)))
        power = np.zeros_like(position)
        for index, k in enumerate(kept):
            state, t = self.states[k], self.time(k)
            for c, contact in enumerate(self.machine.contacts):
                memory = self.layout.embedding.memories[c]
                if memory.size:
                    own = state[self.layout.noise[c].start]
                    force = state[self.layout.friction[c].start] + own
                elif k == 0:
                    now, before = (contact.couplings(self.time(j))[0] for j in (0, -1))
                    force = np.zeros(LANES)
                    own = memory.friction * (now - before) @ state[: self.bodies] / step
                else:
                    force = self.integrals[k - 1, c] / step
                    y = [
                        contact.couplings(self.time(j))[0] @ self.states[j, : self.bodies] for j in (k, k - 1)
                    ]
                    own = force + memory.friction * (y[0] - y[1]) / step
                noise[:, index, contact.reservoir] += own
                slope = contact.coupling_rates(t)[0]
                power[:, index] -= np.einsum("l,ln,n->nl", slope, state[: self.bodies], force)
        return {"position": position, "velocity": velocity, "noise": noise, "instantaneous_power": power}
