"""Integrands of second moments at given noise frequencies, compiled.

A response of the machine is a handful of *signals*, periodic functions by their sidebands n:

    x_l, v_l,   and for each contact   y, ẏ, F, ġ_1 x_1, ġ_2 x_2, …

Every second moment is a product of two signals, weighted with the noise power spectrum of the source and
summed over sources (`Products`). Heat currents come from |y|² by the exchange form of
`periodic_steady_state`, fluctuations from `fluctuations`.
"""

from __future__ import annotations

from typing import NamedTuple

from langevin_qtm.compiled import compiled, fma
from langevin_qtm.exact.sidebands import IntArray, respond
from langevin_qtm.physics.conventions import FloatArray

Y, SPEED, FORCE, MOVED = range(4)  # of a contact; one MOVED for each oscillator


class Products(NamedTuple):
    """Second moments <a b> and where their Fourier coefficients lowest <= k <= highest are to be added.

    Attributes
    ----------
    first, second : (product,) int arrays
        Signals a and b.
    sign : (product,) array
    lowest, highest : (product,) int arrays
        highest = 0: the period average alone, a real number.
    start, stride : (product,) int arrays
        The pair (re, im) of coefficient k is at start + k stride.
    """

    first: IntArray
    second: IntArray
    sign: FloatArray
    lowest: IntArray
    highest: IntArray
    start: IntArray
    stride: IntArray


def signal_of(bodies: int, contact: int, kind: int) -> int:
    """Index of a signal of a contact; positions and velocities come first."""
    return 2 * bodies + contact * (MOVED + bodies) + kind


@compiled
def fill_signals(source, sidebands, gain, couplings, factors, x, signals):
    """Signals (signal, n) for noise of contact `source` at the central sideband; x is workspace."""
    count = len(sidebands)
    bodies = len(x) // count
    own = source * count + count // 2
    respond(own, couplings, factors, x)
    start, place, oscillator = couplings.start, couplings.position, couplings.oscillator
    value, rate, sideband = couplings.value, couplings.rate, couplings.sideband
    signals[:] = 0.0
    for row in range(couplings.first[own], couplings.stop[own]):
        n, l = sideband[row // bodies], row % bodies
        signals[l, n] = x[row]
        signals[bodies + l, n] = -1j * sidebands[n] * x[row]
    for contact in range(len(couplings.lowest)):
        first = 2 * bodies + contact * (MOVED + bodies)
        for n in range(couplings.lowest[contact, source], count, couplings.spacing):
            s, y = contact * count + n, 0.0j
            for i in range(start[s], start[s + 1]):
                position = x[place[i]]
                y += value[i] * position
                signals[first + MOVED + oscillator[i], n] += rate[i] * position
            signals[first + Y, n] = y
            signals[first + SPEED, n] = -1j * sidebands[n] * y
            signals[first + FORCE, n] = gain[s] * y
    signals[2 * bodies + source * (MOVED + bodies) + FORCE, count // 2] += 1.0


@compiled
def add_products(products, weight, spacing, signals, waves, out):
    """Add the products of signals (signal, n), times the weight of their source, to out (output,).

    Signals have sidebands `spacing` apart, the others being zero. `waves` (4, 2 n) is workspace.
    """
    for p in range(len(products.first)):
        a, b = signals[products.first[p]], signals[products.second[p]]
        start, strength = products.start[p], weight * products.sign[p]
        if products.highest[p] == 0:
            out[start] += _mean(strength, a, b)
            continue
        lowest, highest, stride = products.lowest[p], products.highest[p], products.stride[p]
        k = _correlate(spacing, a, b, waves)
        skipped = max(0, -(-(-highest - k) // spacing))
        for wave in range(skipped, min(waves.shape[1], (highest - k) // spacing + 1)):
            real, imaginary = strength * waves[0, wave], strength * waves[1, wave]
            harmonic = k + wave * spacing
            if harmonic >= lowest:
                out[start + harmonic * stride] += real
                out[start + harmonic * stride + 1] += imaginary
            if -harmonic >= lowest:
                out[start - harmonic * stride] += real
                out[start - harmonic * stride + 1] -= imaginary


@compiled
def _mean(weight, a, b):
    """Period average of <a b>, folded with w < 0."""
    total = 0.0
    for n in range(len(a)):
        total += a[n].real * b[n].real + a[n].imag * b[n].imag
    return 2.0 * weight * total


@compiled
def _correlate(spacing, a, b, waves):
    """Σ_n a_{n+k} b_n* for k = first, first + spacing, …, as rows (re, im); returns first, at most -n."""
    count = len(a)
    i, j = _first(a), _first(b)
    real, imaginary, right, right_imaginary = waves
    last = (count - 1 - j) // spacing
    for m in range(last + 1):  # b, reversed and without gaps: the loop over waves is a SIMD loop
        right[last - m], right_imaginary[last - m] = b[j + m * spacing].real, b[j + m * spacing].imag
    real[:] = 0.0
    imaginary[:] = 0.0
    for n in range((count - 1 - i) // spacing + 1):
        x, y = a[i + n * spacing].real, a[i + n * spacing].imag
        for m in range(last + 1):
            real[n + m] = fma(x, right[m], fma(y, right_imaginary[m], real[n + m]))
            imaginary[n + m] = fma(y, right[m], fma(-x, right_imaginary[m], imaginary[n + m]))
    return i - j - last * spacing


@compiled
def _first(a):
    """Index of the first entry that is not zero, at most the last."""
    n = 0
    while n < len(a) - 1 and a[n] == 0.0:
        n += 1
    return n


@compiled
def add_heat(source, sidebands, noise, loss, reservoir, exchanging, signals, out):
    """Exchange form of the heat currents, on w >= 0, folded.

    Parameters
    ----------
    source : int
        Contact that the noise comes from.
    sidebands : (n,) array
    noise, loss : (contact n,) arrays
        S_c(w_n) and J_c(w_n).
    reservoir : (contact,) int array
    exchanging : (contact, contact) bool array
        Whether heat may flow at all.
    signals : (signal, n) complex array
    out : (reservoir,) array, out
    """
    contacts, count = len(reservoir), len(sidebands)
    bodies = (len(signals) - MOVED * contacts) // (2 + contacts)
    center = count // 2
    emitted = 2.0 * noise[source * count + center]  # 2: fold of w < 0
    for contact in range(contacts):
        if not exchanging[source, contact]:
            continue
        y = signals[2 * bodies + contact * (MOVED + bodies) + Y]
        for n in range(count):
            given = emitted * loss[contact * count + n] * (y[n].real ** 2 + y[n].imag ** 2)
            if contact == source:
                out[reservoir[source]] += (sidebands[center] - sidebands[n]) * given
            else:
                out[reservoir[source]] += sidebands[center] * given
                out[reservoir[contact]] -= sidebands[n] * given
