"""Relaxation and stability: Floquet modes of a machine, along a parameter, and where it becomes unstable.

Without noise a machine relaxes as a sum of modes z(t) = e^{st} u(t), u periodic: each decays at -Re s and
swings at -Im s, and a Floquet multiplier μ = e^{s𝒯} is what it gains over a period. The slowest sets the
run-in; one with |μ| > 1 grows, and there is no periodic steady state. The driven coupling can do so in two
ways: its counterterm modulates the stiffness, and against a structured reservoir a drive near the *sum* of
two frequencies amplifies both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy.optimize import brentq, linear_sum_assignment

from langevin_qtm import schema
from langevin_qtm.errors import InputError, NotConvergedError
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.floquet import MAX_STEPS, PARTS, Modes, find_modes
from langevin_qtm.physics.machine import Machine

Factory = Callable[[float], Machine]
CROSSED, STABLE, UNSTABLE = 0, 1, 2
OUTCOMES = "crossed stable_up_to_largest_strength unstable_at_lowest_strength"
SCAN_ACCURACY = 1e-2  # of ln|μ| on the scan: its sign is certain, a color exact to the eye
REFINED = 1e-6  # of the same at the boundary, relative to the ends of its bracket


def floquet_modes(machine: Machine) -> xr.Dataset:
    """All Floquet modes of a machine: multiplier, damping, frequency and shape, slowest first.

    Parameters
    ----------
    machine : Machine
        Periodically driven or static; the modes of a static one are those of its constant generator, its
        multipliers refer to its averaging period. Of a protocol, what it ends in.

    Returns
    -------
    xarray.Dataset
        Over `mode`; of a conjugate pair the positive frequency comes first.

        - `multiplier_real`, `multiplier_imag`, `modulus`: μ over one period; 0 where it underflows.
        - `decay_rate` [omega_A]: -ln|μ|/𝒯, amplitude damping, < 0 for a mode that grows, exact for fast
          modes too; `decay_rate_error` is its change on doubling the steps.
        - `frequency` [omega_A]: w of x_l ~ Re a_l e^{-iwt}. A multiplier knows it modulo Ω; the branch is
          that of the strongest harmonic of the positions, the line that a spectrum would show. A mode
          locked to a multiple of Ω/2 is a standing wave, reported at w >= 0.
        - `relaxation_time` [omega_A^-1]: 1/decay_rate, NaN for a mode that does not decay.
        - `shape_amplitude`, `shape_phase` (mode, oscillator): of that harmonic, relative to the largest,
          x_l ~ amplitude cos(wt + phase), phase in (-π, π]. Antiphase: π. The shapes of modes with equal
          multipliers are some pair out of their plane.

    Raises
    ------
    InputError
        When the machine never becomes periodic.
    NotConvergedError
        When the period is too long for its fastest mode to be resolved.

    Notes
    -----
    Source: physics of `docs/theory.md`, numerics in `physics.floquet`. The sum of all decay rates is the
    period average of -tr G (Liouville), to 1e-7.

    Examples
    --------
    >>> from langevin_qtm import Machine, Ohmic, Reservoir
    >>> bath = Reservoir(name="bath", temperature=0.5, spectral_density=Ohmic(gamma=0.2))
    >>> modes = floquet_modes(Machine(frequencies={"A": 1.0}, reservoirs=[bath]))
    >>> [round(float(rate), 6) for rate in modes["decay_rate"]]
    [0.1, 0.1]
    """
    machine = _in_the_end(machine)
    modes = find_modes(machine)
    attrs = {"period": machine.period, "machine": machine.model_dump_json()}
    coordinates = _mode_coordinates(modes, machine)
    return _dataset(schema.MODES, _mode_variables(modes, machine.period), coordinates, attrs)


def multiplier_spectrum(
    machines: Factory | Sequence[Machine], values: ArrayLike, name: str = "parameter", units: str = "1"
) -> xr.Dataset:
    """Floquet modes along a parameter.

    Parameters
    ----------
    machines : callable or sequence of Machine
        value -> Machine, or one machine for each value.
    values : (parameter,) array_like
        Steps small enough that a mode changes less than its distance to the next.
    name : str
        Of the parameter, the first dim of the result.
    units : str
        Of the parameter.

    Returns
    -------
    xarray.Dataset
        The variables of `floquet_modes` over (`name`, mode), and over `name` `max_multiplier` and
        `longest_relaxation_time` (NaN without decay). Modes are slowest first at the first value and
        followed from there by exponent and shape; a pair that becomes overdamped splits in two.

    Raises
    ------
    InputError
        When numbers of machines and values differ, or machines differ in oscillators or state size.
    NotConvergedError
        As `floquet_modes`.
    """
    values = np.asarray(values, dtype=float)
    if name in {"mode", "oscillator", *schema.MODES, *schema.MACHINE_STABILITY}:
        raise InputError(f"Parameter `name` = {name!r} is taken by a variable of the result; choose another.")
    if values.ndim != 1 or not values.size:
        raise InputError(f"`values` has shape {values.shape}, but must be a list of at least one number.")
    chosen = [machines(float(value)) for value in values] if callable(machines) else list(machines)
    chosen = [_in_the_end(machine) for machine in chosen]
    if len(chosen) != len(values):
        raise InputError(f"{len(chosen)} `machines` for {len(values)} `values`: give one for each.")
    sequence = _followed([find_modes(machine) for machine in chosen], chosen)
    variables = _along(sequence, chosen)
    table = {
        key: schema.Variable((name, *variable.dims), variable.units, variable.long_name)
        for key, variable in (schema.MODES | schema.MACHINE_STABILITY).items()
    }
    parameter = xr.Variable(name, values, {"units": units, "long_name": name.replace("_", " ")})
    coordinates = {name: parameter, **_mode_coordinates(sequence[0], chosen[0])}
    return _dataset(table, variables, coordinates, {})


def stability_boundary(
    factory: Callable[[float, float], Machine],
    frequencies: ArrayLike,
    strengths: ArrayLike,
    tolerance: float = 1e-4,
    units: str = "omega_A",
) -> xr.Dataset:
    """Coupling strength at which the machine first loses its periodic steady state, for each drive frequency.

    Parameters
    ----------
    factory : callable
        (strength, frequency) -> Machine.
    frequencies : (frequency,) array_like
        Drive frequencies.
    strengths : (strength,) array_like
        Ascending, > 0. ln max|μ| is scanned over them, then its first change of sign refined: a tongue
        that begins and ends between two of them stays unseen.
    tolerance : float
        Relative, of the critical strength.
    units : str
        Of the strength.

    Returns
    -------
    xarray.Dataset
        `critical_strength` over `frequency`, with `critical_strength_error`; `critical_angle`, the angle of
        the multiplier that leaves the unit circle: 0 swings at a multiple of Ω, π at an odd multiple of
        Ω/2, between them a pair at incommensurate frequencies; `max_multiplier` over the scan
        (frequency, strength), to 1 % of its logarithm; `outcome`, the reason where the others are NaN.

    Raises
    ------
    InputError
        When strengths are not positive and ascending, or fewer than two.
    NotConvergedError
        When a period map does not settle.
    """
    frequencies, strengths = np.atleast_1d(frequencies).astype(float), np.asarray(strengths, dtype=float)
    if strengths.ndim != 1 or len(strengths) < 2 or strengths[0] <= 0 or np.any(np.diff(strengths) <= 0):
        raise InputError(f"`strengths` = {strengths} must be two or more numbers > 0 in ascending order.")
    if not 0 < tolerance < 1:
        raise InputError(f"`tolerance` must lie between 0 and 1, but is {tolerance}.")
    columns = [_cross(factory, frequency, strengths, tolerance) for frequency in frequencies]
    variables = {key: np.array([column[key] for column in columns]) for key in columns[0]}
    coordinates = {
        "frequency": xr.Variable(
            "frequency", frequencies, {"units": "omega_A", "long_name": "drive frequency"}
        ),
        "strength": xr.Variable("strength", strengths, {"units": units, "long_name": "coupling strength"}),
    }
    dataset = _dataset(schema.BOUNDARY, variables, coordinates, {"tolerance": tolerance})
    for key in ("critical_strength", "critical_strength_error"):
        dataset[key].attrs["units"] = units
    dataset["outcome"].attrs.update(flag_values=[CROSSED, STABLE, UNSTABLE], flag_meanings=OUTCOMES)
    if np.any(variables["outcome"] != CROSSED):
        dataset["critical_strength"].attrs["undefined"] = "no crossing within the strengths; see `outcome`"
    return dataset


def log_max_multiplier(machine: Machine, absolute: float = 0.0, relative: float = SCAN_ACCURACY) -> float:
    """ln max|μ| over one period; steps doubled until the change is below absolute + relative |ln max|μ||."""
    return float(np.log(_largest_multiplier(machine, absolute, relative)[0]))


def _largest_multiplier(machine: Machine, absolute: float, relative: float) -> tuple[float, float]:
    """Modulus, at least the smallest float, and angle in [0, π] of the largest multiplier."""
    embedding, steps = Embedding(_in_the_end(machine)), PARTS * machine.order
    error, target, previous = np.inf, 0.0, np.nan
    while steps <= MAX_STEPS:
        multipliers = np.linalg.eigvals(embedding.monodromy(steps))
        largest = multipliers[np.argmax(np.abs(multipliers))]
        modulus = max(float(abs(largest)), np.finfo(float).tiny)
        error, target = abs(np.log(modulus) - previous), absolute + relative * abs(np.log(modulus))
        if error <= target:
            return modulus, abs(float(np.angle(largest)))
        previous, steps = np.log(modulus), 2 * steps
    raise NotConvergedError("Largest Floquet multiplier", error, target, "weaken or speed up the drive")


def _in_the_end(machine: Machine) -> Machine:
    """The periodic machine that is left when the protocol is over; itself where there is none."""
    return machine if machine.settles == -np.inf else machine.after()


def _cross(
    factory: Callable[[float, float], Machine], frequency: float, strengths: FloatArray, tolerance: float
) -> dict[str, Any]:
    """Scan over strengths and its first crossing of |μ| = 1 from below, refined."""
    scan = np.array([log_max_multiplier(factory(float(d), float(frequency))) for d in strengths])
    result = {"max_multiplier": np.exp(scan), "outcome": CROSSED}
    result |= dict.fromkeys(("critical_strength", "critical_strength_error", "critical_angle"), np.nan)
    unstable = np.flatnonzero(scan >= 0)
    if not len(unstable) or unstable[0] == 0:
        return result | {"outcome": UNSTABLE if len(unstable) else STABLE}
    low, high = (float(np.log(strengths[unstable[0] - shift])) for shift in (1, 0))
    accuracy = REFINED * float(np.abs(scan[unstable[0] - 1 : unstable[0] + 1]).max())

    def refined(x: float) -> float:
        return log_max_multiplier(factory(float(np.exp(x)), float(frequency)), accuracy, 0.0)

    root = brentq(refined, low, high, xtol=tolerance / 10)
    strength = float(np.exp(root))
    slope = (scan[unstable[0]] - scan[unstable[0] - 1]) / (high - low)
    return result | {
        "critical_strength": strength,
        "critical_strength_error": strength * (tolerance / 10 + accuracy / slope),
        "critical_angle": _largest_multiplier(factory(strength, float(frequency)), accuracy, 0.0)[1],
    }


def _mode_variables(modes: Modes, period: float) -> dict[str, FloatArray]:
    """Arrays of `schema.MODES`."""
    multipliers = np.exp(modes.log_multipliers)
    decay = -modes.log_multipliers.real / period
    phase = -np.angle(modes.amplitudes)
    return {
        "multiplier_real": multipliers.real,
        "multiplier_imag": multipliers.imag,
        "modulus": np.exp(modes.log_multipliers.real),
        "decay_rate": decay,
        "decay_rate_error": modes.errors / period,
        "frequency": modes.frequencies,
        "relaxation_time": _time(decay),
        "shape_amplitude": np.abs(modes.amplitudes),
        "shape_phase": np.where(phase <= -np.pi + 1e-9, phase + 2 * np.pi, phase) + 0.0,
    }


def _time(decay: FloatArray) -> FloatArray:
    """1/decay, NaN without decay."""
    return np.divide(1.0, decay, out=np.full(decay.shape, np.nan), where=decay > 0)


def _along(sequence: Sequence[Modes], machines: Sequence[Machine]) -> dict[str, FloatArray]:
    """Arrays of `schema.MODES` and `schema.MACHINE_STABILITY`, parameter first."""
    columns = [_mode_variables(m, machine.period) for m, machine in zip(sequence, machines, strict=True)]
    variables = {key: np.stack([column[key] for column in columns]) for key in columns[0]}
    variables["max_multiplier"] = variables["modulus"].max(axis=1)
    variables["longest_relaxation_time"] = _time(variables["decay_rate"].min(axis=1))
    return variables


def _mode_coordinates(modes: Modes, machine: Machine) -> dict[str, xr.Variable]:
    number = xr.Variable("mode", np.arange(len(modes.frequencies)), {"units": "1", "long_name": "mode"})
    return {"mode": number, "oscillator": schema.machine_coordinates(machine)["oscillator"]}


def _followed(sequence: Sequence[Modes], machines: Sequence[Machine]) -> list[Modes]:
    """The same modes, each set in the order that continues the one before."""
    followed, exponents = [sequence[0]], [_exponents(sequence[0], machines[0])]
    for index, (modes, machine) in enumerate(zip(sequence[1:], machines[1:], strict=True), 1):
        if machine.oscillators != machines[0].oscillators or len(modes.errors) != len(sequence[0].errors):
            raise InputError(
                f"Machine {index} has other oscillators or another number of modes than the first; "
                "keep the kind of every reservoir along the parameter."
            )
        expected, now = _continued(exponents)[:, None], _exponents(modes, machine)
        distance = np.abs(now - expected) / (np.abs(now) + np.abs(expected) + np.finfo(float).tiny)
        unlike = 1 - np.abs(_unit(followed[-1]).conj() @ _unit(modes).T)
        order = linear_sum_assignment(distance + unlike)[1]
        parts = (modes.log_multipliers, modes.errors, modes.frequencies, modes.amplitudes)
        followed.append(Modes(*(part[order] for part in parts)))
        exponents.append(now[order])
    return followed


def _exponents(modes: Modes, machine: Machine) -> ComplexArray:
    """s, imaginary part on the branch of the frequency."""
    return modes.log_multipliers.real / machine.period - 1j * modes.frequencies


def _continued(exponents: Sequence[ComplexArray]) -> ComplexArray:
    """The next of a geometric progression, where the last step was small."""
    if len(exponents) == 1:
        return exponents[0]
    before, last = exponents[-2:]
    is_smooth = np.abs(last - before) < 0.5 * np.abs(before)
    return np.where(is_smooth, last * (last / np.where(is_smooth, before, 1.0)), last)


def _unit(modes: Modes) -> ComplexArray:
    """Amplitudes of norm 1, zero where a mode has none; (mode, oscillator)."""
    amplitudes = np.nan_to_num(modes.amplitudes)
    return amplitudes / np.maximum(np.linalg.norm(amplitudes, axis=1, keepdims=True), 1e-300)


def _dataset(
    table: Mapping[str, schema.Variable],
    variables: Mapping[str, Any],
    coordinates: Mapping[str, xr.Variable],
    attrs: Mapping[str, object],
) -> xr.Dataset:
    """Dataset with dims, units and names of a table of the schema."""
    arrays = {
        key: xr.Variable(
            table[key].dims, values, {"units": table[key].units, "long_name": table[key].long_name}
        )
        for key, values in variables.items()
    }
    conventions = {"Conventions": "CF-1.11", "schema_version": schema.SCHEMA_VERSION}
    return xr.Dataset(arrays, coords=coordinates, attrs=conventions | dict(attrs))
