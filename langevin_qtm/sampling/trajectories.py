"""Sample trajectories: resolved in every detail, and how they enter the dataset.

They are independent of the trajectories that are averaged, which leave out what averages do not see
(`reduction`); same machine, same steps, same start.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.factors import step_factors
from langevin_qtm.sampling.group import Plan, gaussian_draws
from langevin_qtm.sampling.normals import LANES, seed_lanes
from langevin_qtm.sampling.paths import Record, advance, path_steps
from langevin_qtm.sampling.settings import Recording

STREAM = 2**40  # index of their random numbers, beyond any group that is averaged


def sample_trajectories(plan: Plan, recording: Recording, seed: int, covariance: FloatArray) -> Record:
    """Trajectories from a Gaussian law over the recorded periods.

    Parameters
    ----------
    plan : Plan
    recording : Recording
    seed : int
    covariance : (carried, carried) array
        Law of the carried variables at the start.
    """
    stride = 1 if recording.interval is None else max(1, int(np.ceil(recording.interval / plan.step - 1e-9)))
    lanes, rows = recording.trajectories, plan.law.layout.dense + plan.bodies
    count = -(-recording.periods * plan.law.steps // stride) if lanes else 0
    record = Record(np.full((count, rows, max(1, lanes)), np.nan), stride)
    if not count:
        return record
    steps, rng = path_steps(step_factors(plan.law)), seed_lanes(seed, STREAM)
    state = gaussian_draws(rng, covariance)
    history = np.concatenate([*[state[: plan.bodies]] * 4, np.zeros((plan.contacts, LANES))]).ravel()
    slopes, work = np.zeros((plan.law.steps, plan.contacts, plan.bodies)), np.zeros(plan.bodies * LANES)
    for _ in range(recording.periods):
        state = advance(steps, state, rng, slopes, history, work, record)
    return record


def stored_trajectories(plan: Plan, stored: Record) -> tuple[dict[str, FloatArray], dict[str, NDArray]]:
    """Trajectory variables of the schema and their coordinates; empty when nothing was stored.

    Returns
    -------
    variables : dict
        `position`, `velocity` (trajectory, time, oscillator); `noise` (trajectory, time, reservoir), for a
        memoryless reservoir its average over the step before; `instantaneous_power` (trajectory, time,
        oscillator), -ġ x F, with the same average for the force of a memoryless reservoir.
    coordinates : dict
        `trajectory` and `time`.
    """
    filled = int(np.isfinite(stored.samples[:, 0, 0]).sum())
    if not filled:
        return {}, {}
    layout, machine, bodies = plan.law.layout, plan.law.machine, plan.bodies
    record = stored.samples[:filled].transpose(2, 0, 1)  # (trajectory, time, row)
    step = np.arange(filled, dtype=float) * stored.stride
    times, before = plan.step * (step % plan.law.steps), plan.step * ((step - 1) % plan.law.steps)
    position, earlier = record[..., :bodies], record[..., layout.dense :]
    noise = np.zeros((*record.shape[:2], len(machine.reservoirs)))
    power = np.zeros_like(position)
    for index, contact in enumerate(machine.contacts):
        memory = layout.embedding.memories[index]
        if memory.size:
            own = record[..., layout.noise[index].start]
            force = own + record[..., layout.friction[index].start]
        else:
            force = record[..., layout.dynamic + index] / plan.step
            moved = (contact.couplings(times) * position - contact.couplings(before) * earlier).sum(axis=-1)
            own = force + memory.friction * moved / plan.step
        noise[..., contact.reservoir] += own
        slope = contact.coupling_rates(times)
        power -= slope * position * force[..., None]
    variables = {
        "position": position,
        "velocity": record[..., bodies : 2 * bodies],
        "noise": noise,
        "instantaneous_power": power,
    }
    return variables, {"trajectory": np.arange(len(record)), "time": step * plan.step}
