"""Burst of drive cycles on a machine in equilibrium at one temperature, sampled on exact curves.

    python analysis/fig_burst.py burst.nc [-o analysis/figures]

Dataset: `langevin-qtm run runs/burst.toml -o burst.nc`. Writes `fig_burst.pdf` and `.png`.

What to see: (a) four cycles; (b) the covariances swing with twice the drive frequency and return to
equilibrium; (c) powers have both signs, (d) heat flows into both reservoirs; (e) what remains is work turned
into heat; (f) all points scatter about the exact curves by their standard errors.
"""

from __future__ import annotations

from collections.abc import Sequence

import transients
import xarray as xr
from matplotlib.figure import Figure

from langevin_qtm.data.files import stored_machine

NAME = "fig_burst"
SHOWN = ("position_covariance", "local_power", "heat_current")


def main(argv: Sequence[str] | None = None) -> None:
    """Read the dataset, draw, write PDF and PNG."""
    transients.make_figure(argv, NAME, "Figure of a burst from equilibrium.", draw)


def draw(dataset: xr.Dataset, exact: xr.Dataset) -> Figure:
    """Couplings, covariances, powers, heat currents, energies, deviations."""
    machine = stored_machine(dataset)
    figure, (coupling, covariance, power, heat, energy), deviation = transients.panels()
    transients.draw_couplings(coupling, machine, exact["time"].values)
    coupling.set_ylabel("coupling to the driven reservoir")
    coupling.legend(loc="upper right")
    transients.draw_on_exact(covariance, dataset, exact, "position_covariance", r"$\sigma_{{{}}}$")
    for label, curve in transients.series(exact, "position_covariance"):
        covariance.axhline(float(curve[0]), color=transients.COLORS[label], ls="--", lw=0.8)
    covariance.set_ylabel(rf"covariance of positions {transients.SQUARE}")
    transients.make_room(covariance, above=0.2)
    transients.add_exact_to_legend(covariance, loc="upper right", ncols=4)
    transients.draw_on_exact(power, dataset, exact, "local_power", "$P_{{{}}}$")
    power.set_ylabel(f"local power {transients.POWER}")
    power.legend(loc="upper right")
    transients.draw_on_exact(heat, transients.after_start(dataset), exact, "heat_current", "{}")
    heat.set_ylabel(f"heat current {transients.POWER}")
    heat.legend(loc="lower right")
    transients.draw_energies(energy, exact)
    transients.draw_deviations(deviation, dataset, exact, SHOWN)
    return figure


if __name__ == "__main__":
    main()
