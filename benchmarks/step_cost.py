"""Cost of one step of one trajectory, against normals of numpy and against the peak of the processor."""

from __future__ import annotations

import numpy as np
from numba import njit

from benchmarks.main_job import group, main_plan
from benchmarks.rounds import Line, fastest
from langevin_qtm.sampling.group import Plan
from langevin_qtm.sampling.normals import LANES, fill_normals, seed_lanes
from langevin_qtm.sampling.row_maps import BandedMaps, apply, banded

DEGREE, CHAINS = 8, 256  # multiply-adds in registers: Horner's rule of this degree for so many numbers
DENSE, COUNT = 8, 12  # rows of a dense map, and what each is a sum of

_compiled = njit(nogil=True, error_model="numpy", fastmath={"contract"})


def measure(rounds: int = 15, periods: int = 40, repeats: int = 2000) -> list[Line]:
    """Lines of the table.

    Parameters
    ----------
    rounds : int
    periods : int
        Drive periods in one call of the kernel.
    repeats : int
        Rows of normals in one call; arithmetic that takes about as long.
    """
    plan = main_plan()
    reservoirs, normals, flops = len(plan.law.machine.reservoirs), plan.reduced.normals, flops_per_step(plan)
    step, numpy_normal, own_normal, peak, dense = _rates(rounds, periods, repeats)
    share = normals * own_normal / step
    lines = [
        ("step of one trajectory", 1e9 * step, "ns", f"{share:.0%} of it its normals"),
        ("normals drawn in a step", normals, "", f">= {reservoirs}, one a reservoir"),
        ("step / (reservoirs × numpy normal)", step / (reservoirs * numpy_normal)),
        (
            "step / (normals drawn × numpy normal)",
            step / (normals * numpy_normal),
            "",
            f">= {own_normal / numpy_normal:.2f}, own normals alone",
        ),
        ("arithmetic of a step", flops, "flop", "normals not counted"),
        ("peak of multiply-adds", 1e-9 * peak, "Gflop/s", "in registers"),
        ("dense rows / peak", dense / peak, "", "<= 1, in the first cache"),
        ("step / peak", flops / step / peak, "", f"<= {1 - share:.2f}, rest its normals"),
        ("step without its normals / peak", flops / (step * (1 - share)) / peak, "", "<= 1"),
    ]
    return [Line("step cost", *line) for line in lines]


def _rates(rounds: int, periods: int, repeats: int) -> tuple[float, float, float, float, float]:
    """Seconds of a step, a normal of numpy and an own one; flop/s of the peak and of dense rows."""
    plan, trajectories = main_plan(), group()
    buffer = np.empty(plan.reduced.normals * LANES)
    batches = max(1, repeats // plan.reduced.normals)
    generator, lanes = np.random.Generator(np.random.PCG64(1)), seed_lanes(1, 0)
    chains = np.full(CHAINS, 0.25)
    dense, rows = banded(np.full((1, DENSE, COUNT), 0.5), COUNT), np.ones((COUNT + DENSE) * LANES)
    seconds = fastest(
        {
            "step": lambda: trajectories.advance(plan.kernel_steps, periods),
            "numpy": lambda: [generator.standard_normal(out=buffer) for _ in range(batches)],
            "own": lambda: [fill_normals(lanes, buffer) for _ in range(batches)],
            "peak": lambda: _horner(chains, 0.5, 20 * repeats),
            "dense": lambda: _dense_rows(rows, dense.matrices, dense.bands, repeats),
        },
        rounds,
    )
    return (
        seconds["step"] / (periods * plan.law.steps * LANES),
        seconds["numpy"] / (batches * buffer.size),
        seconds["own"] / (batches * buffer.size),
        20 * repeats * 2 * DEGREE * CHAINS / seconds["peak"],
        repeats * 2 * DENSE * COUNT * LANES / seconds["dense"],
    )


def flops_per_step(plan: Plan) -> float:
    """Additions and multiplications of a step of one trajectory, read off the loops of the kernel."""
    moments = plan.moments
    products = len(moments.phase_pairs) + len(moments.mean_pairs)
    sampled = _flops(plan.moment_maps) + 2 * products
    work = 3 * plan.bodies * len(moments.driven)
    return _flops(plan.maps) + _flops(plan.look_maps) + sampled / moments.stride + work


def _flops(maps: BandedMaps) -> float:
    """Of one map, columns that fill up the blocks included."""
    first, stop, width = np.moveaxis(maps.bands, 2, 0)
    return float(2 * ((stop - first) * width).sum(axis=1).mean())


@_compiled
def _horner(numbers, x, repeats):
    """Chains of multiply-adds that never leave the registers."""
    for _ in range(repeats):
        for chain in range(CHAINS):
            value = numbers[chain]
            for _ in range(DEGREE):
                value = value * x + 0.125
            numbers[chain] = value


@_compiled
def _dense_rows(state, maps, bands, repeats):
    """A dense map of the kernel, over memory that stays in the first cache."""
    for _ in range(repeats):
        apply(state, COUNT, maps, 0, bands, 0)
