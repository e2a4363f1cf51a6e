"""Floquet modes: z(t) = e^{st} u(t) with a periodic part u, fast modes included.

A period map holds its small multipliers only to the rounding of its large ones, and at strong friction they
underflow. So the modes are found from the maps over short parts of the period, which are well conditioned:

- multipliers by orthogonal iteration, Q_{k+1} R_k = E_k Q_k. After some periods the basis comes back to
  itself but for rotations within blocks of similar modulus, and a block of R belongs to each;
- the periodic part by inverse iteration on u_{k+1} = e^{-s t_1} E_k u_k, k cyclic.

A multiplier fixes the frequency of its mode modulo Ω. It is read here on the branch of the strongest harmonic
of the positions: the line that a spectrum of x_l would show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import splu

from langevin_qtm.errors import NotConvergedError
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.machine import Machine

TARGET = 1e-7  # change of ln|μ| on doubling the steps, relative to max(|ln|μ||, SMALLEST)
SMALLEST = 1e-5
MAX_STEPS = 65536
PARTS = 32  # of the period, at least, for each harmonic of the drive
WELL_CONDITIONED = 1e8  # a part of the period keeps eight digits of its fastest mode
SWEEPS = 8  # of orthogonal iteration: moduli further apart than 6 % of each other separate
SEPARATE = 1e-10
SAME_WEIGHT = 1e-6  # harmonics of relative weight closer than this are one standing wave


@dataclass(frozen=True)
class Modes:
    """All Floquet modes of a machine, slowest first; of a pair, the positive frequency first.

    Attributes
    ----------
    log_multipliers : (mode,) complex array
        ln μ, imaginary part in (-π, π].
    errors : (mode,) array
        Of Re ln μ.
    frequencies : (mode,) array
        w of x_l = Re a_l e^{-iwt - decay t} plus weaker harmonics.
    amplitudes : (mode, oscillator) complex array
        a_l, largest 1.
    """

    log_multipliers: ComplexArray
    errors: FloatArray
    frequencies: FloatArray
    amplitudes: ComplexArray


def find_modes(machine: Machine) -> Modes:
    """Floquet modes; eigenvectors of the generator where that is constant.

    Raises
    ------
    NotConvergedError
        When the period is too long for its fastest mode to be resolved.
    """
    embedding = Embedding(machine)
    generator = embedding.generator(_instants(machine))
    if np.any(np.ptp(generator, axis=0)):
        logs, errors, parts = settled_log_multipliers(embedding)
        pairs = zip(periodic_parts(parts, logs), logs, strict=True)
        lines = [spectral_line(part, log, machine) for part, log in pairs]
        frequencies = np.array([frequency for frequency, _ in lines])
        amplitudes = [amplitude for _, amplitude in lines]
    else:
        rates, vectors, errors = constant_modes(generator[0])
        logs, errors = rates * machine.period, errors * machine.period
        frequencies, amplitudes = -rates.imag, list(vectors[: len(machine.omega)].T)
    return _ordered(logs, errors, frequencies, np.array([_relative(a) for a in amplitudes]))


def _instants(machine: Machine) -> FloatArray:
    """Enough of them to see any harmonic, at phases where none of them vanishes."""
    count = 4 * machine.order + 1
    return machine.period * (np.arange(count) + 0.1) / count


def constant_modes(generator: FloatArray) -> tuple[ComplexArray, ComplexArray, FloatArray]:
    """Eigenvalues s of a constant generator, eigenvectors (state, mode), and rounding errors of s."""
    rates, left, right = linalg.eig(generator, left=True, right=True)
    overlap = np.abs(np.einsum("sm,sm->m", left.conj(), right))  # both have norm 1
    rounding = np.finfo(float).eps * np.linalg.norm(generator)
    return rates, right, rounding / np.maximum(overlap, np.sqrt(np.finfo(float).eps))


def settled_log_multipliers(embedding: Embedding) -> tuple[ComplexArray, FloatArray, FloatArray]:
    """ln μ of all modes, the change of Re ln μ on the last doubling of the steps, and the parts used."""
    fewest, steps, error = PARTS * embedding.machine.order, PARTS * embedding.machine.order, np.inf
    previous = None
    while steps <= MAX_STEPS:
        maps = embedding.step_propagators(steps)
        if _conditioned(maps):
            parts = merged(maps, fewest)
            logs = log_multipliers(parts)
            if previous is not None:
                changes = np.abs(logs.real - previous.real)
                error = float(np.max(changes / np.maximum(np.abs(logs.real), SMALLEST)))
                if error <= TARGET:
                    return logs, changes, parts
            previous = logs
        steps *= 2
    raise NotConvergedError("Floquet modes", error, TARGET, "weaken or speed up the drive")


def _conditioned(maps: FloatArray) -> bool:
    return bool(np.all(np.isfinite(maps)) and np.linalg.cond(maps).max() < WELL_CONDITIONED)


def merged(maps: FloatArray, fewest: int) -> FloatArray:
    """Products of neighboring maps, as many as leave them well conditioned and at least `fewest`."""
    while len(maps) > fewest:
        pairs = maps[1::2] @ maps[::2]
        if not _conditioned(pairs):
            break
        maps = pairs
    return maps


def log_multipliers(parts: FloatArray) -> ComplexArray:
    """ln μ of the product of maps, each to its own relative accuracy, slowest first; (part, state, state)."""
    size = parts.shape[-1]
    # any basis will do that is aligned with no mode
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((size, size)))[0]
    for _ in range(SWEEPS):
        start, factors = basis, np.empty_like(parts)
        for k, part in enumerate(parts):
            basis, factors[k] = np.linalg.qr(part @ basis)
    turn = start.T @ basis
    cuts = [cut for cut in range(1, size) if np.abs(turn[cut:, :cut]).max() < SEPARATE]
    blocks = [slice(a, b) for a, b in zip([0, *cuts], [*cuts, size], strict=True)]
    logs = np.concatenate([_block_logs(factors[:, b, b], turn[b, b]) for b in blocks])
    return logs[np.argsort(-logs.real, kind="stable")]


def _block_logs(factors: FloatArray, turn: FloatArray) -> ComplexArray:
    """ln of the eigenvalues of turn · Π factors, whose size may be beyond the floating-point range."""
    product, scale = np.eye(len(turn)), 0.0
    for factor in factors:
        product = factor @ product
        norm = np.abs(product).max()
        product, scale = product / norm, scale + np.log(norm)
    return np.log(np.linalg.eigvals(turn @ product).astype(complex)) + scale


def periodic_parts(parts: FloatArray, logs: ComplexArray) -> list[ComplexArray]:
    """u at the start of each part of the period, dims (part, state), for each ln μ."""
    shapes: list[ComplexArray] = []
    for index, log in enumerate(logs):
        is_second_of_pair = index > 0 and log.imag != 0 and log == logs[index - 1].conjugate()
        shapes.append(shapes[-1].conj() if is_second_of_pair else _periodic_part(parts, log, index))
    return shapes


def _periodic_part(parts: FloatArray, log: complex, seed: int) -> ComplexArray:
    """Periodic part by inverse iteration, next to ln μ since at it the matrix is singular."""
    count, size = parts.shape[:2]
    shifted = log + 1e-9 * (1 + 1j)
    stay = sparse.bsr_array(
        (np.exp(-shifted / count) * parts, np.arange(count), np.arange(count + 1)),
        shape=(count * size, count * size),
    )
    advance = sparse.kron(sparse.eye_array(count, k=1) + sparse.eye_array(count, k=1 - count), np.eye(size))
    solve = splu((advance - stay).tocsc()).solve
    shape = np.random.default_rng(seed).standard_normal(count * size).astype(complex)
    for _ in range(3):
        shape = solve(shape)
        shape /= np.linalg.norm(shape)
    return shape.reshape(count, size)


def spectral_line(shape: ComplexArray, log: complex, machine: Machine) -> tuple[float, ComplexArray]:
    """Frequency and amplitudes of the strongest harmonic of the positions, u = Σ_n U_n e^{-inΩt}.

    Of equals, which make a standing wave, the lowest that is not negative.
    """
    harmonics = np.fft.ifft(shape[:, : len(machine.omega)], axis=0)
    orders = np.rint(np.fft.fftfreq(len(shape)) * len(shape))
    frequencies = (2 * np.pi * orders - log.imag) / machine.period
    weights = np.sum(np.abs(harmonics) ** 2, axis=1)
    strongest = np.flatnonzero(weights >= (1 - SAME_WEIGHT) * weights.max())
    chosen = min(strongest, key=lambda k: (frequencies[k] < 0, abs(frequencies[k])))
    return float(frequencies[chosen]), harmonics[chosen]


def _relative(amplitudes: ComplexArray) -> ComplexArray:
    largest = amplitudes[np.argmax(np.abs(amplitudes))]
    return amplitudes / largest if largest != 0 else np.full_like(amplitudes, np.nan)


def _ordered(
    logs: ComplexArray, errors: FloatArray, frequencies: FloatArray, amplitudes: ComplexArray
) -> Modes:
    """Slowest first; of a pair, whose decays are equal, the positive frequency first."""
    order = np.lexsort((-frequencies, -logs.real))
    return Modes(logs[order], errors[order], frequencies[order] + 0.0, amplitudes[order])
