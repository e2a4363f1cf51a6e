"""Definitions of every derived observable, in one place, for exact numbers and for resampled ones alike.

Inputs may carry leading axes (jackknife replicas); the last axes are those named in `derive`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.machine import Machine

BASE = (
    "local_power",
    "heat_current",
    "position_covariance",
    "fluctuation_cnumber",
    "fluctuation_quantum",
    "power_fluctuation_cnumber",
    "power_fluctuation_quantum",
)


def derive(machine: Machine, base: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Derived observables from the base ones.

    Parameters
    ----------
    machine : Machine
    base : mapping
        `local_power` (…, oscillator), > 0 when work is done on the machine; `heat_current`
        (…, reservoir), > 0 when heat leaves the reservoir; `position_covariance` (…, oscillator,
        oscillator_prime); `fluctuation_cnumber`, `fluctuation_quantum` (…, oscillator);
        `power_fluctuation_cnumber`, `power_fluctuation_quantum` (…).

    Returns
    -------
    dict
        `power` P = Σ P_l; `balance_residual` Σ J_ν + P; `entropy_production` -Σ J_ν/T_ν; `efficiency`
        -P/J_hot of an engine; `conversion_efficiency` extracted over supplied work (-P_A/P_B);
        `pearson` of the first two oscillators; `tur_ratio` Ṡ D_l/P_l² with quantum D,
        `tur_ratio_cnumber`, and `power_tur_ratio` for the total power. NaN where undefined
        (`reasons` says why).
    """
    local_power, heat = base["local_power"], base["heat_current"]
    power = local_power.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -(heat / machine.temperatures).sum(axis=-1)
        entropy = np.where(np.isfinite(entropy), entropy, np.nan)
        return {
            "power": power,
            "balance_residual": heat.sum(axis=-1) + power,
            "entropy_production": entropy,
            "efficiency": efficiency(machine, power, heat),
            "conversion_efficiency": conversion_efficiency(local_power),
            "pearson": pearson(base["position_covariance"]),
            "tur_ratio": entropy[..., None] * base["fluctuation_quantum"] / local_power**2,
            "tur_ratio_cnumber": entropy[..., None] * base["fluctuation_cnumber"] / local_power**2,
            "power_tur_ratio": entropy * base["power_fluctuation_quantum"] / power**2,
        }


def efficiency(machine: Machine, power: FloatArray, heat: FloatArray) -> FloatArray:
    """η = -P/J_hot where work is extracted between two temperatures, NaN elsewhere."""
    temperatures = machine.temperatures
    if temperatures.max() == temperatures.min():
        return np.full(np.shape(power), np.nan)
    from_hot = heat[..., temperatures == temperatures.max()].sum(axis=-1)
    runs = (power < 0) & (from_hot > 0)
    return np.where(runs, -power / np.where(runs, from_hot, 1.0), np.nan)


def conversion_efficiency(local_power: FloatArray) -> FloatArray:
    """Work extracted at some oscillators over work supplied at the others; NaN without both."""
    supplied = np.maximum(local_power, 0).sum(axis=-1)
    extracted = np.maximum(-local_power, 0).sum(axis=-1)
    runs = (supplied > 0) & (extracted > 0)
    return np.where(runs, extracted / np.where(runs, supplied, 1.0), np.nan)


def pearson(covariance: FloatArray) -> FloatArray:
    """C = <x_A x_B> / sqrt(<x_A²><x_B²>) of the first two oscillators; NaN for a single one."""
    if covariance.shape[-1] < 2:
        return np.full(covariance.shape[:-2], np.nan)
    return covariance[..., 0, 1] / np.sqrt(covariance[..., 0, 0] * covariance[..., 1, 1])


def reasons(machine: Machine, derived: Mapping[str, FloatArray]) -> dict[str, str]:
    """Why a derived number is NaN, by name."""
    isothermal = machine.temperatures.max() == machine.temperatures.min()
    texts = {
        "efficiency": "all reservoirs have one temperature" if isothermal else "no work is extracted",
        "conversion_efficiency": "not both extracted and supplied work",
        "pearson": "a single oscillator",
        "balance_residual": "a heat current that is not defined",
        "entropy_production": "a reservoir at zero temperature, or a heat current that is not defined",
        "tur_ratio": "entropy production or power is not defined or zero",
        "tur_ratio_cnumber": "entropy production or power is not defined or zero",
        "power_tur_ratio": "entropy production or power is not defined or zero",
    }
    return {name: text for name, text in texts.items() if not np.all(np.isfinite(derived[name]))}
