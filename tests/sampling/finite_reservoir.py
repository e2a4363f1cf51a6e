"""Factorised transients by brute force: unitary dynamics of oscillators and some hundred reservoir modes.

Shares no code with the package. Every Drude reservoir becomes modes of equal weight c²/w², at w = w_c tan θ
with θ on a midpoint grid of (0, π/2), the counterterm included:

    ẍ_l = -w_l² x_l + Σ g_l (Σ_k c_k X_k - y Σ_k c_k²/w_k²),   Ẍ_k = -w_k² X_k + c_k y,   y = Σ_l g_l x_l.

Wanted are the rows that map initial positions and momenta to x_l(t), v_l(t): they are carried backwards in
time by the transpose of leapfrog steps.
"""

from __future__ import annotations

import numpy as np


class FiniteReservoirs:
    """Oscillators and modes, from a factorised start.

    Parameters
    ----------
    omega, initial_temperature
        Oscillator frequencies, and the temperature of their thermal start.
    reservoirs : list of (gamma, cutoff, temperature, coupling)
        `coupling(t)` gives the vector g_l.
    modes : int
        In each reservoir.
    """

    def __init__(self, omega, initial_temperature, reservoirs, modes=300):
        self.omega, self.initial_temperature = np.asarray(omega, dtype=float), initial_temperature
        self.couplings = [coupling for *_, coupling in reservoirs]
        angle = (np.arange(modes) + 0.5) * np.pi / 2 / modes
        self.modes = [cutoff * np.tan(angle) for _, cutoff, _, _ in reservoirs]
        # J/w = γ / (1 + w²/w_c²) spread evenly over θ: c²/w² = γ w_c / modes
        self.gains = [w * np.sqrt(r[0] * r[1] / modes) for w, r in zip(self.modes, reservoirs, strict=True)]
        self.temperatures = [temperature for _, _, temperature, _ in reservoirs]

    def covariance(self, time, step=1e-3):
        """Symmetrised covariance of (x_l, v_l) at a time, dims (2 oscillator, 2 oscillator)."""
        bodies, count = len(self.omega), max(2, int(np.ceil(time / step)))
        step = time / count
        positions, velocities = np.zeros((2, 2 * bodies, bodies))
        positions[:bodies], velocities[bodies:] = np.eye(bodies), np.eye(bodies)
        own = [np.zeros((2 * bodies, len(w))) for w in self.modes]
        momenta = [np.zeros((2 * bodies, len(w))) for w in self.modes]
        # transpose of kick - drift - kick, the last step first
        self._kick(positions, velocities, own, momenta, time, step / 2)
        for index in range(count):
            velocities += step * positions
            for row, momentum in zip(own, momenta, strict=True):
                momentum += step * row
            is_last = index == count - 1
            self._kick(
                positions, velocities, own, momenta, time - (index + 1) * step, step / 2 if is_last else step
            )
        thermal = self._thermal(self.omega, self.initial_temperature)
        total = (positions * (thermal / self.omega)) @ positions.T + (
            velocities * (thermal * self.omega)
        ) @ velocities.T
        for row, momentum, w, temperature in zip(own, momenta, self.modes, self.temperatures, strict=True):
            thermal = self._thermal(w, temperature)
            total += (row * (thermal / w)) @ row.T + (momentum * (thermal * w)) @ momentum.T
        return total

    @staticmethod
    def _thermal(omega, temperature):
        """½ coth(w/2T)."""
        return 0.5 / np.tanh(omega / (2 * temperature)) if temperature else 0.5 * np.ones_like(omega)

    def _kick(self, positions, velocities, own, momenta, time, step):
        """Transposed kick: what momenta collect from positions at this time flows back to the positions."""
        added = -velocities * self.omega**2
        for row, momentum, w, gain, coupling in zip(
            own, momenta, self.modes, self.gains, self.couplings, strict=True
        ):
            g = coupling(time)
            pushed = velocities @ g
            added += np.outer(momentum @ gain - pushed * np.sum((gain / w) ** 2), g)
            row += step * (np.outer(pushed, gain) - momentum * w**2)
        positions += step * added
