"""Machines that the tests share. Unit of frequency, energy and temperature: w_A = 1."""

from __future__ import annotations

import numpy as np

from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz, Lorentzian, Ohmic, Reservoir

QUARTER = np.pi / 2

DRUDE = DrudeLorentz(gamma=0.05, cutoff=12.0)
BROAD_DRUDE = DrudeLorentz(gamma=0.5, cutoff=60.0)
OHMIC = Ohmic(gamma=0.5)
LORENTZIAN = Lorentzian(strength=0.1, frequency=1.2, gamma=0.3)


def cosines(*phases, names="ABCDEFGH"):
    """Couplings cos(Ωt + phase), one phase for each oscillator."""
    return {name: Drive.cosine(phase=phase) for name, phase in zip(names, phases, strict=False)}


def driven(density, temperature, coupling, name="driven"):
    """Reservoir with given couplings."""
    return Reservoir(name=name, temperature=temperature, spectral_density=density, coupling=coupling)


def static(density, temperature, coupling=None, name="static"):
    """Reservoir with static couplings: 1 for every oscillator, or a number for each."""
    if coupling is not None:
        coupling = {key: Drive.constant(value) for key, value in coupling.items()}
    return Reservoir(name=name, temperature=temperature, spectral_density=density, coupling=coupling)


def standard_machine(
    omega=(1.0, 0.6),
    drive_frequency=1.3,
    phase=QUARTER,
    driven_density=DRUDE,
    static_density=BROAD_DRUDE,
    temperatures=(0.5, 0.2),
    wiring="joint",
    coupling=None,
):
    """Two oscillators; a driven reservoir with cos Ωt and cos(Ωt + phase), and a static one.

    The defaults are the machine whose moments are known from brute-force unitary dynamics with thousands
    of reservoir modes (`REFERENCE`).
    """
    return Machine(
        frequencies=dict(zip("ABCDEFGH", omega, strict=False)),
        drive_frequency=drive_frequency,
        wiring=wiring,
        reservoirs=(
            driven(driven_density, temperatures[0], coupling or cosines(0.0, phase)),
            static(static_density, temperatures[1]),
        ),
    )


def single_machine(
    omega=1.0,
    drive_frequency=1.3,
    driven_density=DRUDE,
    static_density=BROAD_DRUDE,
    temperatures=(0.5, 0.2),
    drive=None,
):
    """One oscillator between a driven and a static reservoir."""
    return Machine(
        frequencies={"A": omega},
        drive_frequency=drive_frequency,
        reservoirs=(
            driven(driven_density, temperatures[0], {"A": drive or Drive.cosine()}),
            static(static_density, temperatures[1]),
        ),
    )


def static_machine(
    omega=(1.0, 0.6), densities=(BROAD_DRUDE,), temperatures=(0.2,), wiring="joint", couplings=None
):
    """Oscillators with static reservoirs only, named r0, r1, …; `couplings` a dict or None for each."""
    couplings = couplings or [None] * len(densities)
    return Machine(
        frequencies=dict(zip("ABCDEFGH", omega, strict=False)),
        wiring=wiring,
        reservoirs=tuple(
            static(density, temperature, coupling, name=f"r{index}")
            for index, (density, temperature, coupling) in enumerate(
                zip(densities, temperatures, couplings, strict=True)
            )
        ),
    )


def converter(gamma=0.01, static_gamma=100.0, drive_frequency=0.3, temperature=0.1, cutoff=12.0):
    """Isothermal work-to-work converter with a strictly Ohmic static reservoir, at strong damping."""
    return standard_machine(
        drive_frequency=drive_frequency,
        driven_density=DrudeLorentz(gamma=gamma, cutoff=cutoff),
        static_density=Ohmic(gamma=static_gamma),
        temperatures=(temperature, temperature),
    )


# Period averages of `standard_machine()` by brute-force unitary dynamics, thousands of reservoir modes;
# the last digit is uncertain.
REFERENCE = {
    "local_power": [0.010188, 0.027587],
    "heat_current": [-0.021262, -0.016513],
    "pearson": -0.066761,
    "position_covariance": [[0.508515, -0.045296], [-0.045296, 0.905246]],
    "velocity_covariance": [[1.05615, 0.52558], [0.52558, 0.93146]],
    "position_velocity_covariance": [[0.0, -0.032213], [0.032213, 0.0]],
    "fluctuation_quantum": [0.018645, 0.046881],
    "fluctuation_cnumber": [0.035394, 0.060314],
    "power_fluctuation_quantum": 0.062451,
    "power_fluctuation_cnumber": 0.089334,
}
