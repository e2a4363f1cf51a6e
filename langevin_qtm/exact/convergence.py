"""Frequency integrals of a machine, converged in sidebands and in quadrature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from langevin_qtm.errors import NotConvergedError
from langevin_qtm.exact.lines import frequency_mesh, response_mesh
from langevin_qtm.exact.quadrature import Layout, integrate
from langevin_qtm.exact.responses import Responses
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.embedding import Embedding

MAX_HARMONICS = 160
COARSE = 2.2  # Bernstein ellipse of the mesh on which sidebands are judged


class Problem(Protocol):
    """A vector of frequency integrals for a given number of harmonics."""

    layout: Layout
    responses: Responses

    def integrand(self, omega: FloatArray) -> FloatArray:
        """Values (node, output) on w >= 0, folded with w < 0."""


def solve_integrals(
    embedding: Embedding,
    problem_at: Callable[[int], Problem],
    judged: tuple[str, ...],
    tolerance: float,
) -> tuple[dict[str, FloatArray], dict[str, FloatArray], int]:
    """Integrals converged in harmonics and in quadrature.

    Parameters
    ----------
    embedding : Embedding
    problem_at : callable
        Problem with a given number of harmonics.
    judged : tuple of str
        Outputs that decide on the number of harmonics.
    tolerance : float
        Relative to the largest of each kind.

    Returns
    -------
    values, errors : dict
    harmonics : int

    Raises
    ------
    NotConvergedError
    """
    problem, truncated = _enough_harmonics(embedding, problem_at, judged, tolerance)
    mesh = response_mesh(embedding, problem.responses, tolerance)
    result = integrate(problem.integrand, mesh, problem.layout.scale, tolerance)
    values, errors = problem.layout.unpack(result)
    for name, value in values.items():
        errors[name] = errors[name] + truncated[name] * np.abs(value).max(initial=0.0)
    return values, errors, problem.responses.harmonics


def _enough_harmonics(
    embedding: Embedding,
    problem_at: Callable[[int], Problem],
    judged: tuple[str, ...],
    tolerance: float,
) -> tuple[Problem, dict[str, float]]:
    """Problem with sidebands that suffice, and the relative errors left, from one node in each interval.

    Sidebands couple in steps of at most twice the order of the drive. Once the change from one number to
    the next is below half the tolerance, the smaller one is enough; errors are taken to be twice the changes.
    """
    order = embedding.machine.order
    mesh = frequency_mesh(embedding.machine, embedding.characteristic_rates(), 4 * order, COARSE)
    nodes, weights = 0.5 * (mesh[1:] + mesh[:-1]), np.diff(mesh)

    def sums_of(problem: Problem) -> dict[str, FloatArray]:
        return problem.layout.split(weights @ problem.integrand(nodes))

    harmonics, error = 3 * order, np.inf
    smaller = problem_at(harmonics)
    before = sums_of(smaller)
    while harmonics < MAX_HARMONICS * order:
        harmonics += order * max(2, harmonics // (4 * order))
        larger = problem_at(harmonics)
        sums = sums_of(larger)
        errors = {name: 2 * _relative_change(before[name], sums[name]) for name in sums}
        error = max(errors[name] for name in judged)
        if error <= tolerance:
            return smaller, errors
        smaller, before = larger, sums
    raise NotConvergedError("Harmonics", error, tolerance, "raise `drive.frequency`")


def _relative_change(old: FloatArray, new: FloatArray) -> float:
    """Largest change relative to the largest entry; harmonics that `old` lacks count as zero."""
    padded = np.pad(old, [(0, b - a) for a, b in zip(old.shape, new.shape, strict=True)])
    return float(np.abs(new - padded).max() / max(np.abs(new).max(), 1e-290))
