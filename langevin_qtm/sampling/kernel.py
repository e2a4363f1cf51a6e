"""The time loop of a measurement: one group of 64 trajectories through whole drive periods.

A step draws its normals ξ, accumulates products of conditional means where they are due (see `moments`), and
maps ξ and the drawn variables r̃ (see `reduction`) to the next r̃, to the positions x̂ in the middle of the step
and to the force integrals Î that r̃ at the two ends gives. The work of the step through one coupling is
-ġ x̂ Î. Work serves the fluctuations D (what it misses of them is in `short_time`); means of powers come from
the moments.

Arrays are flat, `LANES` trajectories innermost; a row is the 64 values of one variable (see `row_maps`).
"""

from __future__ import annotations

import numpy as np

from langevin_qtm.compiled import compiled, fma
from langevin_qtm.sampling.normals import LANES, fill_rows
from langevin_qtm.sampling.row_maps import apply


@compiled
def run_periods(
    periods,
    rng,
    state,
    normals,
    maps,
    bands,
    looks,
    look_bands,
    slopes,
    moment_maps,
    moment_bands,
    slots,
    phase_pairs,
    mean_pairs,
    phase_sums,
    mean_sums,
    window,
    window_periods,
    window_sums,
):
    """Advance one group by whole periods.

    Parameters
    ----------
    periods : int
    rng : (4 * LANES,) uint64
        Generator states, advanced.
    state : ((2 source + rest) * LANES,)
        Sources, twice: normals of a step, r̃, and rows of zeros up to a multiple of four. Then room for what
        comes out of a step besides: positions and force integrals; conditional means.
    normals : int
        Normals in a step.
    maps : (phase, r, source) array
        From sources to the next r̃.
    bands : (phase, band, 3) int array
        First row, end, and width of consecutive rows: the columns beyond, a multiple of four, are zero.
    looks, look_bands
        The same from sources to x̂ of every oscillator and Î of every driven contact.
    slopes : (phase, driven, oscillator) array
        ġ in the middle of the step.
    moment_maps, moment_bands
        The same from r̃ and zeros to the conditional means, (sample, row, …).
    slots, phase_pairs, mean_pairs
        As in `MomentPlan`.
    phase_sums : (phase * pair * LANES,)
        Sums of the products of `phase_pairs` at each phase.
    mean_sums : (pair * LANES,)
        Sums of the products of `mean_pairs` over all phases.
    window : (2 * (oscillator + 1) * LANES,)
        Work of the current and of the previous window, for each oscillator and the total.
    window_periods : (3,) int array
        Periods in a window, periods done in the current one, windows finished.
    window_sums : (3 * (oscillator + 1) * LANES,)
        Sums of w, w² and w w_previous.
    """
    phases, _, sources = maps.shape
    bodies = slopes.shape[2]
    stride = phases // moment_maps.shape[0]
    first = np.int64(0)  # see `compiled`
    now, later, rest = first, sources, 2 * sources
    for _ in range(periods):
        for k in range(phases):
            fill_rows(rng, state, now, normals)
            if k % stride == 0:
                sample = k // stride
                apply(state, rest, moment_maps, sample, moment_bands, now + normals)
                _add_products(phase_sums, slots[sample] * phase_pairs.shape[0], state, rest, phase_pairs)
                _add_products(mean_sums, first, state, rest, mean_pairs)
            apply(state, later + normals, maps, k, bands, now)
            apply(state, rest, looks, k, look_bands, now)
            _add_work(window, slopes, k, state, rest)
            now, later = later, now
        window_periods[1] += 1
        if window_periods[1] == window_periods[0]:
            _close_window(window, window_sums, bodies)
            window_periods[1] = 0
            window_periods[2] += 1
    if now != 0:
        for i in range(sources * LANES):
            state[i] = state[sources * LANES + i]


@compiled
def _add_products(sums, first, state, rest, pairs):
    """sums[first + p] += state[rest + a] state[rest + b] for every pair p = (a, b)."""
    for p in range(pairs.shape[0]):
        target = sums[(first + p) * LANES : (first + p + 1) * LANES]
        left = state[(rest + pairs[p, 0]) * LANES : (rest + pairs[p, 0] + 1) * LANES]
        right = state[(rest + pairs[p, 1]) * LANES : (rest + pairs[p, 1] + 1) * LANES]
        for lane in range(LANES):
            target[lane] = fma(left[lane], right[lane], target[lane])


@compiled
def _add_work(window, slopes, k, state, rest):
    """Work of a step through every driven coupling, from the rows of x̂ and Î."""
    driven, bodies = slopes.shape[1:]
    for c in range(driven):
        force = state[(rest + bodies + c) * LANES : (rest + bodies + c + 1) * LANES]
        for l in range(bodies):
            gain = slopes[k, c, l]
            position = state[(rest + l) * LANES : (rest + l + 1) * LANES]
            target = window[l * LANES : (l + 1) * LANES]
            for lane in range(LANES):
                target[lane] = fma(-gain * position[lane], force[lane], target[lane])


@compiled
def _close_window(window, sums, bodies):
    """Add the finished window and its total to the sums, remember it, start the next."""
    channels = bodies + 1
    for lane in range(LANES):
        total = 0.0
        for l in range(bodies):
            total += window[l * LANES + lane]
        window[bodies * LANES + lane] = total
    for channel in range(channels):
        for lane in range(LANES):
            value = window[channel * LANES + lane]
            before = window[(channels + channel) * LANES + lane]
            sums[channel * LANES + lane] += value
            sums[(channels + channel) * LANES + lane] += value * value
            sums[(2 * channels + channel) * LANES + lane] += value * before
            window[(channels + channel) * LANES + lane] = value
            window[channel * LANES + lane] = 0.0
