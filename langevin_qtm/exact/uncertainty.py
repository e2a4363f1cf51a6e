"""Uncertainty relations beyond the ratio Ṡ D/O²: of periodic drives, and of engines.

Koyuk and Seifert, PRL 122, 230601 (2019), for a current O of a machine driven at Ω, D = lim Var(∫O dt)/t:

    Ṡ D / (O - Ω ∂O/∂Ω)² >= 2                                    classical, Markovian.

Drives may be weighted, g_l = (Ω/w_0)^r_l cos(Ωt + φ_l), and the derivative follows O(Ω) with its weights. All
averages of second order are quadratic in the weights W, X = Σ_ll' W_l W_l' X_ll'(Ω), so that machines with a
few fixed sets of weights give them for any. The derivative is one of differences of falling step in ln Ω,
`scipy.differentiate`, with its error estimate.

Pietzonka and Seifert, PRL 120, 190602 (2018), for engines in steady state: |P| η/(η_C - η) T_cold/D_P <= 1/2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy.differentiate import derivative

from langevin_qtm.errors import InputError
from langevin_qtm.exact.second_order import second_order_averages
from langevin_qtm.physics import thermodynamics
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.schema import machine_coordinates

FIRST_STEP = 0.05  # in ln Ω
ORDER = 8
DERIVATIVE_TOLERANCE = 1e-9
AVERAGED = (
    "local_power",
    "heat_current",
    "entropy_production",
    "fluctuation_quantum",
    "power_fluctuation_quantum",
)
UNITS = {
    "power": "omega_A^2",
    "current": "omega_A^2",
    "response": "omega_A^2",
    "production": "omega_A",
    "quantum": "omega_A^3",
}
UNITS |= {"ratio": "1", "efficiency": "1"}


def koyuk_seifert_ratio(
    machine: Machine,
    drive_frequency: ArrayLike | None = None,
    *,
    weights: Mapping[str, float] | None = None,
    reference: float = 1.0,
) -> xr.Dataset:
    """Ṡ D/(O - Ω ∂O/∂Ω)² of local powers and of the total power, to second order.

    Parameters
    ----------
    machine : Machine
        As for `second_order`.
    drive_frequency : (drive_frequency,) array, optional
        Ω > 0; by default the machine's own.
    weights : mapping of oscillator to exponent r, optional
        Its couplings to driven reservoirs are multiplied by (Ω/w_0)^r; 0 for oscillators not named.
    reference : float
        w_0 > 0.

    Returns
    -------
    xarray.Dataset
        Dims `drive_frequency`, and `oscillator` or `reservoir`: `koyuk_seifert_ratio` (of local powers) and
        `power_koyuk_seifert_ratio` (of the total power), with `_error`; what they are made of:
        `local_power`, `local_power_response` Ω ∂P_l/∂Ω, `power`, `power_response`, `entropy_production`,
        `fluctuation_quantum`, `power_fluctuation_quantum`; and of the same weighted machine `heat_current`,
        `efficiency` (NaN where no engine), `tur_ratio`, `power_tur_ratio`. Errors are estimates:
        differences of successive derivatives, and rounding.

    Raises
    ------
    InputError
        As `second_order`; or when an oscillator is unknown, or a frequency or `reference` is not positive.

    Examples
    --------
    >>> from langevin_qtm import Drive, DrudeLorentz, Ohmic, Reservoir
    >>> drude, drive = DrudeLorentz(gamma=0.01, cutoff=12.0), {"A": Drive.cosine()}
    >>> driven = Reservoir(name="driven", temperature=0.1, spectral_density=drude, coupling=drive)
    >>> static = Reservoir(name="static", temperature=0.1, spectral_density=Ohmic(gamma=0.1))
    >>> machine = Machine(frequencies={"A": 1.0}, drive_frequency=0.01, reservoirs=[driven, static])
    >>> found = koyuk_seifert_ratio(machine)  # P ~ Ω² of a slow drive: Ω ∂P/∂Ω = 2 P, nothing changes
    >>> bool(abs(found.koyuk_seifert_ratio / found.tur_ratio - 1) < 0.01)
    True
    """
    machine.require_bare_period("second_order")
    omega = np.atleast_1d(
        np.asarray(machine.angular_frequency if drive_frequency is None else drive_frequency)
    )
    if omega.ndim != 1 or not omega.size or not np.all(np.isfinite(omega)) or omega.min() <= 0:
        raise InputError(f"`drive_frequency` = {drive_frequency!r} is not allowed: it must be numbers > 0.")
    if not (np.isfinite(reference) and reference > 0):
        raise InputError(f"`reference` = {reference!r} is not allowed: it must be > 0.")
    averages = _Weighted(machine, _exponents(machine, weights), reference)
    value, error = averages(omega)
    response, response_error = averages.response(omega)
    power, entropy = value["local_power"], value["entropy_production"]
    variables = {
        "local_power": power,
        "local_power_response": response,
        "power": power.sum(axis=1),
        "power_response": response.sum(axis=1),
        "heat_current": value["heat_current"],
        "efficiency": thermodynamics.efficiency(machine, power.sum(axis=1), value["heat_current"]),
        "entropy_production": entropy,
        "fluctuation_quantum": value["fluctuation_quantum"],
        "power_fluctuation_quantum": value["power_fluctuation_quantum"],
    }
    errors = {"local_power_response": response_error, "power_response": response_error.sum(axis=1)}
    errors |= {"power": error["local_power"].sum(axis=1)} | error
    for prefix, current, spread, dissipation in (
        ("", "local_power", "fluctuation_quantum", entropy[:, None]),
        ("power_", "power", "power_fluctuation_quantum", entropy),
    ):
        cost = dissipation * variables[spread]
        of_cost = errors["entropy_production"].reshape(dissipation.shape) / np.abs(dissipation)
        of_cost = of_cost + errors[spread] / np.abs(variables[spread])
        modified = variables[current] - variables[f"{current}_response"]
        lost = errors[current] + errors[f"{current}_response"]
        ratio = f"{prefix}koyuk_seifert_ratio"
        variables[ratio] = cost / modified**2
        errors[ratio] = variables[ratio] * (of_cost + 2 * lost / np.abs(modified))
        variables[f"{prefix}tur_ratio"] = cost / variables[current] ** 2
    return _dataset(machine, omega, variables, errors)


def power_tradeoff(power: Any, efficiency: Any, fluctuation: Any, *, hot: Any, cold: Any) -> Any:
    """Efficiency, power and constancy of an engine in one number, |P| η/(η_C - η) T_cold/D_P.

    At most 1/2 for classical Markovian engines in steady state. With two reservoirs the reciprocal of the
    uncertainty ratio of the total power.

    Parameters
    ----------
    power, efficiency, fluctuation : float, array or DataArray
        P < 0 and η of an engine, and D_P; exact, sampled or of second order.
    hot, cold : float, array or DataArray
        T_hot > T_cold >= 0.

    Returns
    -------
    float, array or DataArray
        NaN where the machine is no engine (η is NaN).

    Raises
    ------
    InputError
        When hot is not hotter than cold.

    Examples
    --------
    >>> float(power_tradeoff(-0.1, 0.45, 0.02, hot=1.0, cold=0.1))
    0.5
    """
    if not np.all(np.greater(hot, cold) & np.greater_equal(cold, 0)):
        raise InputError(
            f"`hot` = {hot!r} is not allowed: it must be above `cold` = {cold!r}, which is >= 0."
        )
    carnot = 1 - cold / hot
    return abs(power) * efficiency / (carnot - efficiency) * cold / fluctuation


class _Weighted:
    """Averages of second order over Ω, drives weighted.

    Parameters
    ----------
    machine : Machine
    exponents : (oscillator,) array
    reference : float
    """

    def __init__(self, machine: Machine, exponents: FloatArray, reference: float):
        bodies = len(exponents)
        self.exponents, self.reference = exponents, reference
        self.pairs = np.triu_indices(bodies)
        # as many sets of weights as pairs, none of them 0: every machine has the same structure
        sets = np.ones((len(self.pairs[0]), bodies))
        for row, l, k in zip(sets, *self.pairs, strict=True):
            row[k], row[l] = 3.0, 2.0
        self.solution = np.linalg.inv(self._products(sets))
        self.machines = [_scaled(machine, row) for row in sets]

    def _products(self, weights: FloatArray) -> FloatArray:
        """W_l W_l' of all pairs, (…, pair)."""
        return weights[..., self.pairs[0]] * weights[..., self.pairs[1]]

    def __call__(self, omega: FloatArray) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """Averages and their errors, (frequency, …)."""
        found, _ = second_order_averages(self.machines, np.tile(omega, (len(self.machines), 1)))
        products = self._products((omega[:, None] / self.reference) ** self.exponents)
        values: dict[str, FloatArray] = {}
        errors: dict[str, FloatArray] = {}
        for name in AVERAGED:
            for store, key, matrix in (
                (values, name, self.solution),
                (errors, f"{name}_error", np.abs(self.solution)),
            ):
                store[name] = np.einsum("fp,ps,sf...->f...", products, matrix, found[key])
        return values, errors

    def response(self, omega: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Ω ∂P_l/∂Ω and its error, (frequency, oscillator)."""
        value, error = np.empty((2, len(omega), len(self.exponents)))
        for l in range(len(self.exponents)):

            def power(u: FloatArray, l: int = l) -> FloatArray:
                return self(np.exp(u).ravel())[0]["local_power"][:, l].reshape(u.shape)

            found = derivative(
                power,
                np.log(omega),
                initial_step=FIRST_STEP,
                order=ORDER,
                tolerances={"rtol": DERIVATIVE_TOLERANCE, "atol": 0.0},
            )
            value[:, l], error[:, l] = found.df, found.error
        return value, error


def _exponents(machine: Machine, weights: Mapping[str, float] | None) -> FloatArray:
    """r_l by oscillator."""
    for name, exponent in (weights or {}).items():
        if name not in machine.oscillators:
            raise InputError(
                f"`weights` names oscillator {name!r}, which is not one of {list(machine.oscillators)}; "
                "correct the name."
            )
        if not np.isfinite(exponent):
            raise InputError(f"`weights.{name}` = {exponent!r} is not allowed: it must be a number.")
    return np.array([float((weights or {}).get(name, 0.0)) for name in machine.oscillators])


def _scaled(machine: Machine, factors: FloatArray) -> Machine:
    """The machine with the couplings of driven reservoirs multiplied, a factor for each oscillator."""
    by_name = dict(zip(machine.oscillators, factors, strict=True))
    reservoirs = list(machine.reservoirs)
    for r in machine.driven_reservoirs:
        coupling = reservoirs[r].coupling or {}
        scaled = {
            name: Drive(
                harmonics=tuple((n, by_name[name] * a, by_name[name] * b) for n, a, b in drive.harmonics)
            )
            for name, drive in coupling.items()
        }
        reservoirs[r] = reservoirs[r].with_coupling(scaled)
    return Machine(
        frequencies=machine.frequencies,
        reservoirs=tuple(reservoirs),
        drive_frequency=machine.drive_frequency,
        wiring=machine.wiring,
    )


def _dataset(
    machine: Machine, omega: FloatArray, variables: Mapping[str, FloatArray], errors: Mapping[str, FloatArray]
) -> xr.Dataset:
    """Dataset over drive frequency."""
    coordinates = machine_coordinates(machine)
    dataset = xr.Dataset(coords={dim: coordinates[dim] for dim in ("oscillator", "reservoir")})
    for name, values in variables.items():
        own = "reservoir" if name == "heat_current" else "oscillator"
        dims = ("drive_frequency", own)[: np.ndim(values)]
        attrs = {"units": UNITS[name.rsplit("_", 1)[-1]], "long_name": name.replace("_", " ")}
        dataset[name] = (dims, values, attrs)
        if name in errors:
            dataset[f"{name}_error"] = (dims, errors[name], attrs | {"long_name": f"error of {name}"})
    axis = ("drive_frequency", omega, {"units": "omega_A", "long_name": "drive frequency"})
    dataset.attrs = {"method": "second_order", "machine": machine.model_dump_json()}
    return dataset.assign_coords(drive_frequency=axis)
