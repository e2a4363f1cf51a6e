"""Quench of a common reservoir: two oscillators lock in antiphase, sampled on exact curves.

    python analysis/fig_quench.py quench.nc [-o analysis/figures]

Dataset: `langevin-qtm run runs/quench.toml -o quench.nc`. Writes `fig_quench.pdf` and `.png`.

What to see: (a) the coupling jumps; (b) correlations build up within a few 1/γ and fade with the antiphase
mode; (c) the mean positions, one of which was at rest, oscillate against each other; (d) both variances
relax in two steps; (e) the jump costs work, which the reservoir keeps; (f) all points scatter about the exact
curves by their standard errors.
"""

from __future__ import annotations

from collections.abc import Sequence

import transients
import xarray as xr
from matplotlib.figure import Figure

from langevin_qtm.data.files import stored_machine

NAME = "fig_quench"
SHOWN = ("pearson", "position_mean", "position_covariance")


def main(argv: Sequence[str] | None = None) -> None:
    """Read the dataset, draw, write PDF and PNG."""
    transients.make_figure(argv, NAME, "Figure of the quench of a common reservoir.", draw)


def draw(dataset: xr.Dataset, exact: xr.Dataset) -> Figure:
    """Couplings, locking, mean positions, covariances, energies, deviations."""
    figure, (coupling, locking, mean, covariance, energy), deviation = transients.panels()
    transients.draw_couplings(coupling, stored_machine(dataset), exact["time"].values)
    coupling.set_ylabel("coupling to the common reservoir")
    transients.make_room(coupling, above=0.1)
    coupling.legend(loc="lower right")
    transients.draw_on_exact(locking, dataset, exact, "pearson", "sampled")
    locking.set_ylabel("Pearson coefficient $C$")
    transients.add_exact_to_legend(locking, loc="upper right")
    transients.draw_on_exact(mean, dataset, exact, "position_mean", r"$\langle x_{{{}}}\rangle$")
    mean.set_ylabel(r"mean position $[\omega_A^{-1/2}]$")
    mean.legend(loc="upper right", ncols=2)
    transients.draw_on_exact(covariance, dataset, exact, "position_covariance", r"$\sigma_{{{}}}$")
    covariance.set_ylabel(rf"covariance of positions {transients.SQUARE}")
    covariance.legend(loc="upper right", ncols=3)
    transients.draw_energies(energy, exact)
    transients.draw_deviations(deviation, dataset, exact, SHOWN)
    return figure


if __name__ == "__main__":
    main()
