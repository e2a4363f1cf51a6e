"""Sample trajectories: where the kernel stores them, and how they enter the dataset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.group import Plan
from langevin_qtm.sampling.settings import Recording


@dataclass(frozen=True)
class Samples:
    """Stored samples.

    Attributes
    ----------
    record : (sample, row, trajectory) array
        Rows as the kernel stores them.
    stride : int
        Steps between samples.
    """

    record: FloatArray
    stride: int


def sample_plan(plan: Plan, recording: Recording) -> Samples:
    """Room for the samples that the settings ask for."""
    stride = 1 if recording.interval is None else max(1, int(np.ceil(recording.interval / plan.step - 1e-9)))
    count = -(-recording.periods * plan.law.steps // stride) if recording.trajectories else 0
    rows = plan.law.layout.dense + plan.bodies
    return Samples(np.full((count, rows, max(1, recording.trajectories)), np.nan), stride)


def stored_trajectories(plan: Plan, samples: Samples) -> tuple[dict[str, FloatArray], dict[str, NDArray]]:
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
    filled = int(np.isfinite(samples.record[:, 0, 0]).sum())
    if not filled:
        return {}, {}
    layout, machine, bodies = plan.law.layout, plan.law.machine, plan.bodies
    record = samples.record[:filled].transpose(2, 0, 1)  # (trajectory, time, row)
    step = np.arange(filled, dtype=float) * samples.stride
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
