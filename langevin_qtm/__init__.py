"""Time-domain quantum Langevin simulator for quantum thermal machines with dynamical couplings.

Describe a `Machine`, then ask for it in one of four ways that share no code but its description:

- `simulate`: trajectories of the generalized quantum Langevin equations, with standard errors;
- `transient`: exact moments over time, for any start and any protocol;
- `periodic_steady_state`: the exact periodic steady state at any driven coupling;
- `second_order`: the published formulas, to second order in the driven couplings.

All answer with an `xarray.Dataset` of the same variables; `validate` holds one against the exact numbers, and
`ds.qtm` looks inside (`langevin_qtm.inspection.accessor`).
Units, Fourier and sign conventions are stated in `langevin_qtm.physics.conventions`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from langevin_qtm.registration import register_accessor

if TYPE_CHECKING:
    from langevin_qtm.data.files import open_dataset as open_dataset
    from langevin_qtm.data.runfile import load_run as load_run
    from langevin_qtm.data.sweep import load_sweep as load_sweep
    from langevin_qtm.errors import AccuracyWarning as AccuracyWarning
    from langevin_qtm.errors import InputError as InputError
    from langevin_qtm.errors import NotConvergedError as NotConvergedError
    from langevin_qtm.errors import UnstableMachineError as UnstableMachineError
    from langevin_qtm.exact.optimal_drives import optimal_machine as optimal_machine
    from langevin_qtm.exact.optimal_drives import pareto_front as pareto_front
    from langevin_qtm.exact.periodic_steady_state import periodic_steady_state as periodic_steady_state
    from langevin_qtm.exact.second_order import second_order as second_order
    from langevin_qtm.exact.second_order import second_order_map as second_order_map
    from langevin_qtm.exact.uncertainty import koyuk_seifert_ratio as koyuk_seifert_ratio
    from langevin_qtm.exact.uncertainty import power_tradeoff as power_tradeoff
    from langevin_qtm.physics.drive import Drive as Drive
    from langevin_qtm.physics.envelope import Burst as Burst
    from langevin_qtm.physics.envelope import Chirp as Chirp
    from langevin_qtm.physics.envelope import Pulse as Pulse
    from langevin_qtm.physics.envelope import Ramp as Ramp
    from langevin_qtm.physics.envelope import Smooth as Smooth
    from langevin_qtm.physics.envelope import Step as Step
    from langevin_qtm.physics.machine import Machine as Machine
    from langevin_qtm.physics.reservoir import DrudeLorentz as DrudeLorentz
    from langevin_qtm.physics.reservoir import Lorentzian as Lorentzian
    from langevin_qtm.physics.reservoir import Ohmic as Ohmic
    from langevin_qtm.physics.reservoir import Reservoir as Reservoir
    from langevin_qtm.physics.start import Equilibrated as Equilibrated
    from langevin_qtm.physics.start import Factorised as Factorised
    from langevin_qtm.physics.start import OscillatorState as OscillatorState
    from langevin_qtm.physics.start import Steady as Steady
    from langevin_qtm.sampling.settings import SimulateSettings as SimulateSettings
    from langevin_qtm.sampling.simulate import simulate as simulate
    from langevin_qtm.stability import floquet_modes as floquet_modes
    from langevin_qtm.stability import multiplier_spectrum as multiplier_spectrum
    from langevin_qtm.stability import stability_boundary as stability_boundary
    from langevin_qtm.sweep import run_sweep as run_sweep
    from langevin_qtm.sweep_validation import validate_sweep as validate_sweep
    from langevin_qtm.transients.transient import transient as transient
    from langevin_qtm.transients.work_cumulants import work_cumulants as work_cumulants
    from langevin_qtm.validation import validate as validate
    from langevin_qtm.work_statistics import jarzynski as jarzynski
    from langevin_qtm.work_statistics import work_statistics as work_statistics

# Where each public name lives; imported on first use, so that importing the package is instant.
_HOMES = {
    "AccuracyWarning": "errors",
    "Burst": "physics.envelope",
    "Chirp": "physics.envelope",
    "Drive": "physics.drive",
    "DrudeLorentz": "physics.reservoir",
    "Equilibrated": "physics.start",
    "Factorised": "physics.start",
    "InputError": "errors",
    "Lorentzian": "physics.reservoir",
    "Machine": "physics.machine",
    "NotConvergedError": "errors",
    "Ohmic": "physics.reservoir",
    "OscillatorState": "physics.start",
    "Pulse": "physics.envelope",
    "Ramp": "physics.envelope",
    "Reservoir": "physics.reservoir",
    "SimulateSettings": "sampling.settings",
    "Smooth": "physics.envelope",
    "Steady": "physics.start",
    "Step": "physics.envelope",
    "UnstableMachineError": "errors",
    "floquet_modes": "stability",
    "jarzynski": "work_statistics",
    "koyuk_seifert_ratio": "exact.uncertainty",
    "load_run": "data.runfile",
    "load_sweep": "data.sweep",
    "multiplier_spectrum": "stability",
    "open_dataset": "data.files",
    "optimal_machine": "exact.optimal_drives",
    "pareto_front": "exact.optimal_drives",
    "periodic_steady_state": "exact.periodic_steady_state",
    "power_tradeoff": "exact.uncertainty",
    "run_sweep": "sweep",
    "second_order": "exact.second_order",
    "second_order_map": "exact.second_order",
    "simulate": "sampling.simulate",
    "stability_boundary": "stability",
    "transient": "transients.transient",
    "validate": "validation",
    "validate_sweep": "sweep_validation",
    "work_cumulants": "transients.work_cumulants",
    "work_statistics": "work_statistics",
}

__all__ = list(_HOMES)

register_accessor()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
