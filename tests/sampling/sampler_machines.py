"""Machines for the sampler by name, each hard thing alone and together, with their laws and exact values.

The hard things: strong damping, a high cut-off, a fast drive, a low temperature, weak coupling.
"""

from functools import cache

import numpy as np
from helpers.machines import cosines, driven, standard_machine, static

from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz, Lorentzian, Ohmic
from langevin_qtm.sampling.preparation import prepare
from langevin_qtm.sampling.settings import SimulateSettings


def isothermal(temperature=0.1, drive_frequency=0.3, gamma=0.01, cutoff=12.0, static_gamma=1.0, **changes):
    """Work-to-work converter: a driven Drude reservoir and a strictly Ohmic static one at one temperature."""
    return standard_machine(
        drive_frequency=drive_frequency,
        driven_density=DrudeLorentz(gamma=gamma, cutoff=cutoff),
        static_density=Ohmic(gamma=static_gamma),
        temperatures=(temperature, temperature),
        **changes,
    )


def crowd(*omega, static_density=None):
    """One oscillator or several, driven in turn, between a cold driven and a warm static reservoir."""
    static_density = static_density or Ohmic(gamma=0.3)
    return standard_machine(
        omega=omega,
        drive_frequency=0.7,
        driven_density=DrudeLorentz(gamma=0.2 / len(omega) ** 2, cutoff=5.0),
        static_density=static_density,
        temperatures=(0.2, 0.4),
        coupling=cosines(*range(len(omega))),
    )


RICH_DRIVES = {
    "A": Drive(harmonics=((0, 0.3, 0.0), (1, 0.4, 0.1), (2, 0.2, -0.15))),
    "B": Drive(harmonics=((0, -0.2, 0.0), (1, 0.1, 0.4), (2, -0.1, 0.2))),
}

MACHINES = {
    "standard": standard_machine(),
    "converter": isothermal(static_gamma=100.0),
    "strong damping": isothermal(0.5, 1.3, 0.05, static_gamma=100.0),
    "high cut-off": isothermal(cutoff=1000.0),
    "fast drive": isothermal(drive_frequency=200.0, gamma=1e-3),
    "low temperature": isothermal(0.01),
    "zero temperature": isothermal(0.0, 1.3, 0.05, static_gamma=0.5),
    "weak coupling": isothermal(static_gamma=0.01),
    "all that is hard": isothermal(0.01, 200.0, 1e-4, 1000.0, 100.0),
    "all that is hard, slowly": isothermal(0.01, 0.3, 1e-4, 1000.0, 100.0),
    "independent": isothermal(static_gamma=0.5, wiring="independent"),
    "independent, strong damping": isothermal(static_gamma=100.0, wiring="independent"),
    "engine": standard_machine(
        drive_frequency=0.6,
        driven_density=Lorentzian(strength=0.02, frequency=0.9, gamma=0.1),
        static_density=Ohmic(gamma=0.1),
        temperatures=(0.6, 0.1),
    ),
    "independent engine": standard_machine(
        drive_frequency=0.6,
        driven_density=Lorentzian(strength=0.02, frequency=0.9, gamma=0.1),
        static_density=DrudeLorentz(gamma=0.2, cutoff=10.0),
        temperatures=(0.6, 0.1),
        wiring="independent",
    ),
    "narrow line": standard_machine(
        drive_frequency=0.3,
        driven_density=Lorentzian(strength=1e-3, frequency=1.29, gamma=0.05),
        static_density=Ohmic(gamma=100.0),
        temperatures=(1.0, 0.1),
        coupling=cosines(0.0, 1.0),
        wiring="independent",
    ),
    "driven Ohmic": standard_machine(
        driven_density=Ohmic(gamma=0.05), static_density=DrudeLorentz(gamma=0.5, cutoff=20.0)
    ),
    "mean and harmonics": standard_machine(coupling=RICH_DRIVES),
    "one oscillator": crowd(1.0),
    "three oscillators": crowd(1.0, 0.6, 1.4),
    "three oscillators, soft": crowd(1.0, 0.6, 1.4, static_density=DrudeLorentz(gamma=0.3, cutoff=10.0)),
}


@cache
def preparation(name, **settings):
    """`Preparation` of a machine by name."""
    return prepare(MACHINES[name], SimulateSettings(**settings))


def law(name, **settings):
    """`StepLaw` of a machine by name."""
    return preparation(name, **settings).plan.law


@cache
def exact(name):
    """Exact periodic steady state of a machine by name."""
    return periodic_steady_state(MACHINES[name])


def relative_to_largest(values, reference):
    """Largest deviation, relative to the largest reference."""
    return float(np.abs(values - reference).max() / np.abs(reference).max())


def static_only(density, temperature, omega=1.0):
    """One oscillator in one static reservoir."""
    return Machine(frequencies={"A": omega}, reservoirs=(static(density, temperature),))


def all_driven():
    """One oscillator, driven through its only reservoir."""
    return Machine(
        frequencies={"A": 1.0},
        drive_frequency=1.3,
        reservoirs=(driven(DrudeLorentz(gamma=0.2, cutoff=12.0), 0.5, {"A": Drive.cosine(mean=1.0)}),),
    )
