"""Sidebands of one noise frequency, compiled: the equations of `responses` as a banded matrix.

Couplings are sparse: y = C x; as g is real, forces enter as C† F, so

    A = diag(w_l² - w_n²) - C† K C,   x = A^{-1} C† ξ.

The drive connects x_n only to x_m with n - m a multiple of the `spacing`, the greatest common divisor of the
differences between the harmonics of a contact: 2 for cosines. Unknowns x_{l,n} are numbered by residue of n,
then by n, then by l, so that A is block-diagonal with narrow bands. Coordinates y_{c,n} of the contacts, and
all that belongs to them, are numbered c N + n with N sidebands. With r_c the residue of the harmonics of
contact c, its noise at sideband n reaches one block of A, and sidebands n + r_d - r_c of contact d; the rest
is zero and left out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from langevin_qtm.compiled import compiled
from langevin_qtm.exact.banded import columns, factorize, solve
from langevin_qtm.physics.conventions import ComplexArray
from langevin_qtm.physics.machine import Machine

IntArray = np.ndarray


class Couplings(NamedTuple):
    """C and Ċ by rows, in compressed form: entries start[s] … start[s + 1] belong to row s.

    Attributes
    ----------
    start : (contact n + 1,) int array
    position : (entry,) int array
        Column: number of the unknown.
    oscillator : (entry,) int array
    value : (entry,) complex array
        g_{c,l,n-m}.
    rate : (entry,) complex array
        -i (n - m) Ω g_{c,l,n-m}, of ġ.
    sideband : (position / L,) int array
        n of the unknowns.
    first, stop : (contact n,) int arrays
        Block of unknowns that noise at a sideband of a contact reaches.
    lowest : (contact d, contact c) int array
        First sideband of d that noise of c at the central one reaches; then every `spacing`.
    is_driven : (contact,) bool array
    spacing : int
    """

    start: IntArray
    position: IntArray
    oscillator: IntArray
    value: ComplexArray
    rate: ComplexArray
    sideband: IntArray
    first: IntArray
    stop: IntArray
    lowest: IntArray
    is_driven: IntArray
    spacing: int


class Factors(NamedTuple):
    """Storage of the LU decomposition of A (see `banded`)."""

    band: ComplexArray
    width: int
    pivots: IntArray
    reach: IntArray


def couplings_of(machine: Machine, harmonics: int) -> Couplings:
    """Couplings between sidebands |n| <= harmonics."""
    bodies, count = len(machine.omega), 2 * harmonics + 1
    spacing = _spacing(machine) or count
    sideband = np.argsort(np.arange(count) % spacing, kind="stable")
    place = np.argsort(sideband)
    steps = np.subtract.outer(np.arange(count), np.arange(count))  # n - m
    series = np.array([contact.coefficients(2 * harmonics) for contact in machine.contacts])
    coefficients = np.moveaxis(series[:, :, steps + 2 * harmonics], 1, 3)  # (contact, n, m, oscillator)
    contact, n, m, l = np.nonzero(coefficients)
    value, position = coefficients[contact, n, m, l], place[m] * bodies + l
    entries = np.bincount(contact * count + n, minlength=len(series) * count)
    residue = np.array([present[0] if present.size else 0 for present in _harmonics(machine)])
    block = np.subtract.outer(np.arange(count), residue).T.ravel() % spacing
    sizes = bodies * np.bincount(np.arange(count) % spacing, minlength=spacing)
    stop = np.cumsum(sizes)
    return Couplings(
        start=np.append(0, np.cumsum(entries)),
        position=position,
        oscillator=l,
        value=value,
        rate=-1j * (n - m) * machine.angular_frequency * value,
        sideband=sideband,
        first=(stop - sizes)[block],
        stop=stop[block],
        lowest=(harmonics + np.subtract.outer(residue, residue)) % spacing,
        is_driven=np.array([contact.is_driven for contact in machine.contacts]),
        spacing=spacing,
    )


def _harmonics(machine: Machine) -> list[IntArray]:
    """Harmonics that are present in the couplings of each contact."""
    found = [np.flatnonzero(c.coefficients(c.order).any(axis=0)) for c in machine.contacts]
    return [present - c.order for present, c in zip(found, machine.contacts, strict=True)]


def _spacing(machine: Machine) -> int:
    """Greatest common divisor of the differences between the harmonics of each contact; 0 without drive."""
    spacing = 0
    for present in _harmonics(machine):
        spacing = int(np.gcd.reduce([spacing, *np.diff(present)]))
    return spacing


def factors_of(machine: Machine, couplings: Couplings) -> Factors:
    """Storage for the matrix of these couplings."""
    bodies, rows = len(machine.omega), len(machine.omega) * len(couplings.sideband)
    width = (2 * machine.order // couplings.spacing + 1) * bodies - 1
    band = np.empty((rows, columns(width)), dtype=complex)
    return Factors(band, width, np.empty(rows, dtype=np.int64), np.empty(rows, dtype=np.int64))


@compiled
def decompose(omega, sidebands, gain, couplings, factors):
    """LU decomposition of A for one noise frequency.

    Parameters
    ----------
    omega : (oscillator,) array
    sidebands : (n,) array
        w_n.
    gain : (contact n,) complex array
        K_c(w_n).
    couplings : Couplings
    factors : Factors
        Out.
    """
    band, width, bodies = factors.band, factors.width, len(omega)
    start, position, value, sideband = (
        couplings.start,
        couplings.position,
        couplings.value,
        couplings.sideband,
    )
    band[:] = 0.0
    for row in range(len(band)):
        band[row, width] = omega[row % bodies] ** 2 - sidebands[sideband[row // bodies]] ** 2
    for s in range(len(gain)):
        for i in range(start[s], start[s + 1]):
            row, push = position[i], gain[s] * value[i].conjugate()
            for j in range(start[s], start[s + 1]):
                band[row, position[j] - row + width] -= push * value[j]
    factorize(band, width, factors.pivots, factors.reach)


@compiled
def respond(source, couplings, factors, x):
    """x in response to unit noise at one sideband of one contact, `source` = c N + n."""
    start, position, value = couplings.start, couplings.position, couplings.value
    x[:] = 0.0
    for i in range(start[source], start[source + 1]):
        x[position[i]] = value[i].conjugate()
    first, stop = couplings.first[source], couplings.stop[source]
    solve(factors.band, factors.width, factors.pivots, factors.reach, x, first, stop)


@compiled
def respond_to_all(omega, sidebands, gain, couplings, factors, x):
    """x (node, source, position) in response to noise at every sideband of every contact."""
    for node in range(len(x)):
        decompose(omega, sidebands[node], gain[node], couplings, factors)
        for source in range(x.shape[1]):
            respond(source, couplings, factors, x[node, source])
