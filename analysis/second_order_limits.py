"""Exact against second-order powers of the work converter, over driven coupling γ_1 and drive frequency Ω.

    python analysis/second_order_limits.py [-o analysis/data/second_order_limits.nc] [--quick]

The machine is that of `runs/work_converter.toml` at static couplings γ_2 = 0.01, 1, 100. Cost: about half an
hour on one core; `--quick` takes a grid that is coarse in every direction, in less than a minute. The file
is saved after each drive frequency: started again, the script does what is missing. Drawn by
`fig_second_order_limits.py`.

Deviation: max_l |P_l - P_l⁽²⁾| / max_l |P_l⁽²⁾|. Second-order powers P⁽²⁾ are proportional to γ_1, and those
of A and B have no common zero: the deviation is finite where a single power crosses zero.

Theory (golden rule): a mode of the static machine, amplitudes v (|v| = 1), frequency w, amplitude damping Γ,
is reached by the driven reservoir through the sidebands w - nΩ, with

    J_eff = Σ_n |v* g_n|² J_1(w - nΩ),    S_eff = Σ_n |v* g_n|² J_1(w - nΩ) coth((w - nΩ)/2T),

next to J = 2Γw and S = 2Γw coth(w/2T) of the static one. `pumping_gamma` is the γ_1 at which the excess
noise S_eff - J_eff coth(w/2T) equals S, for the first mode where it does: from there on the mode is no longer
in the thermal state that second order takes for granted. For Ω > w the sideband w - Ω is negative: the drive
creates pairs of quanta, one in the mode and one in the reservoir. At γ_2 = 100 the mode is the antiphase one,
with Γ = (w_A² - w_B²)²/(16 w² γ_2).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import xarray as xr
from paths import DATA
from rich.progress import track

from langevin_qtm import (
    Drive,
    DrudeLorentz,
    Machine,
    NotConvergedError,
    Ohmic,
    Reservoir,
    UnstableMachineError,
    open_dataset,
    periodic_steady_state,
    second_order,
)
from langevin_qtm.data.files import save
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.schema import SCHEMA_VERSION

NAME = "second_order_limits"
FREQUENCIES = {"A": 1.0, "B": 0.6}
PHASES = {"A": 0.0, "B": np.pi / 2}
TEMPERATURE, CUTOFF = 0.1, 12.0
STATIC_GAMMAS = (0.01, 1.0, 100.0)
TOLERANCE = 1e-6  # of the exact powers, relative to the largest power or heat current
SECOND_ORDER_TOLERANCE = 1e-9

TO_DO, DONE, UNSTABLE, NOT_CONVERGED = range(4)
GRID = ("static_gamma", "driven_gamma", "drive_frequency")


def main(argv: Sequence[str] | None = None) -> None:
    """Compute what is missing, save after each drive frequency."""
    parser = argparse.ArgumentParser(description="Exact and second-order powers of the work converter.")
    parser.add_argument("-o", "--output", type=Path, help="netCDF file, by default in analysis/data")
    parser.add_argument("--quick", action="store_true", help="coarse grids, less than a minute")
    arguments = parser.parse_args(argv)
    path = arguments.output or DATA / (f"{NAME}_quick.nc" if arguments.quick else f"{NAME}.nc")
    path.parent.mkdir(parents=True, exist_ok=True)
    driven_gammas, drive_frequencies, refinement = grids(arguments.quick)
    table = resumed(path, empty_table(STATIC_GAMMAS, driven_gammas, drive_frequencies))
    rows = list(product(STATIC_GAMMAS, drive_frequencies))
    for static_gamma, drive_frequency in track(rows, description="periodic steady states"):
        if fill(table, static_gamma, drive_frequency):
            save(table, path)
    save(xr.merge([with_deviation(table), theory(table), stability(table, refinement)]), path)


def grids(quick: bool = False) -> tuple[np.ndarray, np.ndarray, int]:
    """Driven couplings, drive frequencies, and by how much the map of stability is finer."""
    if quick:
        return np.geomspace(1e-5, 1.0, 6), np.array([0.3, 3.0, 30.0, 200.0]), 2
    lower = 0.03 * 10 ** (np.arange(23) / 6)  # holds 0.3, 3 and 30
    return np.geomspace(1e-5, 1.0, 26), np.append(lower, 200.0), 4


def converter(static_gamma: float, driven_gamma: float, drive_frequency: float) -> Machine:
    """The work converter at other couplings and drive frequencies."""
    coupling = {name: Drive.cosine(phase=phase) for name, phase in PHASES.items()}
    densities = DrudeLorentz(gamma=driven_gamma, cutoff=CUTOFF), Ohmic(gamma=static_gamma)
    driven, static = (
        Reservoir(name=name, temperature=TEMPERATURE, spectral_density=density, coupling=coupling_of)
        for name, density, coupling_of in zip(("driven", "static"), densities, (coupling, None), strict=True)
    )
    return Machine(frequencies=FREQUENCIES, reservoirs=(driven, static), drive_frequency=drive_frequency)


def empty_table(
    static_gammas: Sequence[float], driven_gammas: np.ndarray, drive_frequencies: np.ndarray
) -> xr.Dataset:
    """Every point of the grid still to do."""
    sizes = (len(static_gammas), len(driven_gammas), len(drive_frequencies))
    powers = {
        "local_power": "exact local power P_l",
        "local_power_error": "error estimate of the exact local power",
        "second_order_power": "local power to second order in the driven coupling",
        "second_order_power_error": "error estimate of the second-order power",
    }
    variables = {
        name: ((*GRID, "oscillator"), np.full((*sizes, 2), np.nan), {"units": "omega_A^2", "long_name": text})
        for name, text in powers.items()
    }
    flags = {
        "long_name": "what became of the exact powers",
        "flag_values": np.array([TO_DO, DONE, UNSTABLE, NOT_CONVERGED], dtype=np.int8),
        "flag_meanings": "to_do done unstable not_converged",
    }
    variables["status"] = (GRID, np.full(sizes, TO_DO, dtype=np.int8), flags)
    coordinates = {
        "static_gamma": (
            "static_gamma",
            list(static_gammas),
            frequency("coupling γ_2 of the static reservoir"),
        ),
        "driven_gamma": ("driven_gamma", driven_gammas, frequency("coupling γ_1 of the driven reservoir")),
        "drive_frequency": ("drive_frequency", drive_frequencies, frequency("drive frequency Ω")),
        "oscillator": list(FREQUENCIES),
    }
    attrs = {"schema_version": SCHEMA_VERSION, "tolerance": TOLERANCE, "temperature": TEMPERATURE}
    return xr.Dataset(variables, coordinates, attrs | {"cutoff": CUTOFF, "title": "Where second order ends"})


def frequency(name: str) -> dict[str, str]:
    """Attributes of a variable that is a frequency."""
    return {"units": "omega_A", "long_name": name}


def resumed(path: Path, table: xr.Dataset) -> xr.Dataset:
    """What an earlier run left on the same grid, else the table as it is."""
    if not path.exists():
        return table
    earlier = open_dataset(path)
    same = all(earlier.get(name, table[name][:0]).equals(table[name]) for name in (*GRID, "oscillator"))
    same = same and all(earlier.attrs.get(key) == value for key, value in table.attrs.items())
    return earlier[list(table.data_vars)] if same else table


def fill(table: xr.Dataset, static_gamma: float, drive_frequency: float) -> bool:
    """Powers at every driven coupling, in place; whether there was something to do."""
    row = {"static_gamma": static_gamma, "drive_frequency": drive_frequency}
    if not (table["status"].loc[row] == TO_DO).any():
        return False
    for driven_gamma in table["driven_gamma"].values:
        point = row | {"driven_gamma": driven_gamma}
        machine = converter(static_gamma, driven_gamma, drive_frequency)
        status, exact = steady_state(machine, TOLERANCE)
        weak = second_order(machine, SECOND_ORDER_TOLERANCE)
        for end in ("", "_error"):
            table[f"second_order_power{end}"].loc[point] = weak[f"local_power{end}"].values
            if exact is not None:
                table[f"local_power{end}"].loc[point] = exact[f"local_power{end}"].values
        table["status"].loc[point] = status
    return True


def steady_state(machine: Machine, tolerance: float) -> tuple[int, xr.Dataset | None]:
    """Status and, where it exists and was found, the exact periodic steady state."""
    try:
        return DONE, periodic_steady_state(machine, tolerance=tolerance, phases=1)
    except UnstableMachineError:
        return UNSTABLE, None
    except NotConvergedError:
        return NOT_CONVERGED, None


def with_deviation(table: xr.Dataset) -> xr.Dataset:
    """The table with the deviation of second order, and the bound of its numerical error."""
    weak = np.abs(table["second_order_power"]).max("oscillator")
    deviation = np.abs(table["local_power"] - table["second_order_power"]).max("oscillator") / weak
    doubt = (table["local_power_error"] + table["second_order_power_error"]).max("oscillator") / weak
    text = "largest |exact - second order| of the local powers, over the largest second-order one"
    return table.assign(
        deviation=deviation.where(table["status"] == DONE).assign_attrs(units="1", long_name=text),
        deviation_error=doubt.where(table["status"] == DONE).assign_attrs(
            units="1", long_name="bound of the numerical error of the deviation"
        ),
    )


def theory(table: xr.Dataset, points: int = 400) -> xr.Dataset:
    """Golden-rule scale of γ_1, on the grid of the table and on a finer one."""
    grid = table["drive_frequency"].values
    fine = np.geomspace(grid[0], grid[-1], points)
    own, smooth = (
        np.array([[pumping_gamma(gamma, omega) for omega in axis] for gamma in table["static_gamma"].values])
        for axis in (grid, fine)
    )
    attrs = frequency(
        "γ_1 at which the driven reservoir puts as much excess noise on a mode as the static one"
    )
    return xr.Dataset(
        {
            "pumping_gamma": (("static_gamma", "drive_frequency"), own, attrs),
            "pumping_gamma_fine": (("static_gamma", "theory_frequency"), smooth, attrs),
        },
        {"theory_frequency": ("theory_frequency", fine, frequency("drive frequency Ω"))},
    )


def pumping_gamma(static_gamma: float, drive_frequency: float) -> float:
    """Smallest γ_1 at which a mode is pumped as much as it is damped; inf where none is."""
    driven = converter(static_gamma, 1.0, drive_frequency).contacts[0]
    harmonics = np.arange(-driven.order, driven.order + 1)
    scale = np.inf
    for w, damping, shape in static_modes(static_gamma):
        weight = np.abs(shape.conj() @ driven.coefficients(driven.order)) ** 2
        sideband = w - harmonics * drive_frequency
        thermal = 1 / np.tanh(w / (2 * TEMPERATURE))
        noise = weight @ driven.noise_power_spectrum(sideband)
        excess = noise - thermal * weight @ driven.spectral_density(sideband)
        if excess > 0:
            scale = min(scale, 2 * damping * w * thermal / excess)
    return scale


def static_modes(static_gamma: float) -> list[tuple[float, float, np.ndarray]]:
    """Frequency, amplitude damping and normalized shape of the modes that oscillate, undriven."""
    bodies = len(FREQUENCIES)
    stiffness = np.diag(np.array(list(FREQUENCIES.values())) ** 2)
    friction = static_gamma * np.ones((bodies, bodies))
    generator = np.block([[np.zeros((bodies, bodies)), np.eye(bodies)], [-stiffness, -friction]])
    rates, states = np.linalg.eig(generator)
    return [
        (rate.imag, -rate.real, state[:bodies] / np.linalg.norm(state[:bodies]))
        for rate, state in zip(rates, states.T, strict=True)
        if rate.imag > 0
    ]


def stability(table: xr.Dataset, refinement: int) -> xr.Dataset:
    """Growth rate of the slowest Floquet mode on a finer grid."""
    gammas, frequencies = (
        refined(table[name].values, refinement) for name in ("driven_gamma", "drive_frequency")
    )
    static_gammas = table["static_gamma"].values
    points = list(product(static_gammas, gammas, frequencies))
    rates = [growth_rate(converter(*point)) for point in track(points, description="stability")]
    shape = (len(static_gammas), len(gammas), len(frequencies))
    dims = ("static_gamma", "stability_gamma", "stability_frequency")
    attrs = frequency("growth rate of the slowest Floquet mode; unstable where positive")
    coordinates = {
        "stability_gamma": ("stability_gamma", gammas, frequency("coupling γ_1 of the driven reservoir")),
        "stability_frequency": ("stability_frequency", frequencies, frequency("drive frequency Ω")),
    }
    return xr.Dataset({"growth_rate": (dims, np.reshape(rates, shape), attrs)}, coordinates)


def refined(values: np.ndarray, refinement: int) -> np.ndarray:
    """The points of a logarithmic axis, and as many between two of them as asked for."""
    index = np.arange(refinement * (len(values) - 1) + 1) / refinement
    return np.exp(np.interp(index, np.arange(len(values)), np.log(values)))


def growth_rate(machine: Machine) -> float:
    """ln max|μ| / 𝒯; NaN where the multipliers do not converge."""
    try:
        return float(np.log(Embedding(machine).max_multiplier)) / machine.period
    except NotConvergedError:
        return np.nan


if __name__ == "__main__":
    main()
