"""How second moments, and their time integrals, follow from those at an earlier time: an affine map.

State of the moments, for z = (x_l, v_l, memories) driven by sources s with input vectors b_s(t),

    M = <z zᵀ>,   X_j = <z η_j>   for every exponential j of the noise kernels (see `thermal_kernel`),

where η_j remembers the noise of its source at the rate b_j. A deterministic force is one more source, whose
only pole has rate 0 and κ = -1; its X is the mean of z. Over any interval

    X_j -> e_j Φ X_j + c_j,
    M   -> Φ M Φᵀ - Σ_j κ_j (Y_j X_jᵀ Φᵀ + Φ X_j Y_jᵀ) + Q,

and a time integral I_f of moments (work, heat) grows by Λ_f : M + Σ_j λ_fj · X_j + i_f. Maps compose, so a
thousand periods cost ten products of maps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from langevin_qtm.physics.conventions import FloatArray


@dataclass(frozen=True)
class Moments:
    """Moments at one time.

    Attributes
    ----------
    second : (state, state) array
        M.
    correlations : (state, pole) array
        X.
    integrals : (integral,) array
        Time integrals since the start.
    """

    second: FloatArray
    correlations: FloatArray
    integrals: FloatArray


@dataclass(frozen=True)
class MomentMap:
    """Map of moments over an interval.

    Attributes
    ----------
    amplitudes : (pole,) array
        κ_j, the same for all maps of a machine.
    flow : (state, state) array
        Φ.
    decay : (pole,) array
        e_j.
    onward, added : (state, pole) arrays
        Y and c.
    noise : (state, state) array
        Q.
    quadratic : (integral, state, state) array
        Λ, symmetric.
    linear : (integral, state, pole) array
        λ.
    constant : (integral,) array
        i.
    """

    amplitudes: FloatArray
    flow: FloatArray
    decay: FloatArray
    onward: FloatArray
    added: FloatArray
    noise: FloatArray
    quadratic: FloatArray
    linear: FloatArray
    constant: FloatArray

    @classmethod
    def identity(cls, size: int, amplitudes: FloatArray, integrals: int) -> MomentMap:
        """The map over no time."""
        poles = len(amplitudes)
        return cls(
            amplitudes,
            np.eye(size),
            np.ones(poles),
            np.zeros((size, poles)),
            np.zeros((size, poles)),
            np.zeros((size, size)),
            np.zeros((integrals, size, size)),
            np.zeros((integrals, size, poles)),
            np.zeros(integrals),
        )

    @classmethod
    def linear_change(cls, change: FloatArray, amplitudes: FloatArray, integrals: int) -> MomentMap:
        """Sudden change z -> change z."""
        still = cls.identity(len(change), amplitudes, integrals)
        return MomentMap(amplitudes, change, *list(vars(still).values())[2:])

    def apply(self, moments: Moments) -> Moments:
        """Moments at the end of the interval."""
        moved = self.flow @ moments.correlations
        crossed = (self.onward * self.amplitudes) @ moved.T
        second = self.flow @ moments.second @ self.flow.T - crossed - crossed.T + self.noise
        grown = (
            np.einsum("fij,ij->f", self.quadratic, moments.second)
            + np.einsum("fij,ij->f", self.linear, moments.correlations)
            + self.constant
        )
        return Moments(0.5 * (second + second.T), self.decay * moved + self.added, moments.integrals + grown)

    def then(self, later: MomentMap) -> MomentMap:
        """This map, then the later one."""
        moved = later.flow @ self.added
        crossed = (later.onward * self.amplitudes) @ moved.T
        noise = later.flow @ self.noise @ later.flow.T + later.noise - crossed - crossed.T
        pulled = np.einsum("ki,fkl->fil", self.flow, later.quadratic)  # Φᵀ Λ
        return MomentMap(
            self.amplitudes,
            later.flow @ self.flow,
            later.decay * self.decay,
            later.flow @ self.onward + self.decay * later.onward,
            later.decay * moved + later.added,
            0.5 * (noise + noise.T),
            self.quadratic + pulled @ self.flow,
            self.linear
            + self.decay * np.einsum("ki,fkj->fij", self.flow, later.linear)
            - 2 * (pulled @ self.onward) * self.amplitudes,
            self.constant
            + later.constant
            + np.einsum("fij,ij->f", later.quadratic, self.noise)
            + np.einsum("fij,ij->f", later.linear, self.added),
        )
