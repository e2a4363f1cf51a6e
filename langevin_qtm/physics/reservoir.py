"""Reservoirs: spectral density and temperature, with everything that follows from the two.

Each spectral density states one physical object five ways (tests hold them against each other):
J(w), J(w)/w, memory kernel γ(t), response K(w) = i w γ(w), and a `Memory`: the linear system whose
state carries the reservoir force. The state is the force itself (noise included), driven by the
*velocity* ẏ of the coupled coordinate; nothing cancels as the cut-off grows, and γ(t) starts at γ(0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from langevin_qtm.physics._model import Model, NonNegative, Positive
from langevin_qtm.physics.conventions import ComplexArray, FloatArray, omega_coth
from langevin_qtm.physics.drive import Drive


@dataclass(frozen=True)
class Memory:
    """Linear system that turns ẏ and the unit thermal noise u into the reservoir force F.

    ḟ = drift f + velocity_gain ẏ + noise_gain u,   F = f[0] - friction ẏ + white_gain u,

    where u has the power spectrum w coth(w/2T). A memoryless (Ohmic) reservoir has no state f.

    Attributes
    ----------
    drift : (n, n) array
    velocity_gain, noise_gain : (n,) arrays
    friction, white_gain : float
    slip : float
        γ(0): a factorised start adds -slip * y(t0) to f[0]. For a memoryless reservoir the slip is an
        impulse: momenta jump by -friction g_l y(t0).
    """

    drift: FloatArray
    velocity_gain: FloatArray
    noise_gain: FloatArray
    friction: float = 0.0
    white_gain: float = 0.0
    slip: float = 0.0

    @property
    def size(self) -> int:
        """Number of state variables n."""
        return len(self.velocity_gain)


class Ohmic(Model):
    """Strictly Ohmic spectral density J(w) = γ w: no memory.

    Velocity variances then diverge with the logarithm of the frequency band; give a `cutoff`
    (`DrudeLorentz`) where they matter.
    """

    kind: Literal["ohmic"] = "ohmic"
    gamma: Positive

    def friction(self, omega: ArrayLike) -> FloatArray:
        """J(w)/w = Re γ(w); even in w."""
        return np.full(np.shape(omega), self.gamma)

    def response(self, omega: ArrayLike) -> ComplexArray:
        """K(w) = i w γ."""
        return 1j * np.asarray(omega) * self.gamma

    def memory_kernel(self, t: ArrayLike) -> FloatArray:
        """γ(t) = 2γ δ(t): zero at every t > 0."""
        return np.zeros(np.shape(t))

    def memory(self) -> Memory:
        """Instantaneous friction and noise."""
        none = np.zeros(0)
        root = float(np.sqrt(self.gamma))
        return Memory(np.zeros((0, 0)), none, none, friction=self.gamma, white_gain=root)

    @property
    def scales(self) -> tuple[float, ...]:
        """Frequencies that the band of the noise must exceed by far."""
        return (2 * self.gamma,)


class DrudeLorentz(Model):
    """Ohmic with a Lorentzian cut-off: J(w) = γ w / (1 + w²/w_c²), γ(t) = γ w_c e^{-w_c t}."""

    kind: Literal["drude"] = "drude"
    gamma: Positive
    cutoff: Positive

    def friction(self, omega: ArrayLike) -> FloatArray:
        """J(w)/w = Re γ(w); even in w."""
        return self.gamma / (1.0 + (np.asarray(omega) / self.cutoff) ** 2)

    def response(self, omega: ArrayLike) -> ComplexArray:
        """K(w) = i w γ / (1 - i w/w_c)."""
        omega = np.asarray(omega)
        return 1j * omega * self.gamma / (1.0 - 1j * omega / self.cutoff)

    def memory_kernel(self, t: ArrayLike) -> FloatArray:
        """γ(t) = γ w_c e^{-w_c t}."""
        return self.gamma * self.cutoff * np.exp(-self.cutoff * np.asarray(t))

    def memory(self) -> Memory:
        """One variable: ḟ = -w_c f - γ w_c ẏ + w_c √γ u."""
        gain = self.gamma * self.cutoff
        root = np.sqrt(self.gamma) * self.cutoff
        return Memory(np.array([[-self.cutoff]]), np.array([-gain]), np.array([root]), slip=gain)

    @property
    def scales(self) -> tuple[float, ...]:
        """Frequencies that the band of the noise must exceed by far."""
        return (self.cutoff, min(2 * self.gamma, float(np.sqrt(self.gamma * self.cutoff))))


class Lorentzian(Model):
    """Structured spectral density J(w) = d γ w / ((w² - w_1²)² + γ² w²), under- or overdamped.

    Its kernel (d/w_1²) e^{-γt/2}[cos w̃t + (γ/2w̃) sin w̃t] with w̃² = w_1² - γ²/4 solves
    γ̈ + γ γ̇ + w_1² γ = 0, γ(0) = d/w_1², γ̇(0) = 0, at any sign of w̃².
    """

    kind: Literal["lorentzian"] = "lorentzian"
    strength: Positive
    frequency: Positive
    gamma: Positive

    def friction(self, omega: ArrayLike) -> FloatArray:
        """J(w)/w = Re γ(w); even in w."""
        square = np.asarray(omega, dtype=float) ** 2
        return self.strength * self.gamma / ((square - self.frequency**2) ** 2 + self.gamma**2 * square)

    def response(self, omega: ArrayLike) -> ComplexArray:
        """K(w) = d [1/(w_1² - w² - i w γ) - 1/w_1²], combined over one denominator."""
        omega = np.asarray(omega)
        numerator = omega**2 + 1j * omega * self.gamma
        return self.strength * numerator / (self.frequency**2 * (self.frequency**2 - numerator))

    def memory_kernel(self, t: ArrayLike) -> FloatArray:
        """γ(t), by the same expression for real, vanishing and imaginary w̃."""
        t = np.asarray(t, dtype=float)
        half = self.gamma / 2
        root = np.sqrt(complex(self.frequency**2 - half**2))
        # Im w̃ >= 0: nothing overflows when overdamped; expm1 keeps the digits near critical damping, w̃ = 0
        slower, turn = np.exp((-1j * root - half) * t), np.expm1(2j * root * t)
        cosine = slower * (2 + turn) / 2
        sine = slower * (turn / (2j * root) if root else t)
        return (self.strength / self.frequency**2 * (cosine + half * sine)).real

    def memory(self) -> Memory:
        """Two variables: ḟ = h - (d/w_1²) ẏ,  ḣ = -w_1² f - γ h + √(dγ) u."""
        slip = self.strength / self.frequency**2
        drift = np.array([[0.0, 1.0], [-(self.frequency**2), -self.gamma]])
        noise_gain = np.array([0.0, np.sqrt(self.strength * self.gamma)])
        return Memory(drift, np.array([-slip, 0.0]), noise_gain, slip=slip)

    @property
    def scales(self) -> tuple[float, ...]:
        """Frequencies that the band of the noise must exceed by far."""
        return (self.frequency, self.gamma, float(np.sqrt(self.strength) / self.frequency))


SpectralDensity = Annotated[Ohmic | DrudeLorentz | Lorentzian, Field(discriminator="kind")]


class Reservoir(Model):
    """A reservoir with its couplings g_l(t) to the oscillators.

    Parameters
    ----------
    name : str
    temperature : float
        T >= 0.
    spectral_density : Ohmic, DrudeLorentz or Lorentzian
        In run files `kind = "ohmic"` with a `cutoff` means `DrudeLorentz`.
    coupling : mapping of oscillator name to Drive, optional
        Absent: 1 for every oscillator. Oscillators that it does not name are not coupled.
    """

    name: str = Field(min_length=1)
    temperature: NonNegative
    spectral_density: SpectralDensity
    coupling: Mapping[str, Drive] | None = None

    @model_validator(mode="before")
    @classmethod
    def _ohmic_with_cutoff_is_drude(cls, data: Any) -> Any:
        density = data.get("spectral_density") if isinstance(data, dict) else None
        if isinstance(density, dict) and density.get("kind") == "ohmic" and "cutoff" in density:
            return data | {"spectral_density": density | {"kind": "drude"}}
        return data

    def with_coupling(self, coupling: Mapping[str, Drive] | None) -> Reservoir:
        """The same reservoir, coupled differently."""
        density = self.spectral_density
        return Reservoir(
            name=self.name, temperature=self.temperature, spectral_density=density, coupling=coupling
        )

    def noise_power_spectrum(self, omega: ArrayLike) -> FloatArray:
        """S(w) = J(w) coth(w/2T), two-sided and symmetrised."""
        return self.spectral_density.friction(omega) * omega_coth(omega, self.temperature)
