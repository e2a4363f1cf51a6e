"""Second order in the driven couplings, static reservoirs exact: the formulas of the published figures.

With χ(w) the susceptibility of the medium damped by the static reservoirs, Sx its position noise and
A = χ'', for each driven contact:

    P_l   = Re Σ_l'n  i nΩ g_ln g*_l'n ∫dw/2π [S(w) χ*_ll'(w+nΩ) + Sx_ll'(w) K*(w+nΩ)]
    J + P = Re Σ_ll'n g_ln g*_l'n ∫dw/2π [i(w+nΩ) S(w) χ*_ll'(w+nΩ) - i w Sx_ll'(w) K*(w+nΩ)]
    D_ll' = Re Σ_n n²Ω² g_ln g*_l'n ∫dw/2π [S(w+nΩ) Sx_ll'(w) - J(w+nΩ) A_ll'(w)]

D_l = D_ll, the total power has Σ_ll' D_ll'; without the last term they are the c-number parts.
Covariances and Pearson coefficient are of zeroth order. All integrals are in closed form
(`second_order_integrals`), so that a map costs microseconds a point. Source: Cavaliere et al., Phys.
Rev. Research 4, 033233 (2022); Razzoli et al., Quantum Sci. Technol. 9, 045032 (2024).

Errors are bounds on rounding: a few ε times the sum of the magnitudes of all terms, and, relative to
the largest number of the kind, what the eigenvectors fail to reproduce of the generator over the
smallest damping.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from langevin_qtm.errors import InputError, NotConvergedError
from langevin_qtm.exact.partial_fractions import PartialFractions, structure
from langevin_qtm.exact.second_order_integrals import SecondOrderIntegrals, Terms
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import Reservoir
from langevin_qtm.schema import assemble, exact_averages

POINTS_PER_STACK = 20_000
ROUNDING = 8 * float(np.finfo(float).eps)
KINDS = (
    ("local_power", "heat_current"),
    (
        "fluctuation_cnumber",
        "fluctuation_quantum",
        "power_fluctuation_cnumber",
        "power_fluctuation_quantum",
    ),
    ("position_covariance",),
)
COMMENT = "Limit of weak driven coupling; covariances and Pearson coefficient of zeroth order."
UNKNOWN_CURRENTS = "second order gives only the sum over several static reservoirs"


def second_order(machine: Machine, tolerance: float = 1e-6) -> xr.Dataset:
    """Period averages to second order in the driven couplings.

    Parameters
    ----------
    machine : Machine
        Needs a static reservoir that damps every mode.
    tolerance : float
        Error allowed, relative to the largest number of each kind (powers and currents; fluctuations;
        covariances). Nothing but rounding stands against it, mostly below 1e-10; it is largest where Ω is
        far above every line of the machine.

    Returns
    -------
    xarray.Dataset
        Every period average of the schema, dims `oscillator`, `oscillator_prime`, `reservoir`; each
        integrated number has a companion `<name>_error` (bound on rounding). NaN, with the
        reason as attribute, where second order does not define a number.

    Raises
    ------
    InputError
        When no reservoir is static, a mode is not damped by the static ones, or the machine has
        envelopes, chirp, frequency modulation or forces.
    NotConvergedError
        When rounding may exceed the tolerance.
    """
    machine.require_bare_period("second_order")
    fractions = PartialFractions([machine])
    base, errors = _base_averages(fractions, np.array([[machine.angular_frequency]]))
    base, errors = ({name: value[0, 0] for name, value in each.items()} for each in (base, errors))
    _require_tolerance(base, errors, tolerance)
    variables, undefined = exact_averages(machine, base, errors)
    damping = float(fractions.rates.real.min())
    attrs = {
        "method": "second_order",
        "comment": COMMENT,
        "max_multiplier": float(np.exp(-damping * machine.period)),
        "relaxation_time": 1 / damping,
    }
    return assemble(machine, variables, attrs, undefined=undefined | _unknown_currents(machine))


def second_order_map(
    machine: Machine,
    *,
    drive_frequency: ArrayLike | None = None,
    temperature: ArrayLike | Mapping[str, ArrayLike] | None = None,
) -> xr.Dataset:
    """Period averages to second order over drive frequency and temperatures.

    Parameters
    ----------
    machine : Machine
        As for `second_order`; what is not swept is taken from it.
    drive_frequency : (drive_frequency,) array, optional
        Ω > 0.
    temperature : (temperature,) array or mapping of reservoir name to array, optional
        T >= 0 of all reservoirs together; or of the named ones, each with its own dim `temperature_<name>`.

    Returns
    -------
    xarray.Dataset
        As from `second_order`, the swept dims first. Errors are stored, and not held against a tolerance.

    Raises
    ------
    InputError
        As `second_order`; or when an axis is empty, not one-dimensional, or has inadmissible values.

    Examples
    --------
    >>> from langevin_qtm import Drive, DrudeLorentz, Ohmic
    >>> drude, drive = DrudeLorentz(gamma=0.01, cutoff=12.0), {"A": Drive.cosine()}
    >>> driven = Reservoir(name="driven", temperature=0.1, spectral_density=drude, coupling=drive)
    >>> static = Reservoir(name="static", temperature=0.1, spectral_density=Ohmic(gamma=0.1))
    >>> machine = Machine(frequencies={"A": 1.0}, drive_frequency=1.0, reservoirs=[driven, static])
    >>> found = second_order_map(machine, drive_frequency=[0.5, 1.0, 2.0], temperature=[0.1, 1.0])
    >>> found.local_power.dims, bool((found.local_power > 0).all())
    (('drive_frequency', 'temperature', 'oscillator'), True)
    """
    machine.require_bare_period("second_order")
    frequencies = None if drive_frequency is None else _axis("drive_frequency", drive_frequency)
    axes = {}
    if isinstance(temperature, Mapping):
        axes = {name: _axis(f"temperature.{name}", values) for name, values in temperature.items()}
    elif temperature is not None:
        axes = {"": _axis("temperature", temperature)}
    machines = [
        _at_temperatures(machine, dict(zip(axes, point, strict=True))) for point in product(*axes.values())
    ]
    bases = [machine.angular_frequency] if frequencies is None else frequencies
    if min(bases) <= 0:
        raise InputError(f"`drive_frequency` = {float(min(bases))!r} is not allowed: it must be > 0.")
    variables, undefined = second_order_averages(machines, np.tile(bases, (len(machines), 1)))
    dims = {"temperature" if not name else f"temperature_{name}": values for name, values in axes.items()}
    shape = [len(values) for values in dims.values()]
    shaped = {}
    for name, value in variables.items():
        grid = np.moveaxis(value.reshape(*shape, len(bases), *value.shape[2:]), len(shape), 0)
        shaped[name] = grid[0] if frequencies is None else grid
    if frequencies is not None:
        dims = {"drive_frequency": frequencies, **dims}
    attrs = {"method": "second_order", "comment": COMMENT}
    dataset = assemble(machine, shaped, attrs, undefined=undefined, leading=tuple(dims))
    return dataset.assign_coords(
        {
            dim: (dim, values, {"units": "omega_A", "long_name": dim.replace("_", " ")})
            for dim, values in dims.items()
        }
    )


def second_order_averages(
    machines: Sequence[Machine], drive_frequencies: FloatArray | None = None
) -> tuple[dict[str, FloatArray], dict[str, str]]:
    """Arrays by name for many machines: what a loop over `second_order` would find, in one go.

    Parameters
    ----------
    machines : sequence of Machine
        With the same oscillators and reservoirs, by number; anything else may differ. Machines of equal
        structure (kinds of reservoirs, couplings that vanish) are solved together.
    drive_frequencies : (machine, frequency) array, optional
        Replaces the machines' own.

    Returns
    -------
    variables : dict
        Arrays (machine, frequency, dims of the schema), with `_error` companions; without `drive_frequencies`
        (machine, dims of the schema).
    undefined : dict
        Why some of a variable are NaN, by name.

    Raises
    ------
    InputError
        As `second_order`, for any of the machines.
    """
    bases = drive_frequencies
    if bases is None:
        bases = np.array([[machine.angular_frequency] for machine in machines])
    for machine in machines:
        machine.require_bare_period("second_order")
    total: dict[str, FloatArray] = {}
    undefined: dict[str, str] = {}
    for chosen in _stacks(machines, bases.shape[1]):
        base, errors = _base_averages(PartialFractions([machines[i] for i in chosen]), bases[chosen])
        for same in _groups(tuple(machines[i].temperatures) for i in chosen):
            first = machines[chosen[same[0]]]
            parts = ({name: value[same] for name, value in each.items()} for each in (base, errors))
            variables, reasons = exact_averages(first, *parts)
            undefined |= reasons | _unknown_currents(first)
            for name, value in variables.items():
                if name not in total:
                    total[name] = np.empty((len(machines), *value.shape[1:]))
                total[name][chosen[same]] = value
    if drive_frequencies is None:
        total = {name: value[:, 0] for name, value in total.items()}
    return total, undefined


def mean_currents(
    machines: Sequence[Machine], drive_frequencies: FloatArray, reservoir: int
) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
    """Total power and the heat current from one driven reservoir, without the cost of anything else.

    Parameters
    ----------
    machines, drive_frequencies
        As for `second_order_averages`.
    reservoir : int
        Index of the driven reservoir.

    Returns
    -------
    values, errors : pairs of (machine, frequency) arrays
        Power and heat current, and bounds on their rounding.
    """
    for machine in machines:
        machine.require_bare_period("second_order")
    values, errors = np.empty((2, 2, *drive_frequencies.shape))
    for chosen in _stacks(machines, drive_frequencies.shape[1]):
        fractions = PartialFractions([machines[i] for i in chosen])
        integrals = SecondOrderIntegrals(fractions, drive_frequencies[chosen], fluctuations=False)
        local = integrals.power.sum(2)
        heat = integrals.into_medium - integrals.power.sum(3)
        heat = Terms(heat.value[:, :, reservoir], heat.size[:, :, reservoir])
        largest = np.maximum(np.abs(local.value).max(axis=2), np.abs(heat.value))
        for row, (one, count) in enumerate(((local.sum(2), local.value.shape[2]), (heat, 1))):
            lost = count * fractions.rounding[:, None] * largest
            values[row][chosen], errors[row][chosen] = one.value, ROUNDING * one.size + lost
    return (values[0], values[1]), (errors[0], errors[1])


def _stacks(machines: Sequence[Machine], frequencies: int) -> list[np.ndarray]:
    """Indices of machines that are solved together."""
    most = max(1, POINTS_PER_STACK // frequencies)
    return [
        group[start : start + most]
        for group in _groups(structure(machine) for machine in machines)
        for start in range(0, len(group), most)
    ]


def _groups(keys) -> list[np.ndarray]:
    """Indices of equal keys."""
    groups = defaultdict(list)
    for index, key in enumerate(keys):
        groups[key].append(index)
    return [np.array(group) for group in groups.values()]


def _base_averages(
    fractions: PartialFractions, bases: FloatArray
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Base observables and their errors, dims (machine, frequency, …)."""
    integrals = SecondOrderIntegrals(fractions, bases)
    power, into_medium = integrals.power, integrals.into_medium
    heat = into_medium - power.sum(3)
    absorbed = into_medium.sum(2)
    for r in fractions.static:
        heat.value[:, :, r] = -absorbed.value if len(fractions.static) == 1 else np.nan
        heat.size[:, :, r] = absorbed.size
    quantum = integrals.quantum
    cnumber = quantum - integrals.commutator
    shape = (*bases.shape, *quantum.value.shape[2:])
    covariance = integrals.covariance
    terms = {
        "local_power": power.sum(2),
        "heat_current": heat,
        "position_covariance": Terms(
            *(np.broadcast_to(x, shape) for x in (covariance.value, covariance.size))
        ),
        "fluctuation_cnumber": _diagonal(cnumber),
        "fluctuation_quantum": _diagonal(quantum),
        "power_fluctuation_cnumber": cnumber.sum((2, 3)),
        "power_fluctuation_quantum": quantum.sum((2, 3)),
    }
    errors = {}
    for kind in KINDS:
        largest = _largest({name: terms[name].value for name in kind}) * fractions.rounding[:, None]
        for name in kind:
            size = terms[name].size
            errors[name] = ROUNDING * size + largest.reshape(*largest.shape, *(size.ndim - 2) * [1])
    return {name: each.value for name, each in terms.items()}, errors


def _diagonal(terms: Terms) -> Terms:
    return Terms(*(np.diagonal(x, axis1=2, axis2=3) for x in (terms.value, terms.size)))


def _largest(values: Mapping[str, FloatArray], leading: int = 2) -> FloatArray:
    """Largest magnitude over all but the leading dims."""
    each = [np.abs(value).reshape(*value.shape[:leading], -1) for value in values.values()]
    return np.nan_to_num(np.concatenate(each, axis=-1)).max(axis=-1)


def _require_tolerance(base: dict[str, FloatArray], errors: dict[str, FloatArray], tolerance: float) -> None:
    """Raise where an error exceeds the tolerance times the largest number of its kind."""
    for kind in KINDS:
        largest = _largest({name: base[name] for name in kind}, 0)
        error = _largest({name: errors[name] for name in kind}, 0)
        if error > tolerance * largest:
            relative = float(error / largest) if largest else np.inf
            raise NotConvergedError("Second order", relative, tolerance, "rounding; loosen `tolerance`")


def _unknown_currents(machine: Machine) -> dict[str, str]:
    is_several = len(machine.reservoirs) - len(machine.driven_reservoirs) > 1
    return {"heat_current": UNKNOWN_CURRENTS} if is_several else {}


def _axis(key: str, values: ArrayLike) -> FloatArray:
    """Values of one axis."""
    axis = np.asarray(values, dtype=float)
    if axis.ndim != 1 or not axis.size or not np.all(np.isfinite(axis)):
        raise InputError(f"`{key}` = {values!r} is not allowed: it must be a list of finite numbers.")
    return axis


def _at_temperatures(machine: Machine, temperatures: dict[str, float]) -> Machine:
    """The machine at other temperatures, by reservoir name or, under "", of all reservoirs."""
    names = [reservoir.name for reservoir in machine.reservoirs]
    for name in temperatures:
        if name and name not in names:
            raise InputError(
                f"`temperature` names reservoir {name!r}, which is not one of {names}; correct it."
            )
    common = temperatures.get("")
    reservoirs = [
        Reservoir(
            name=r.name,
            temperature=float(temperatures.get(r.name, r.temperature if common is None else common)),
            spectral_density=r.spectral_density,
            coupling=r.coupling,
        )
        for r in machine.reservoirs
    ]
    return Machine(
        frequencies=machine.frequencies,
        reservoirs=tuple(reservoirs),
        drive_frequency=machine.drive_frequency,
        wiring=machine.wiring,
    )
