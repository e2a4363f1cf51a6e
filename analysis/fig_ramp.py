"""Chirp of the drive through the antiphase mode, sampled on exact curves, and the steady state on the way.

    python analysis/fig_ramp.py ramp.nc [-o analysis/figures]

Dataset: `langevin-qtm run runs/ramp.toml -o ramp.nc`. Writes `fig_ramp.pdf` and `.png`.

What to see: (a) the drive frequency crosses that of the antiphase mode; (b) locking deepens from there on,
and lags behind the steady state of the momentary frequency (diamonds); (c) so do the powers, averaged over a
period: the converter (P_A < 0) turns into an absorber; (d) nearly all of it heats the driven reservoir;
(e) the first law; (f) all points scatter about the exact curves by their standard errors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import transients
import xarray as xr
from matplotlib.figure import Figure

from langevin_qtm import Machine, periodic_steady_state
from langevin_qtm.data.files import stored_machine

NAME = "fig_ramp"
SHOWN = ("pearson", "local_power", "heat_current")
STEADY_POINTS = 11


def main(argv: Sequence[str] | None = None) -> None:
    """Read the dataset, draw, write PDF and PNG."""
    transients.make_figure(argv, NAME, "Figure of a chirp through the antiphase mode.", draw)


def draw(dataset: xr.Dataset, exact: xr.Dataset) -> Figure:
    """Drive frequency, locking, powers, heat currents, energies, deviations."""
    machine, time = stored_machine(dataset), exact["time"].values
    steady = steady_states(machine, np.linspace(time[0], time[-1], STEADY_POINTS))
    diamonds = {"ls": "", "marker": "D", "ms": 3.5, "mec": "k", "mew": 0.6, "zorder": 4}
    figure, (frequency, locking, power, heat, energy), deviation = transients.panels()
    frequency.plot(time, machine.clock.rate(time), "k", label=r"drive $\Omega(t)$")
    antiphase = float(np.sqrt(np.mean(machine.omega**2)))
    frequency.axhline(antiphase, color="C4", ls="--", lw=0.9, label="antiphase mode")
    frequency.set_ylabel(r"frequency $[\omega_A]$")
    frequency.legend(loc="upper left")
    transients.draw_on_exact(locking, dataset, exact, "pearson", "sampled")
    label = r"steady state of $\Omega(t)$"
    locking.plot(steady["time"], steady["pearson"], mfc="C4", label=label, **diamonds)
    locking.set_ylabel("Pearson coefficient $C$")
    transients.add_exact_to_legend(locking, loc="lower left")
    transients.draw_on_exact(power, dataset, exact, "local_power", "$P_{{{}}}$", alpha=0.35)
    for name, work in transients.series(exact, "work"):
        power.plot(*period_average(machine, work), color=transients.COLORS[name], lw=2.0, zorder=3.5)
    for name, values in transients.series(steady, "local_power"):
        power.plot(steady["time"], values, mfc=transients.COLORS[name], **diamonds)
    power.set_ylabel(f"local power {transients.POWER}")
    transients.add_exact_to_legend(power, loc="upper left")
    later = transients.after_start(dataset)
    transients.draw_on_exact(heat, later, exact, "heat_current", "{}", 0.5, ["driven"])
    heat.set_ylabel(f"heat current {transients.POWER}")
    transients.add_exact_to_legend(heat, loc="lower left")
    transients.draw_energies(energy, exact)
    transients.draw_deviations(deviation, dataset, exact, SHOWN)
    return figure


def steady_states(machine: Machine, times: np.ndarray) -> xr.Dataset:
    """Period averages of the periodic steady state at the drive frequency of each time."""
    fixed = {name: getattr(machine, name) for name in Machine.model_fields if name != "chirp"}
    frequencies, back = np.unique(machine.clock.rate(times).round(12), return_inverse=True)
    found = [
        periodic_steady_state(Machine(**{**fixed, "drive_frequency": float(frequency)}))
        for frequency in frequencies
    ]
    names = ["pearson", "local_power"]
    return xr.concat([found[place][names] for place in back], xr.Variable("time", times))


def period_average(machine: Machine, work: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Times and mean power over one turn of the drive angle around each."""
    time = work["time"].values
    half = np.pi / machine.clock.rate(time)
    inside = (time - half >= time[0]) & (time + half <= time[-1])
    before, after = (np.interp(time + side * half, time, work.values) for side in (-1, 1))
    return time[inside], ((after - before) / (2 * half))[inside]


if __name__ == "__main__":
    main()
