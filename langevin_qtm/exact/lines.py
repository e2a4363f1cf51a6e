"""Where the frequency integrands of a machine have structure: the mesh for `quadrature.integrate`."""

from __future__ import annotations

import numpy as np

from langevin_qtm.exact.quadrature import line_mesh
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.machine import Machine


def frequency_mesh(machine: Machine, rates: ComplexArray, shifts: int) -> FloatArray:
    """Breakpoints on [0, W] that resolve every line, thermal edge and cut-off, shifted by nΩ.

    Parameters
    ----------
    machine : Machine
    rates : (rate,) complex array
        Rates s of the deterministic dynamics; each gives lines at ±Im s + nΩ of half width |Re s|.
    shifts : int
        Sidebands |n| <= shifts.
    """
    comb = machine.angular_frequency * np.arange(-shifts, shifts + 1)
    temperatures = np.array([contact.temperature for contact in machine.contacts])
    thermal = -2 * np.pi * np.unique(temperatures[temperatures > 0])
    memory = [np.linalg.eigvals(contact.density.memory().drift) for contact in machine.contacts]
    s = np.concatenate([rates, thermal, *memory])
    centers = (np.concatenate([s.imag, -s.imag])[:, None] + comb).ravel()
    widths = np.repeat(np.maximum(np.abs(np.concatenate([s.real, s.real])), 1e-14), len(comb))
    poles = np.unique(np.round(centers + 1j * widths, 14))
    kinks = np.asarray(comb if np.any(temperatures == 0) else [], dtype=float)
    stop = 2 * max(np.abs(s).max() + comb.max(), 25 * temperatures.max())
    return line_mesh(poles.real, np.maximum(poles.imag, 1e-14), kinks, stop)
