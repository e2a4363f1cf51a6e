"""Phase difference of two positions from their analytic signals, and its exact density.

z_l(t) = x_l + i H[x_l], with H the Hilbert transform, turns with e^{+iwt}; Δφ = arg z_1 z_2*. For jointly
Gaussian positions z_1 and z_2 are complex Gaussian variables and Δφ has the density

    p(Δφ) = (1 - ρ²)/(2π (1 - β²)) [1 + β arccos(-β)/sqrt(1 - β²)],   β = ρ cos(Δφ - μ),

with ρ e^{iμ} = <z_1 z_2*>/sqrt(<|z_1|²><|z_2|²>) (Goodman, Ann. Math. Stat. 34, 152 (1963)); its real part is
the Pearson coefficient. Antiphase: Δφ = ±π. The mean of a record is removed, since a Hilbert transform does
not see it; that takes away what is slower than the record, w < π/duration, from the exact density as well.
"""

from __future__ import annotations

import numpy as np
from scipy import signal

from langevin_qtm.physics.conventions import FloatArray

EDGE = 0.05  # share of the record at either end, where the transform of a finite record is off


def phase_difference(first: FloatArray, second: FloatArray) -> FloatArray:
    """Δφ in (-π, π] along records, their means removed, dims (…, time) without the ends."""
    first, second = (x - x.mean(axis=-1, keepdims=True) for x in (first, second))
    turning = signal.hilbert(first, axis=-1) * np.conj(signal.hilbert(second, axis=-1))
    edge = int(EDGE * first.shape[-1])
    return np.angle(turning[..., edge : first.shape[-1] - edge])


def phase_density(difference: FloatArray, coherence: complex) -> FloatArray:
    """Exact density of Δφ for a correlation ρ e^{iμ} of the analytic signals; integrates to 1 over 2π."""
    strength = abs(coherence)
    beta = strength * np.cos(difference - np.angle(coherence))
    peak = 1 + beta * np.arccos(-beta) / np.sqrt(1 - beta**2)
    return (1 - strength**2) / (2 * np.pi * (1 - beta**2)) * peak
