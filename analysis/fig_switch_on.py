"""Switching on the drive: from equilibrium into the periodic steady state, sampled on exact curves.

    python analysis/fig_switch_on.py switch_on.nc [-o analysis/figures]

Dataset: `langevin-qtm run runs/switch_on.toml -o switch_on.nc`. Writes `fig_switch_on.pdf` and `.png`.

What to see: (a) the couplings rise smoothly; (b) the hot driven reservoir feeds the antiphase mode, and the
oscillators lock; (c) powers follow the envelope, (d) the heat current of the hot reservoir changes sign once
the mode is hot; (e) the first law; (f) all points scatter about the exact curves by their standard errors.
"""

from __future__ import annotations

from collections.abc import Sequence

import transients
import xarray as xr
from matplotlib.figure import Figure

from langevin_qtm import periodic_steady_state
from langevin_qtm.data.files import stored_machine

NAME = "fig_switch_on"
SHOWN = ("pearson", "local_power", "heat_current")


def main(argv: Sequence[str] | None = None) -> None:
    """Read the dataset, draw, write PDF and PNG."""
    transients.make_figure(argv, NAME, "Figure of switching on the drive.", draw)


def draw(dataset: xr.Dataset, exact: xr.Dataset) -> Figure:
    """Couplings, locking, powers, heat currents, energies, deviations."""
    machine = stored_machine(dataset)
    steady = periodic_steady_state(machine.after())
    figure, (coupling, locking, power, heat, energy), deviation = transients.panels()
    transients.draw_couplings(coupling, machine, exact["time"].values)
    coupling.set_ylabel("coupling to the driven reservoir")
    transients.make_room(coupling, above=0.2)
    coupling.legend(loc="upper left", ncols=2)
    transients.draw_on_exact(locking, dataset, exact, "pearson", "sampled")
    span = steady["pearson_phase"]
    locking.axhspan(float(span.min()), float(span.max()), color="C4", alpha=0.45, lw=0, label="steady state")
    locking.set_ylabel("Pearson coefficient $C$")
    transients.add_exact_to_legend(locking, loc="upper right")
    transients.draw_on_exact(power, dataset, exact, "local_power", "$P_{{{}}}$")
    for name, level in transients.levels(steady["local_power"]).items():
        power.axhline(level, color=transients.COLORS[name], ls="--", lw=0.8)
    power.set_ylabel(f"local power {transients.POWER}")
    transients.make_room(power, above=0.2)
    transients.add_exact_to_legend(power, loc="upper left", ncols=3)
    transients.draw_on_exact(heat, transients.after_start(dataset), exact, "heat_current", "{}")
    for level, color in zip(steady["heat_current"].values, transients.RESERVOIR_COLORS, strict=True):
        heat.axhline(level, color=color, ls="--", lw=0.8)
    heat.set_ylabel(f"heat current {transients.POWER}")
    transients.make_room(heat, above=0.15)
    heat.legend(loc="upper right", ncols=2)
    transients.draw_energies(energy, exact)
    transients.draw_deviations(deviation, dataset, exact, SHOWN)
    return figure


if __name__ == "__main__":
    main()
