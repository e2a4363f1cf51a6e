"""Exact output power of a heat engine with a structured driven reservoir, against its strength d.

    python analysis/engine_saturation.py [-o analysis/data/engine_saturation.nc] [--quick]

Two oscillators, w_B = 0.6; a hot reservoir (Lorentzian, width γ_1 = 0.05, T_1 = 1) coupled with cos Ωt at A
and cos(Ωt + π) at B, the phase that reaches the antiphase mode; a cold one (Ohmic, T_2 = 0.1), static. For
each γ_2:

1. `tuned`: Ω and w_1 that maximise the second-order power, which is proportional to d, by the simplex method
   from the best points of a grid and from the modes of the static machine;
2. exact power and efficiency at that Ω and w_1 against d;
3. `optimum`: the d of largest exact power at that Ω and w_1, bounded search in ln d;
4. `free`: largest exact power over d, Ω and w_1 together: a local maximum, by the simplex method from the
   best of step 3 and of a few points with large P_sat.

Theory: the line w_1 of the reservoir (energy damping γ_1) and a mode w of the static machine (2Γ) exchange
quanta at Ω = w_1 - w. In the rotating-wave approximation their rates are in series, and the power is at most

    P_sat = Ω (n_1(w_1) - n_2(w)) γ_1 2Γ / (γ_1 + 2Γ),    1/P = 1/P⁽²⁾ + 1/P_sat.

Cost: some ten minutes on one core; `--quick` takes three γ_2 and coarse d, in less than a minute, without
step 4. Drawn by `fig_engine_saturation.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import xarray as xr
from paths import DATA
from rich.progress import track
from scipy.optimize import minimize, minimize_scalar
from second_order_limits import (
    DONE,
    FREQUENCIES,
    NOT_CONVERGED,
    UNSTABLE,
    frequency,
    static_modes,
    steady_state,
)

from langevin_qtm import Drive, Lorentzian, Machine, Ohmic, Reservoir, second_order
from langevin_qtm.data.files import save
from langevin_qtm.schema import SCHEMA_VERSION

NAME = "engine_saturation"
PHASE = np.pi
HOT, COLD = 1.0, 0.1
LINE_WIDTH = 0.05
STATIC_RANGE = (0.01, 100.0)
TOLERANCE = 1e-6  # of exact powers, relative to the largest power or heat current
LOOSE = 1e-4  # while searching over three parameters
BOUNDS = {"drive_frequency": (0.05, 3.0), "line_frequency": (0.3, 4.0), "strength": (1e-6, 3.0)}
POWER, NO_UNIT = "omega_A^2", "1"


def main(argv: Sequence[str] | None = None) -> None:
    """Tune, follow, optimise; one file for all static couplings."""
    parser = argparse.ArgumentParser(description="Output power of an engine against the strength d.")
    parser.add_argument("-o", "--output", type=Path, help="netCDF file, by default in analysis/data")
    parser.add_argument("--quick", action="store_true", help="coarse, less than a minute, no free optimum")
    arguments = parser.parse_args(argv)
    path = arguments.output or DATA / (f"{NAME}_quick.nc" if arguments.quick else f"{NAME}.nc")
    path.parent.mkdir(parents=True, exist_ok=True)
    static_gammas, strengths = grids(arguments.quick)
    parts = []
    for static_gamma in track(static_gammas, description="engines"):
        parts.append(study(float(static_gamma), strengths, free=not arguments.quick))
        save(assemble(parts), path)


def grids(quick: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Static couplings and strengths."""
    if quick:
        return np.geomspace(*STATIC_RANGE, 3), np.geomspace(1e-4, 0.1, 7)
    return np.geomspace(*STATIC_RANGE, 9), np.geomspace(1e-5, 1.0, 31)


def engine(static_gamma: float, drive_frequency: float, line_frequency: float, strength: float) -> Machine:
    """The engine."""
    coupling = {
        name: Drive.cosine(phase=phase) for name, phase in zip(FREQUENCIES, (0.0, PHASE), strict=True)
    }
    line = Lorentzian(strength=strength, frequency=line_frequency, gamma=LINE_WIDTH)
    hot = Reservoir(name="hot", temperature=HOT, spectral_density=line, coupling=coupling)
    cold = Reservoir(name="cold", temperature=COLD, spectral_density=Ohmic(gamma=static_gamma))
    return Machine(frequencies=FREQUENCIES, reservoirs=(hot, cold), drive_frequency=drive_frequency)


def study(static_gamma: float, strengths: np.ndarray, free: bool = True) -> xr.Dataset:
    """Everything at one static coupling; without the free optimum the tuning is coarse, too."""
    at = tuned(static_gamma, points=12 if free else 1)
    slope = second_order_slope(static_gamma, *at)
    curve = follow(static_gamma, at, strengths)
    best, refined = refine(static_gamma, at, curve)
    limit = bottleneck(static_gamma, *at)
    weak = ("strength", slope * strengths, described("second-order output power"))
    series = ("strength", 1 / (1 / weak[1] + 1 / limit), described("rates in series: 1/P = 1/P2 + 1/P_sat"))
    variables = {
        "second_order_power": weak,
        "series_power": series,
        "tuned_drive_frequency": ((), at[0], frequency("drive frequency Ω of largest second-order power")),
        "tuned_line_frequency": ((), at[1], frequency("line frequency w_1 of largest second-order power")),
        "second_order_slope": ((), slope, {"units": "omega_A^-2", "long_name": "second-order power over d"}),
        "bottleneck": ((), limit, described("P_sat at the tuned Ω and w_1")),
        **point_variables("optimum", best, refined),
    }
    if free:
        variables |= point_variables("free", *free_optimum(static_gamma, (best, *at)))
    return xr.merge([curve, xr.Dataset(variables)]).expand_dims(static_gamma=[static_gamma])


def assemble(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """One dataset over all static couplings."""
    table = xr.concat(parts, "static_gamma", data_vars="all")
    table["static_gamma"].attrs = frequency("coupling γ_2 of the cold reservoir")
    parameters = {"phase": PHASE, "hot": HOT, "cold": COLD, "line_width": LINE_WIDTH}
    title = {"title": "Engine with a structured driven reservoir: saturation"}
    return table.assign_attrs(schema_version=SCHEMA_VERSION, tolerance=TOLERANCE, **parameters, **title)


def second_order_slope(static_gamma: float, drive_frequency: float, line_frequency: float) -> float:
    """Second-order output power over d."""
    machine = engine(static_gamma, drive_frequency, line_frequency, 1.0)
    return -float(second_order(machine, tolerance=TOLERANCE)["power"])


def tuned(static_gamma: float, points: int = 12) -> tuple[float, float]:
    """Ω and w_1 of the largest second-order output power."""

    def loss(x: np.ndarray) -> float:
        return -second_order_slope(static_gamma, *np.exp(x))

    bounds = np.log([BOUNDS["drive_frequency"], BOUNDS["line_frequency"]])
    grid = [np.array(x) for x in product(np.linspace(*bounds[0], points), np.linspace(*bounds[1], points))]
    starts = sorted(grid, key=loss)[: points // 6]
    starts += [np.log([0.5, 0.5 + w]) for w, _, _ in static_modes(static_gamma)]
    found = [simplex(loss, start, bounds, 1e-4) for start in starts]
    drive_frequency, line_frequency = np.exp(min(found, key=lambda result: result[1])[0])
    return float(drive_frequency), float(line_frequency)


def simplex(
    loss: Callable[[np.ndarray], float], start: np.ndarray, bounds: np.ndarray, accuracy: float
) -> tuple[np.ndarray, float]:
    """Local minimum by the simplex method, and the loss there; `accuracy` of the arguments."""
    inside = np.clip(start, bounds[:, 0], bounds[:, 1])
    vertices = inside + 0.1 * np.vstack([np.zeros(len(start)), np.eye(len(start))])
    options = {"xatol": accuracy, "fatol": 1e-9, "maxfev": 150, "initial_simplex": vertices}
    result = minimize(loss, inside, method="Nelder-Mead", bounds=bounds, options=options)
    return result.x, float(result.fun)


def output(machine: Machine, tolerance: float = TOLERANCE) -> dict[str, float]:
    """Exact output power with error bound, efficiency, and what became of it."""
    status, exact = steady_state(machine, tolerance)
    if exact is None:
        return {"power": np.nan, "error": np.nan, "efficiency": np.nan, "status": status}
    return {
        "power": -float(exact["power"]),
        "error": float(exact["local_power_error"].sum()),
        "efficiency": float(exact["efficiency"]),
        "status": status,
    }


def follow(static_gamma: float, at: tuple[float, float], strengths: np.ndarray) -> xr.Dataset:
    """Exact output against d."""
    points = [output(engine(static_gamma, *at, strength)) for strength in strengths]
    flags = {"flag_values": np.array([DONE, UNSTABLE, NOT_CONVERGED], dtype=np.int8)}
    attrs = {
        "power": described("exact output power -P"),
        "error": described("error bound of the output power"),
        "efficiency": {"units": NO_UNIT, "long_name": "efficiency; NaN where the machine is no engine"},
        "status": {"long_name": "fate of the exact state", "flag_meanings": "done unstable not_converged"}
        | flags,
    }
    variables = {name: ("strength", [point[name] for point in points], attrs[name]) for name in attrs}
    variables["status"] = ("strength", np.array(variables["status"][1], dtype=np.int8), attrs["status"])
    coordinate = (
        "strength",
        strengths,
        {"units": "omega_A^4", "long_name": "strength d of the hot reservoir"},
    )
    return xr.Dataset(variables, {"strength": coordinate})


def refine(static_gamma: float, at: tuple[float, float], curve: xr.Dataset) -> tuple[float, dict[str, float]]:
    """Strength of largest output power between the neighbours of the best point, and the output there."""
    best = int(np.nanargmax(curve["power"].values))
    around = np.log(curve["strength"].values[[max(best - 1, 0), min(best + 1, curve.sizes["strength"] - 1)]])
    result = minimize_scalar(
        lambda x: search_loss(engine(static_gamma, *at, float(np.exp(x))), TOLERANCE),
        bounds=tuple(around),
        method="bounded",
        options={"xatol": 1e-3},
    )
    strength = float(np.exp(result.x))
    return strength, output(engine(static_gamma, *at, strength))


def search_loss(machine: Machine, tolerance: float) -> float:
    """Minus the exact output power; a loss where there is none."""
    power = output(machine, tolerance)["power"]
    return -power if np.isfinite(power) else 1.0


def free_optimum(
    static_gamma: float, start: tuple[float, float, float]
) -> tuple[tuple[float, float, float], dict[str, float]]:
    """Largest exact output power over (d, Ω, w_1), and the output there."""
    bounds = np.log([BOUNDS["strength"], BOUNDS["drive_frequency"], BOUNDS["line_frequency"]])

    def loss(x: np.ndarray) -> float:
        strength, *at = np.exp(x)
        return search_loss(engine(static_gamma, *at, strength), LOOSE)

    wide = [widest(static_gamma, w) for w, _, _ in static_modes(static_gamma)]
    starts = [start] + [(start[0] * factor, *at) for at in wide for factor in (1.0, 3.0, 10.0)]
    first = min((np.log(point) for point in starts), key=loss)
    strength, drive_frequency, line_frequency = np.exp(simplex(loss, first, bounds, 3e-3)[0])
    best = (float(strength), float(drive_frequency), float(line_frequency))
    return best, output(engine(static_gamma, best[1], best[2], best[0]))


def widest(static_gamma: float, mode: float) -> tuple[float, float]:
    """Ω and w_1 = w + Ω of the largest P_sat of one mode."""
    drive = np.geomspace(*BOUNDS["drive_frequency"], 200)
    best = drive[np.argmax([bottleneck(static_gamma, x, mode + x) for x in drive])]
    return float(best), float(mode + best)


def bottleneck(static_gamma: float, drive_frequency: float, line_frequency: float) -> float:
    """P_sat for the mode that is closest to resonance."""
    modes = static_modes(static_gamma)
    w, damping, _ = min(modes, key=lambda mode: abs(line_frequency - drive_frequency - mode[0]))
    difference = 1 / np.expm1(line_frequency / HOT) - 1 / np.expm1(w / COLD)
    return drive_frequency * difference * LINE_WIDTH * 2 * damping / (LINE_WIDTH + 2 * damping)


def point_variables(prefix: str, at: float | tuple[float, ...], found: dict[str, float]) -> dict[str, tuple]:
    """Variables of one optimum."""
    strength, *rest = np.atleast_1d(at).tolist()
    strength_attrs = {"units": "omega_A^4", "long_name": f"strength d, {prefix}"}
    variables = {f"{prefix}_strength": ((), strength, strength_attrs)}
    for name, value in zip(("drive_frequency", "line_frequency"), rest, strict=False):
        variables[f"{prefix}_{name}"] = ((), value, frequency(f"{name.replace('_', ' ')}, {prefix}"))
    attrs = {"power": described(f"exact output power, {prefix}"), "error": described("error bound")}
    for name in ("power", "error", "efficiency"):
        variables[f"{prefix}_{name}"] = ((), found[name], attrs.get(name, {"units": NO_UNIT}))
    return variables


def described(text: str) -> dict[str, str]:
    """Attributes of a power."""
    return {"units": POWER, "long_name": text}


if __name__ == "__main__":
    main()
