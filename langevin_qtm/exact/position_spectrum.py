"""Power spectra and two-time correlations of the positions, averaged over the drive period.

From the responses at all sidebands, with noise of contact c entering at w_n and leaving at w,

    S_lm(w) = Σ_c Σ_n S_c(w_n) u_l(w; c, n) u_m*(w; c, n),   R_lm(τ) = ∫dw/2π S_lm(w) e^{-iwτ},

R_lm(τ) = <x_l(t + τ) x_m(t)>, symmetrized and averaged over t. Two-sided, per unit of angular frequency:
∫dw/2π S_ll(w) = <x_l²>.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BarycentricInterpolator

from langevin_qtm.exact.lines import response_mesh
from langevin_qtm.exact.responses import Responses
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.machine import Machine

CHUNK = 256  # frequencies, or lags, at a time
ORDER = 10  # Gauss nodes in each panel of the mesh
FINER = 128  # points in a panel for the Fourier integral
LINE_TOLERANCE = 1e-7  # of the mesh
OCTAVES = 8  # beyond the mesh, where spectra fall as w^-3 or faster


def position_spectrum(machine: Machine, omega: FloatArray, harmonics: int) -> ComplexArray:
    """Spectral matrix S_lm(w) of the positions in the periodic steady state.

    Parameters
    ----------
    machine : Machine
    omega : (frequency,) array
        Angular frequencies, any sign.
    harmonics : int
        Sidebands |n| <= harmonics; `periodic_steady_state` states how many it needed.

    Returns
    -------
    (frequency, oscillator, oscillator_prime) complex array
        Unit omega_A^-2; Hermitian in the oscillators, S_lm(-w) = S_lm(w)*.
    """
    responses, found = Responses(machine, harmonics), []
    for start in range(0, len(omega), CHUNK):
        part = np.asarray(omega[start : start + CHUNK], dtype=float)
        x = responses.solve(part)[0][:, :, :, harmonics]  # (node, contact, oscillator, source sideband)
        noise = responses.noise(part).reshape(len(part), -1, responses.count)
        found.append(np.einsum("ncls,ncs,ncms->nlm", x, noise, x.conj()))
    return np.concatenate(found)


@dataclass(frozen=True)
class PositionSpectrum:
    """The spectral matrix, dense enough for its Fourier integral: straight lines between nodes.

    Attributes
    ----------
    omega : (node,) array
        From 0 to far beyond every scale of the machine.
    values : (node, oscillator, oscillator_prime) complex array
    """

    omega: FloatArray
    values: ComplexArray

    @classmethod
    def of(cls, machine: Machine, harmonics: int) -> PositionSpectrum:
        """Spectrum on the mesh that resolves every line of the machine."""
        mesh = response_mesh(Embedding(machine), Responses(machine, harmonics), LINE_TOLERANCE)
        mesh = np.append(mesh, mesh[-1] * 2.0 ** np.arange(1, OCTAVES + 1))
        inner = 0.5 * (1 + np.polynomial.legendre.leggauss(ORDER)[0])
        nodes = mesh[:-1, None] + np.diff(mesh)[:, None] * inner
        values = position_spectrum(machine, nodes.ravel(), harmonics)
        values = values.reshape(*nodes.shape, *values.shape[1:])
        finer = np.arange(FINER) / FINER
        dense = BarycentricInterpolator(inner, np.moveaxis(values, 1, 0))(finer)
        omega = mesh[:-1, None] + np.diff(mesh)[:, None] * finer
        return cls(omega.ravel(), np.moveaxis(dense, 0, 1).reshape(-1, *values.shape[2:]))

    def correlation(self, step: float, count: int) -> FloatArray:
        """R_lm at lags 0, step, …, (count - 1) step.

        Returns
        -------
        (lag, oscillator, oscillator_prime) array
            Unit omega_A^-1; R_lm(-τ) = R_ml(τ).
        """
        shape = self.values.shape[1:]
        values = self.values.reshape(len(self.omega), -1).T
        slopes = np.diff(values) / np.diff(self.omega)
        kinks = np.diff(slopes, prepend=0.0, append=0.0)
        ends = (values[:, 0], values[:, -1])
        turns = np.exp(-1j * np.outer(self.omega, step * np.arange(CHUNK)))
        found = np.empty((len(values), count), dtype=complex)
        for start in range(0, count, CHUNK):
            lags = step * np.arange(start, min(start + CHUNK, count))
            by_node = kinks * np.exp(-1j * self.omega * lags[0])
            with np.errstate(divide="ignore", invalid="ignore"):
                edge = np.outer(ends[0], np.exp(-1j * self.omega[0] * lags))
                edge -= np.outer(ends[1], np.exp(-1j * self.omega[-1] * lags))
                part = edge / (1j * lags) - by_node @ turns[:, : len(lags)] / lags**2
            found[:, start : start + len(lags)] = part
        found[:, 0] = np.trapezoid(values, self.omega)
        return (found.real / np.pi).T.reshape(count, *shape)

    def coherence(self, lowest: float = 0.0) -> ComplexArray:
        """Correlation of the analytic signals z = x + i H[x]: <z_l z_m*>/sqrt(<|z_l|²><|z_m|²>).

        Its real part is the Pearson coefficient, its angle the mean phase of l before m; of what oscillates
        faster than `lowest`.
        """
        kept = self.omega >= lowest
        power = np.asarray(np.trapezoid(self.values[kept], self.omega[kept], axis=0))
        scale = np.sqrt(np.diagonal(power).real)
        return np.conj(power / np.outer(scale, scale))
