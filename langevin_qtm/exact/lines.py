"""Where the frequency integrands of a machine have structure: the mesh for `quadrature.integrate`.

Lines of the machine are the poles w = i s + nΩ of its response, with s the Floquet exponents. Their strength
falls off with n as the sidebands of the Floquet mode do: with u and v the right and left null vectors of the
matrix A(i s) of `sidebands`, A^{-1}(w) ≈ u v† / (w - i s) nearby, so noise at sideband n enters through that
sideband of v, and currents see it through that of u (to first order: moments that oscillate are products of
different sidebands). One small linear problem for each mode tells which of its lines have to be resolved, and
how well.
"""

from __future__ import annotations

import numpy as np

from langevin_qtm.exact.quadrature import line_mesh
from langevin_qtm.exact.responses import Responses
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.machine import Machine

SLOW = 1e-6  # modes with smaller multipliers make no sharp lines
NARROW = 1e-14  # lines are taken to be no narrower
MARGIN = 1e3  # strengths are estimates, lines many


def frequency_mesh(machine: Machine, rates: ComplexArray, shifts: int, ellipse: float = 3.0) -> FloatArray:
    """Breakpoints on [0, W] that resolve every line, thermal edge and cut-off, shifted by nΩ.

    Parameters
    ----------
    machine : Machine
    rates : (rate,) complex array
        Rates s of the deterministic dynamics; each gives lines at ±Im s + nΩ of half width |Re s|.
    shifts : int
        Sidebands |n| <= shifts.
    ellipse : float
        Bernstein ellipse ρ free of lines (see `line_mesh`).
    """
    s = np.concatenate([rates, _reservoir_rates(machine)])
    return _mesh(machine, s, np.full((len(s), 2 * shifts + 1), ellipse))


def response_mesh(embedding: Embedding, responses: Responses, tolerance: float) -> FloatArray:
    """Breakpoints on [0, W] that resolve every line as well as its strength asks for.

    Parameters
    ----------
    embedding : Embedding
    responses : Responses
        With enough sidebands.
    tolerance : float
        Of the integrals, relative.
    """
    machine, multipliers = embedding.machine, embedding.floquet_multipliers
    slow = np.log(multipliers[np.abs(multipliers) > SLOW]).astype(np.complex128) / machine.period
    fast = embedding.characteristic_rates()
    fast.real = np.minimum(fast.real, np.log(SLOW) / machine.period)
    broad = np.concatenate([fast, _reservoir_rates(machine)])
    strengths = line_strengths(responses, slow)
    strengths = np.concatenate([strengths, np.tile(_envelope(strengths), (len(broad), 1))])
    # a line of strength W leaves an error 2 W ρ^{-21} in the 10-point Gauss rule
    ellipses = np.maximum(MARGIN * strengths / tolerance, 1.0) ** (1 / 21)
    return _mesh(machine, np.concatenate([slow, broad]), ellipses)


def line_strengths(responses: Responses, exponents: ComplexArray) -> FloatArray:
    """Strengths of the lines at i s + nΩ, relative to the strongest of each s; dims (exponent, n)."""
    order, strengths = responses.machine.order, np.empty((len(exponents), responses.count))
    for row, s in zip(strengths, exponents, strict=True):
        u, v = _null_vectors(responses.matrix(1j * s * (1 + 1e-9)))
        emitted, noticed = np.sqrt(responses.by_sideband(v)), np.sqrt(responses.by_sideband(u))
        row[:] = np.maximum(
            _dilated(emitted / emitted.max(), order), _dilated(noticed / noticed.max(), order)
        )
    return strengths


def _null_vectors(matrix: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
    """Right and left null vector of a matrix that is nearly singular, by inverse iteration."""
    u = v = np.random.default_rng(0).standard_normal(len(matrix)).astype(complex)
    for _ in range(2):
        u, v = np.linalg.solve(matrix, u), np.linalg.solve(matrix.conj().T, v)
        u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    return u, v


def _dilated(weights: FloatArray, reach: int) -> FloatArray:
    """Largest weight within `reach` of each sideband."""
    padded = np.pad(weights, reach)
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(axis=1)


def _envelope(strengths: FloatArray) -> FloatArray:
    """Largest strength at each distance from the strongest line of a mode, dim (n,)."""
    count = strengths.shape[1]
    envelope = np.zeros(count)
    for row in strengths:
        np.maximum.at(envelope, np.abs(np.arange(count) - np.argmax(row)), row)
    return envelope[np.abs(np.arange(count) - count // 2)] if len(strengths) else np.ones(count)


def _reservoir_rates(machine: Machine) -> ComplexArray:
    """First Matsubara frequencies and memory of the reservoirs, as rates."""
    temperatures = np.array([contact.temperature for contact in machine.contacts])
    thermal = -2 * np.pi * np.unique(temperatures[temperatures > 0])
    memory = [np.linalg.eigvals(contact.density.memory().drift) for contact in machine.contacts]
    return np.concatenate([thermal, *memory]).astype(complex)


def _mesh(machine: Machine, s: ComplexArray, ellipses: FloatArray) -> FloatArray:
    """Breakpoints for lines at ±Im s + nΩ of half width |Re s|; ellipses ρ (s, n), those at 1 disregarded."""
    shifts = ellipses.shape[1] // 2
    comb = machine.angular_frequency * np.arange(-shifts, shifts + 1)
    centers = comb - np.concatenate([s, s.conj()]).imag[:, None]
    widths = np.broadcast_to(np.maximum(np.abs(np.tile(s.real, 2)), NARROW)[:, None], centers.shape)
    ellipses = np.concatenate([ellipses, ellipses[:, ::-1]])
    needed = ellipses > 1
    kinks = comb if np.any(machine.temperatures == 0) else np.zeros(0)
    highest = np.abs(s).max() + np.abs(centers[needed]).max(initial=0.0)
    stop = 2 * max(float(highest), 25 * machine.temperatures.max())
    return line_mesh(centers[needed], widths[needed], kinks, stop, ellipses[needed])
