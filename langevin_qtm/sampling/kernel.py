"""The time loop: one group of 64 trajectories through whole drive periods.

Arrays are flat, `LANES` trajectories innermost, so that each loop over lanes is a SIMD loop; a row is the
64 values of one variable. A step draws its normals, takes the moments of conditional means where they are
due (see `moments`), and advances the state (see `factors`).

Work of a step through one coupling is -ġ x F integrated over the step with the exact integral of F and x at
the middle of the step from four neighbours, x = [7(x_k + x_{k+1}) - (x_{k-1} + x_{k+2})]/12, whose weights
make the product right to fourth order in the step for slow x; so it is done one step late. Work serves the
fluctuations D (what it misses of them is in `short_time`); means of powers come from the moments.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from langevin_qtm.sampling.normals import LANES, fill_normals

_compiled = njit(nogil=True, error_model="numpy", fastmath={"contract"})


@_compiled
def _row(array, row):
    """The lanes of one row. Indexing the row, not the array, is what lets the compiler vectorize."""
    return array[row * LANES : (row + 1) * LANES]


@_compiled
def _add_rows(out, row, weights, source, first, count):
    """out[row] += Σ_j weights[j] source[first + j], j < count, eight rows at a time, then four, then one."""
    target = _row(out, row)
    whole = count - count % 8
    for j in range(0, whole, 8):
        w0, w1, w2, w3 = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        w4, w5, w6, w7 = weights[j + 4], weights[j + 5], weights[j + 6], weights[j + 7]
        rows = source[(first + j) * LANES : (first + j + 8) * LANES]
        for lane in range(LANES):
            target[lane] += (
                w0 * rows[lane]
                + w1 * rows[LANES + lane]
                + w2 * rows[2 * LANES + lane]
                + w3 * rows[3 * LANES + lane]
                + w4 * rows[4 * LANES + lane]
                + w5 * rows[5 * LANES + lane]
                + w6 * rows[6 * LANES + lane]
                + w7 * rows[7 * LANES + lane]
            )
    if count - whole >= 4:
        w0, w1, w2, w3 = weights[whole], weights[whole + 1], weights[whole + 2], weights[whole + 3]
        rows = source[(first + whole) * LANES : (first + whole + 4) * LANES]
        for lane in range(LANES):
            target[lane] += (
                w0 * rows[lane]
                + w1 * rows[LANES + lane]
                + w2 * rows[2 * LANES + lane]
                + w3 * rows[3 * LANES + lane]
            )
        whole += 4
    for j in range(whole, count):
        weight, rest = weights[j], _row(source, first + j)
        for lane in range(LANES):
            target[lane] += weight * rest[lane]


@_compiled
def _set_rows(out, row, weights, source, first, count):
    """out[row] = Σ_j weights[j] source[first + j]."""
    _row(out, row)[:] = 0.0
    _add_rows(out, row, weights, source, first, count)


@_compiled
def _scale_row(out, row, factor):
    """out[row] *= factor."""
    target = _row(out, row)
    for lane in range(LANES):
        target[lane] *= factor


@_compiled
def _add_products(out, row, array, pairs):
    """out[row + p] += array[a] array[b] for every pair p = (a, b)."""
    for p in range(pairs.shape[0]):
        target, left, right = _row(out, row + p), _row(array, pairs[p, 0]), _row(array, pairs[p, 1])
        for lane in range(LANES):
            target[lane] += left[lane] * right[lane]


@_compiled
def _set_work(work, body, gains, history, integrals, bodies):
    """Work of the step before the present one through the couplings of one oscillator."""
    target = _row(work, body)
    older, old = _row(history, body), _row(history, bodies + body)
    new, newer = _row(history, 2 * bodies + body), _row(history, 3 * bodies + body)
    target[:] = 0.0
    for c in range(gains.shape[0]):
        gain, force = gains[c, body] / 12.0, _row(integrals, c)
        for lane in range(LANES):
            twelvefold = 7.0 * (old[lane] + new[lane]) - (older[lane] + newer[lane])
            target[lane] -= gain * twelvefold * force[lane]


@_compiled
def _store(sample, lanes, state, history, dynamic, contacts, bodies):
    """Sample at the start of the present step: z, then the force integrals of the step before it, and the
    positions at its start."""
    for lane in range(lanes):
        for i in range(dynamic):
            sample[i, lane] = state[i * LANES + lane]
        for c in range(contacts):
            sample[dynamic + c, lane] = history[(4 * bodies + c) * LANES + lane]
        for l in range(bodies):
            sample[dynamic + contacts + l, lane] = history[(bodies + l) * LANES + lane]


@_compiled
def run_periods(
    periods,
    rng,
    state,
    scratch,
    history,
    drift,
    noise,
    decay,
    filter_noise,
    blocks,
    slopes,
    moment_rows,
    slots,
    phase_pairs,
    mean_pairs,
    phase_sums,
    mean_sums,
    window,
    window_periods,
    window_sums,
    record,
    record_stride,
    recorded,
):
    """Advance one group by whole periods.

    Parameters
    ----------
    periods : int
    rng : (4 * LANES,) uint64
        Generator states, advanced.
    state : ((carried + normal) * LANES,)
        Rows of z and q, then room for the normals of a step.
    scratch : ((dense + 3 oscillator + contact) * LANES,)
        Rows of z' and the force integrals; conditional means; work.
    history : ((4 oscillator + contact) * LANES,)
        Positions at four neighbouring steps, and the force integrals of the step between the middle two.
    drift, noise, decay, filter_noise, blocks
        `StepFactors`.
    slopes : (phase, contact, oscillator)
        ġ in the middle of the step.
    moment_rows, slots, phase_pairs, mean_pairs
        `rows`, `slots`, `phase_pairs` and `mean_pairs` of `MomentPlan`.
    phase_sums : (phase * pair * LANES,)
        Sums of the products of `phase_pairs` at each phase.
    mean_sums : (pair * LANES,)
        Sums of the products of `mean_pairs` over all phases.
    window : (2 * (oscillator + 1) * LANES,)
        Work of the current and of the previous window, for each oscillator and the total.
    window_periods : (3,) int array
        Periods in a window, periods done in the current one, number of windows finished.
    window_sums : (3 * (oscillator + 1) * LANES,)
        Sums of w, w² and w w_previous.
    record : (sample, row, lane) array
        Rows as in `_store`. Filled from `recorded[0]` on while there is room.
    record_stride : int
        Steps between samples.
    recorded : (3,) int array
        Samples stored, steps until the next one, lanes stored.
    """
    steps, dense, carried = drift.shape
    bodies = slopes.shape[2]
    contacts = slopes.shape[1]
    normals = noise.shape[2]
    filters = decay.shape[0]
    dynamic = carried - filters
    channels = bodies + 1
    one = np.ones(1)
    integrals = history[4 * bodies * LANES :]
    samples = moment_rows.shape[1]
    stride = steps // moment_rows.shape[0]
    means = scratch[dense * LANES : (dense + samples) * LANES]
    work = scratch[(dense + samples) * LANES :]
    for _ in range(periods):
        for k in range(steps):
            fill_normals(rng, state[carried * LANES :])
            if k % stride == 0:
                sample = k // stride
                for row in range(samples):
                    _set_rows(means, row, moment_rows[sample, row], state, 0, carried)
                _add_products(phase_sums, slots[sample] * phase_pairs.shape[0], means, phase_pairs)
                _add_products(mean_sums, 0, means, mean_pairs)
            for i in range(dense):
                _set_rows(scratch, i, drift[k, i], state, 0, carried)
                _add_rows(scratch, i, noise[k, i], state, carried, normals)
            for c in range(contacts):
                start, stop, first, end = blocks[c]
                for j in range(start, stop):
                    _scale_row(state, dynamic + j, decay[j])
                    _add_rows(
                        state, dynamic + j, filter_noise[j, first:end], state, carried + first, end - first
                    )
            # work of the step before this one, between its four positions
            history[3 * bodies * LANES : 4 * bodies * LANES] = scratch[: bodies * LANES]
            for l in range(bodies):
                _set_work(work, l, slopes[k - 1 if k > 0 else steps - 1], history, integrals, bodies)
                _add_rows(window, l, one, work, l, 1)
                _add_rows(window, bodies, one, work, l, 1)
            if recorded[0] < record.shape[0]:
                if recorded[1] == 0:
                    _store(record[recorded[0]], recorded[2], state, history, dynamic, contacts, bodies)
                    recorded[0] += 1
                    recorded[1] = record_stride
                recorded[1] -= 1
            # next step
            for row in range(3 * bodies):
                _row(history, row)[:] = _row(history, bodies + row)
            integrals[:] = scratch[dynamic * LANES : dense * LANES]
            state[: dynamic * LANES] = scratch[: dynamic * LANES]
        window_periods[1] += 1
        if window_periods[1] == window_periods[0]:
            _close_window(window, window_sums, channels)
            window_periods[1] = 0
            window_periods[2] += 1


@_compiled
def _close_window(window, sums, channels):
    """Add the finished window to the sums, remember it, start the next."""
    for row in range(channels):
        for lane in range(LANES):
            value = window[row * LANES + lane]
            before = window[(channels + row) * LANES + lane]
            sums[row * LANES + lane] += value
            sums[(channels + row) * LANES + lane] += value * value
            sums[(2 * channels + row) * LANES + lane] += value * before
            window[(channels + row) * LANES + lane] = value
            window[row * LANES + lane] = 0.0
