"""The law of a step in the form the kernel consumes: few normals a step, none of them wasted.

A step maps s = (z, q) to

    z' = A z + B q + N ξ,   q'_c = e^{-b h} q_c + M_c ξ_c,

with independent standard normals ξ = (ξ_1, ξ_2, …, ξ_rest). M_c M_cᵀ is the covariance of the filter noise,
the same at every phase; the noise of z given that of the filters is what N adds: its regression on ξ_c, and
a remainder for ξ_rest. Directions are left out whose variance is negligible beside the stationary one: even
summed over all steps of a relaxation time they change it by no more than `NEGLIGIBLE`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.step_law import StepLaw

NEGLIGIBLE = 1e-5


@dataclass(frozen=True)
class StepFactors:
    """Arrays of a whole period.

    Attributes
    ----------
    drift : (phase, dense, carried) array
        A and B: from the carried variables (z, q) to z' and the force integrals.
    noise : (phase, dense, normal) array
        N.
    decay : (filter,) array
        e^{-b h} of every filter state.
    filter_noise : (filter, normal) array
        M, one block of normals for each contact.
    blocks : (contact, 4) int array
        First filter state, end, first normal, end, of each contact.
    """

    drift: FloatArray
    noise: FloatArray
    decay: FloatArray
    filter_noise: FloatArray
    blocks: np.ndarray

    @property
    def normals(self) -> int:
        """Normals in a step."""
        return self.noise.shape[-1]


def step_factors(law: StepLaw) -> StepFactors:
    """Factorise the noise of every step of a period, in its periodic steady state."""
    layout = law.layout
    stationary = law.periodic_covariance.mean(axis=0).diagonal().copy()
    # force integrals start anew at each step: their scale is that of the step itself
    fresh = slice(layout.dynamic, layout.dense)
    stationary[fresh] = (
        law.covariance.sum(axis=0).mean(axis=0).diagonal()[fresh]
        + np.einsum("kij,kjl,kil->i", law.propagator, law.periodic_covariance, law.propagator)[fresh]
        / law.steps
    )
    scale = np.sqrt(np.maximum(stationary, 1e-300))
    memory = max(1e3, layout.embedding.relaxation_time * law.steps / law.machine.period)  # in steps
    return factorised(law, scale, NEGLIGIBLE / memory)


def factorised(law: StepLaw, scale: FloatArray, negligible: float) -> StepFactors:
    """Factorise the noise of steps.

    Parameters
    ----------
    law : StepLaw
    scale : (state,) array
        What each variable is measured by.
    negligible : float
        Relative variance of directions that are left out.
    """
    layout = law.layout
    carried = layout.carried
    dense = slice(0, layout.dense)
    remainder = law.covariance[:, :, dense, dense].sum(axis=0) / np.outer(scale[dense], scale[dense])
    filter_noise, dense_noise, blocks = [], [], []
    for index, part in enumerate(layout.filter):
        own = law.covariance[index, 0, part, part] / np.outer(scale[part], scale[part])
        root, inverse = _thin_root(own[None], negligible)
        cross = law.covariance[index][:, dense, part] / np.outer(scale[dense], scale[part])
        regression = cross @ inverse[0].T
        remainder = remainder - regression @ regression.transpose(0, 2, 1)
        filter_noise.append(scale[part, None] * root[0])
        dense_noise.append(scale[dense, None] * regression)
        blocks.append((part.start - layout.dense, part.stop - layout.dense, root.shape[-1]))
    rest, _ = _thin_root(remainder, negligible)
    noise = np.concatenate([*dense_noise, scale[dense, None] * rest], axis=2)
    ends = np.cumsum([0, *(block[2] for block in blocks)])
    table = np.array([(a, b, ends[i], ends[i + 1]) for i, (a, b, _) in enumerate(blocks)])
    spread = np.zeros((layout.size - layout.dense, noise.shape[-1]))
    for (start, stop, first, end), block in zip(table, filter_noise, strict=True):
        spread[start:stop, first:end] = block
    return StepFactors(
        drift=np.ascontiguousarray(law.propagator[:, dense, :][:, :, carried]),
        noise=np.ascontiguousarray(noise),
        decay=law.propagator[0].diagonal()[layout.dense :].copy(),
        filter_noise=spread,
        blocks=table,
    )


def _thin_root(covariance: FloatArray, negligible: float) -> tuple[FloatArray, FloatArray]:
    """R with R Rᵀ = C, negligible directions left out, and its pseudo-inverse."""
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.transpose(0, 2, 1)))
    rank = max(1, int((values > negligible).sum(axis=1).max()))
    values, vectors = np.maximum(values[:, -rank:], 0.0), vectors[:, :, -rank:]
    root = np.sqrt(values)
    inverse = np.where(values > negligible, 1.0 / np.maximum(root, 1e-150), 0.0)
    return vectors * root[:, None, :], inverse[:, :, None] * vectors.transpose(0, 2, 1)
