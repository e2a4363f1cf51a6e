"""Sampled against exact over a grid of couplings, temperatures and drive frequencies, as a table.

    python tests/agreement/grid.py [FILE]

writes docs/agreement.md (or FILE): about ten minutes on two cores. The machine is the work converter with
oscillators at 1 and 0.6, drives cos Ωt and cos(Ωt + π/2) through a Drude reservoir, gamma = 1e-3 and
cut-off 12, and a strictly Ohmic static reservoir, both at one temperature, joint wiring.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from langevin_qtm.errors import AccuracyWarning
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.exact.second_order import second_order
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz, Ohmic, Reservoir
from langevin_qtm.sampling.preparation import prepare
from langevin_qtm.sampling.settings import Recording, SimulateSettings
from langevin_qtm.sampling.simulate import simulate

STATIC_GAMMAS = (0.01, 1.0, 100.0)
TEMPERATURES = (0.01, 0.1, 1.0)
DRIVE_FREQUENCIES = (0.3, 3.0, 200.0)
POINTS = tuple(product(STATIC_GAMMAS, TEMPERATURES, DRIVE_FREQUENCIES))

SETTINGS = SimulateSettings(trajectories=256, periods=1000, seed=2024, recording=Recording(trajectories=0))
JUDGED = (
    "local_power",
    "heat_current",
    "balance_residual",
    "position_covariance",
    "position_velocity_covariance",
    "pearson",
    "fluctuation_cnumber",
    "power_fluctuation_cnumber",
)


@dataclass(frozen=True)
class Row:
    """One machine: how far the numbers are from the exact ones.

    Attributes
    ----------
    numbers : int
        Sampled numbers that were judged.
    worst : float
        Largest |sampled - exact| in standard errors.
    error : float
        Largest standard error of a local power, relative to the largest local power.
    power_bias, covariance_bias : float
        Deviation of the law of the steps, without sampling, relative to the largest power or covariance.
    second_order : float
        Deviation of second-order local powers, relative to the largest.
    """

    numbers: int
    worst: float
    error: float
    power_bias: float
    covariance_bias: float
    second_order: float


def grid_machine(static_gamma: float, temperature: float, drive_frequency: float) -> Machine:
    """Machine of one point of the grid."""
    coupling = {"A": Drive.cosine(), "B": Drive.cosine(phase=np.pi / 2)}
    driven, static = DrudeLorentz(gamma=1e-3, cutoff=12.0), Ohmic(gamma=static_gamma)
    return Machine(
        frequencies={"A": 1.0, "B": 0.6},
        drive_frequency=drive_frequency,
        reservoirs=(
            Reservoir(name="driven", temperature=temperature, spectral_density=driven, coupling=coupling),
            Reservoir(name="static", temperature=temperature, spectral_density=static),
        ),
    )


def compare(machine: Machine, settings: SimulateSettings = SETTINGS) -> Row:
    """Sample a machine and hold it against its exact steady state."""
    exact = periodic_steady_state(machine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AccuracyWarning)  # one run in a thousand seems to drift by chance
        run = simulate(machine, settings)
    law = prepare(machine, settings).plan.law
    scores = []
    for name in JUDGED:
        value, error = run[name].values, run[f"{name}_se"].values
        bound = exact[f"{name}_error"].values if f"{name}_error" in exact else 0.0
        z = (value - exact[name].values) / np.hypot(error, bound)
        scores.append(z[np.triu_indices(len(z))] if name == "position_covariance" else z.ravel())
    z = np.concatenate(scores)
    z = z[np.isfinite(z)]  # D needs four windows
    power, largest = exact.local_power.values, np.abs(exact.local_power.values).max()
    return Row(
        numbers=len(z),
        worst=float(np.abs(z).max()),
        error=float(run.local_power_se.max() / largest),
        power_bias=float(np.abs(law.steady_power - power).max() / largest),
        covariance_bias=_relative(law.steady_covariance, exact.position_covariance.values),
        second_order=_relative(second_order(machine).local_power.values, power),
    )


def _relative(values: np.ndarray, reference: np.ndarray) -> float:
    return float(np.abs(values - reference).max() / np.abs(reference).max())


HEADER = """# Agreement with the exact steady state over a grid

Written by `python tests/agreement/grid.py`; do not edit. The machine is the isothermal work converter:
oscillators at 1 and 0.6, joint wiring, a Drude reservoir (γ_1 = 1e-3, w_c = 12) driven by cos Ωt and
cos(Ωt + π/2), and a strictly Ohmic static reservoir γ_2. Each machine is sampled with {trajectories}
trajectories over {periods} drive periods (default settings, seed {seed}) after a start in equilibrium with
the static reservoir and the default run-in.

- **worst |z|**: largest deviation of the sampled from the exact numbers in standard errors, over local
  powers, heat currents, first-law residual, covariances of positions and of positions with velocities,
  Pearson coefficient, and D where the run is long enough to have it. The largest of all {numbers} numbers
  is {worst:.2f}; for correct standard errors it exceeds {limit:.2f} in one of twenty tables.
- **error**: largest standard error of a local power, relative to the largest power. At Ω = 200 it is large
  where a run of {periods} periods is shorter than the memory of the machine.
- **law P**, **law ⟨xx⟩**: bias of the law of the steps, without any sampling, relative to the largest.
- **2nd order P**: deviation of the second-order powers, for scale: where it is large, second order in γ_1
  does not hold, and the agreement is with the exact numbers alone.

| γ_2 | T | Ω | numbers | worst \\|z\\| | error | law P | law ⟨xx⟩ | 2nd order P |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def table(rows: list[Row]) -> str:
    """Markdown of all points of the grid."""
    from scipy.stats import t

    numbers = sum(row.numbers for row in rows)
    text = HEADER.format(
        trajectories=SETTINGS.trajectories,
        periods=SETTINGS.periods,
        seed=SETTINGS.seed,
        numbers=numbers,
        worst=max(row.worst for row in rows),
        limit=t.isf(0.05 / (2 * numbers), SETTINGS.trajectories - 1),
    )
    for (gamma, temperature, frequency), row in zip(POINTS, rows, strict=True):
        biases = (row.power_bias, row.covariance_bias, row.second_order)
        text += f"| {gamma:g} | {temperature:g} | {frequency:g} | {row.numbers} | {row.worst:.2f} "
        text += f"| {row.error:.1e} | " + " | ".join(f"{bias:.0e}" for bias in biases) + " |\n"
    return text


def main() -> None:
    """Write the table."""
    default = Path(__file__).resolve().parents[2] / "docs" / "agreement.md"
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    rows = []
    for point in POINTS:
        rows.append(compare(grid_machine(*point)))
        print("gamma {:g}, T {:g}, Omega {:g}:".format(*point), rows[-1], flush=True)
    target.write_text(table(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
