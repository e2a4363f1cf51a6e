"""The dataset schema: every variable with its dims, unit and name. The one place that builds datasets.

Units: "omega_A" stands for the unit of frequency, energy and temperature of the run (hbar = k_B = m = 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from langevin_qtm.physics import thermodynamics
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.machine import Machine

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Variable:
    """Dims, unit and long name of one variable."""

    dims: tuple[str, ...]
    units: str
    long_name: str


L, LL, R = ("oscillator",), ("oscillator", "oscillator_prime"), ("reservoir",)
POWER, RATE, SQUARE = "omega_A^2", "omega_A", "omega_A^-1"
PERIOD_AVERAGES = {
    "local_power": Variable(L, POWER, "power through the couplings of one oscillator, > 0 done on it"),
    "power": Variable((), POWER, "total power, > 0 done on the machine"),
    "heat_current": Variable(R, POWER, "heat current, > 0 leaves the reservoir"),
    "balance_residual": Variable((), POWER, "first-law residual: heat currents plus power"),
    "entropy_production": Variable((), RATE, "entropy production rate"),
    "efficiency": Variable(
        (), "1", "engine efficiency: extracted power over heat current from the hot reservoir"
    ),
    "conversion_efficiency": Variable((), "1", "extracted over supplied local power"),
    "position_covariance": Variable(LL, SQUARE, "symmetrized covariance of positions"),
    "velocity_covariance": Variable(LL, RATE, "symmetrized covariance of velocities"),
    "position_velocity_covariance": Variable(
        LL, "1", "symmetrized covariance of position and velocity (primed)"
    ),
    "pearson": Variable((), "1", "Pearson coefficient of the first two positions"),
    "fluctuation_cnumber": Variable(L, "omega_A^3", "c-number part of the local power fluctuation D"),
    "fluctuation_quantum": Variable(L, "omega_A^3", "local power fluctuation D, commutator part included"),
    "tur_ratio": Variable(L, "1", "uncertainty ratio S D / P^2 of the local power, quantum D"),
    "tur_ratio_cnumber": Variable(L, "1", "uncertainty ratio S D / P^2 of the local power, c-number D"),
    "power_fluctuation_cnumber": Variable((), "omega_A^3", "c-number part of the total power fluctuation D"),
    "power_fluctuation_quantum": Variable(
        (), "omega_A^3", "total power fluctuation D, commutator part included"
    ),
    "power_tur_ratio": Variable((), "1", "uncertainty ratio S D / P^2 of the total power, quantum D"),
}
PHASE = ("phase",)
PHASE_RESOLVED = {
    f"{name}_phase": Variable(
        (*PERIOD_AVERAGES[name].dims, "phase"),
        PERIOD_AVERAGES[name].units,
        PERIOD_AVERAGES[name].long_name + ", over the drive period",
    )
    for name in ("local_power", "power", "heat_current", "position_covariance", "pearson")
}
ENERGY = "omega_A"
OVER_TIME = {
    "position_mean": Variable(L, "omega_A^-0.5", "mean position"),
    "velocity_mean": Variable(L, "omega_A^0.5", "mean velocity"),
    "modulation_power": Variable(L, POWER, "power of the modulation of an oscillator's frequency"),
    "force_power": Variable(L, POWER, "power of the deterministic force on an oscillator"),
    "system_energy": Variable(L, ENERGY, "energy of an oscillator"),
    "interaction_energy": Variable(
        R, ENERGY, "energy of the interaction with a reservoir, counterterm included"
    ),
    "reservoir_energy": Variable(R, ENERGY, "energy of a bare reservoir, change since the start"),
    "work": Variable(L, ENERGY, "work done through the couplings of one oscillator since the start"),
    "heat": Variable(R, ENERGY, "heat that left a reservoir since the start"),
    "modulation_work": Variable(L, ENERGY, "work done by frequency modulation since the start"),
    "force_work": Variable(L, ENERGY, "work done by the deterministic force since the start"),
    "energy_residual": Variable(
        (), ENERGY, "first-law residual: change of the oscillators' energy minus heat and work"
    ),
    "system_entropy": Variable((), "1", "von Neumann entropy of the oscillators"),
    "entropy_produced": Variable(
        (),
        "1",
        "entropy produced since the start: of oscillators and bare reservoirs; >= 0 for factorised starts",
    ),
}
STATE = ("state", "state_prime")
FINAL = {
    "final_second_moment": Variable(STATE, "1", "second moments of the embedded state at the last time"),
    "final_correlation": Variable(("state", "pole"), "1", "its correlations with the noise at the last time"),
    "final_mean": Variable(("state",), "1", "mean of the embedded state at the last time"),
    "pole_rate": Variable(("pole",), RATE, "rate of a pole of the noise"),
    "pole_weight": Variable(("pole",), "1", "weight of a pole of the noise"),
    "pole_contact": Variable(("pole",), "1", "contact whose noise a pole belongs to"),
}
TRAJECTORIES = {
    "position": Variable(("trajectory", "time", "oscillator"), "omega_A^-0.5", "position"),
    "velocity": Variable(("trajectory", "time", "oscillator"), "omega_A^0.5", "velocity"),
    "noise": Variable(("trajectory", "time", "reservoir"), "omega_A^1.5", "reservoir noise"),
    "instantaneous_power": Variable(("trajectory", "time", "oscillator"), POWER, "instantaneous local power"),
}
WORKS = {
    "window_work": Variable(
        ("sample", "window", "oscillator"), ENERGY, "work through the couplings of one oscillator in a window"
    ),
    "trajectory_work": Variable(
        ("sample", "time", "oscillator"),
        ENERGY,
        "work through the couplings of one oscillator since the start",
    ),
}
COORDINATES = {
    "oscillator": ("1", "oscillator"),
    "oscillator_prime": ("1", "oscillator"),
    "reservoir": ("1", "reservoir"),
    "phase": ("1", "fraction of the drive period"),
    "time": ("omega_A^-1", "time"),
    "trajectory": ("1", "trajectory"),
    "sample": ("1", "trajectory of the ensemble"),
    "window": ("1", "window of drive periods"),
    "frequency": ("omega_A", "angular frequency"),
}
SPECTRA = {
    "noise_spectrum_target": Variable(
        ("reservoir", "frequency"), "omega_A^2", "noise power spectrum J coth(w/2T)"
    ),
    "noise_spectrum_filter": Variable(
        ("reservoir", "frequency"), "omega_A^2", "noise power spectrum as generated"
    ),
}
SCHEMA = PERIOD_AVERAGES | PHASE_RESOLVED | OVER_TIME | FINAL | TRAJECTORIES | WORKS | SPECTRA
# Datasets about stability; their dims follow one parameter or two, named by the caller.
MODE, TIME = ("mode",), "omega_A^-1"
MODES = {
    "multiplier_real": Variable(MODE, "1", "real part of the Floquet multiplier"),
    "multiplier_imag": Variable(MODE, "1", "imaginary part of the Floquet multiplier"),
    "modulus": Variable(MODE, "1", "modulus of the Floquet multiplier"),
    "decay_rate": Variable(MODE, RATE, "amplitude damping rate, < 0 grows"),
    "decay_rate_error": Variable(MODE, RATE, "error estimate of amplitude damping rate"),
    "frequency": Variable(MODE, RATE, "angular frequency of the strongest harmonic"),
    "relaxation_time": Variable(MODE, TIME, "relaxation time of the amplitude"),
    "shape_amplitude": Variable((*MODE, *L), "1", "amplitude of the position, largest = 1"),
    "shape_phase": Variable((*MODE, *L), "rad", "phase of the position, > 0 ahead of the largest"),
}
MACHINE_STABILITY = {
    "max_multiplier": Variable((), "1", "largest modulus of the Floquet multipliers"),
    "longest_relaxation_time": Variable((), TIME, "relaxation time of the slowest mode"),
}
FREQUENCY = ("frequency",)
BOUNDARY = {
    "max_multiplier": Variable((*FREQUENCY, "strength"), "1", "largest modulus of the Floquet multipliers"),
    "critical_strength": Variable(FREQUENCY, "1", "lowest strength at which a multiplier has modulus 1"),
    "critical_strength_error": Variable(FREQUENCY, "1", "error estimate of the critical strength"),
    "critical_angle": Variable(FREQUENCY, "rad", "angle of that multiplier, in [0, pi]"),
    "outcome": Variable(FREQUENCY, "1", "whether the scan crossed the boundary"),
}
UNCERTAINTY = {"_se": "standard error of ", "_error": "error estimate of "}


def labeled(name: str, values: FloatArray, leading: tuple[str, ...] = ()) -> xr.Variable:
    """Variable of the schema, or its `_se`/`_error` companion, with dims (after the leading ones) and
    attributes."""
    suffix = next((suffix for suffix in UNCERTAINTY if name.endswith(suffix)), "")
    variable = SCHEMA[name.removesuffix(suffix)]
    long_name = UNCERTAINTY.get(suffix, "") + variable.long_name
    own_axis = {"time", "frequency", "state", "pole"} & set(variable.dims)
    dims = variable.dims if own_axis else leading + variable.dims
    return xr.Variable(dims, values, {"units": variable.units, "long_name": long_name})


def machine_coordinates(machine: Machine) -> dict[str, xr.Variable]:
    """Coordinates that name oscillators and reservoirs."""
    names = {
        "oscillator": list(machine.oscillators),
        "oscillator_prime": list(machine.oscillators),
        "reservoir": [reservoir.name for reservoir in machine.reservoirs],
    }
    return {dim: coordinate(dim, values) for dim, values in names.items()}


def coordinate(dim: str, values) -> xr.Variable:
    """Coordinate variable with its unit and name."""
    units, long_name = COORDINATES[dim]
    return xr.Variable(dim, values, {"units": units, "long_name": long_name})


def assemble(
    machine: Machine,
    variables: Mapping[str, FloatArray],
    attrs: Mapping[str, object],
    coordinates: Mapping[str, FloatArray] | None = None,
    undefined: Mapping[str, str] | None = None,
    leading: tuple[str, ...] = (),
) -> xr.Dataset:
    """Dataset of the schema from arrays by name.

    Parameters
    ----------
    variables : mapping
        Arrays in the dims of the schema; companions end in `_se` or `_error`.
    attrs : mapping
        Global attributes.
    coordinates : mapping, optional
        Values of `phase`, `time`, `trajectory`, `frequency`.
    undefined : mapping, optional
        Reason why a variable is NaN, by name; stored as its attribute `undefined`.
    leading : tuple of str
        Dims before those of the schema: `time` where averages become functions of it.
    """
    coords = machine_coordinates(machine)
    coords |= {dim: coordinate(dim, values) for dim, values in (coordinates or {}).items()}
    arrays = {name: labeled(name, np.asarray(values), leading) for name, values in variables.items()}
    dataset = xr.Dataset(arrays, coords=coords)
    for name, reason in (undefined or {}).items():
        dataset[name].attrs["undefined"] = reason
    for suffix in UNCERTAINTY:
        for parent in [name for name in variables if name + suffix in variables]:
            dataset[parent].attrs["ancillary_variables"] = parent + suffix
    dataset.attrs = {"Conventions": "CF-1.11", "schema_version": SCHEMA_VERSION, **attrs}
    dataset.attrs["machine"] = machine.model_dump_json()
    return dataset


def mark_band_dependence(dataset: xr.Dataset, machine: Machine, is_sudden: bool) -> None:
    """Mark, as attribute `uv_sensitive`, variables over time that depend on the band of the noise.

    Parameters
    ----------
    dataset : xarray.Dataset
        Changed in place.
    machine : Machine
        Velocities, and heat from strictly Ohmic reservoirs, depend on the band.
    is_sudden : bool
        Whether such a reservoir is switched on suddenly; all second moments do then.
    """
    if all(contact.density.memory().size for contact in machine.contacts):
        return
    finite = {"position_mean", "velocity_mean", "force_power", "force_work"}
    sensitive = {
        "velocity_covariance",
        "system_energy",
        "heat_current",
        "entropy_production",
        "system_entropy",
    }
    for name in OVER_TIME.keys() | PERIOD_AVERAGES.keys():
        if name in dataset and (name in sensitive or (is_sudden and name not in finite)):
            dataset[name].attrs["uv_sensitive"] = "grows with the logarithm of attribute noise_band"


def exact_averages(
    machine: Machine,
    base: Mapping[str, FloatArray],
    errors: Mapping[str, FloatArray],
) -> tuple[dict[str, FloatArray], dict[str, str]]:
    """Base and derived averages with `_error` companions, and the reasons of those that are NaN.

    Arrays may carry leading axes before the dims of the schema.
    The error of a derived number is Σ |f(x + e_i) - f(x)| over the errors e_i of the base numbers.
    """
    derived = thermodynamics.derive(machine, base)
    derived_errors = {name: np.zeros(np.shape(value)) for name, value in derived.items()}
    for name in thermodynamics.BASE:
        leading = np.ndim(base[name]) - len(SCHEMA[name].dims)
        for index in np.ndindex(np.shape(base[name])[leading:]):
            moved = np.array(base[name], dtype=float)
            moved[..., *index] += np.asarray(errors[name])[..., *index]
            shifted = thermodynamics.derive(machine, {**base, name: moved})
            for key in derived:
                derived_errors[key] = derived_errors[key] + np.abs(shifted[key] - derived[key])
    variables = {**base, **derived}
    for name, value in {**errors, **derived_errors}.items():
        variables[f"{name}_error"] = value
    return variables, thermodynamics.reasons(machine, derived)
