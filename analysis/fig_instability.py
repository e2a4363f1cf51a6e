"""Parametric instability: variances grow with the largest Floquet multiplier, sampled on exact curves.

    python analysis/fig_instability.py instability.nc [-o analysis/figures]

Dataset: `langevin-qtm run runs/instability.toml -o instability.nc`. Writes `fig_instability.pdf` and `.png`.

What to see: (a) variances grow without bound, along the line 2 ln|μ|/𝒯 of the largest multiplier μ; (b) the
rate from one period to the next settles on it; (c) the growing mode fixes the Pearson coefficient, which
becomes periodic; (d) powers and (e) energies grow alike; (f) points scatter about the exact curves by their
standard errors, which the growing mode makes one and the same deviation at all late times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import transients
import xarray as xr
from matplotlib.figure import Figure

from langevin_qtm import floquet_modes
from langevin_qtm.data.files import stored_machine

NAME = "fig_instability"
SHOWN = ("position_covariance", "pearson", "local_power")


def main(argv: Sequence[str] | None = None) -> None:
    """Read the dataset, draw, write PDF and PNG."""
    transients.make_figure(argv, NAME, "Figure of a parametric instability.", draw)


def draw(dataset: xr.Dataset, exact: xr.Dataset) -> Figure:
    """Variances, growth rates, locking, powers, energies, deviations."""
    machine = stored_machine(dataset)
    rate = multiplier_rate(dataset)
    figure, (variance, growth, locking, power, energy), deviation = transients.panels()
    pairs, symbol = [2 * name for name in machine.oscillators], r"$\sigma_{{{}}}$"
    transients.draw_on_exact(variance, dataset, exact, "position_covariance", symbol, labels=pairs)
    variance.set_yscale("log")
    time = exact["time"].values
    last = float(dict(transients.series(exact, "position_covariance"))[pairs[0]][-1])
    line = last * np.exp(rate * (time - time[-1]))
    variance.plot(time, line, "k--", lw=0.9, label=r"$|\mu|^{2t/\mathcal{T}}$")
    variance.set_ylabel(rf"covariance of positions {transients.SQUARE}")
    variance.legend(loc="upper left", ncols=2)
    middle, measured, error = period_rates(dataset, machine.period)
    growth.axhline(rate, color="k", ls="--", lw=0.9, label=rf"$2\ln|\mu|/\mathcal{{T}} = {rate:.4f}$")
    growth.plot(*period_rates(exact, machine.period)[:2], color="C0", lw=0.9)
    value, spread = growth_rate(dataset, machine.period)
    label = rf"sampled, last half: ${value:.4f} \pm {spread:.4f}$"
    growth.errorbar(middle, measured, error, fmt="o", color="C0", mfc="w", ms=2.5, label=label)
    growth.set_ylabel(r"growth rate of $\sigma_{AA} + \sigma_{BB}\ [\omega_A]$")
    growth.legend(loc="lower right")
    transients.draw_on_exact(locking, dataset, exact, "pearson", "sampled")
    locking.set_ylabel("Pearson coefficient $C$")
    transients.add_exact_to_legend(locking, loc="upper right")
    transients.draw_on_exact(power, dataset, exact, "local_power", "$P_{{{}}}$", alpha=0.5)
    power.set_yscale("symlog", linthresh=1.0)
    power.set_ylabel(f"local power {transients.POWER}")
    power.legend(loc="upper left")
    transients.draw_energies(energy, exact)
    energy.set_yscale("symlog", linthresh=10.0)
    transients.draw_deviations(deviation, dataset, exact, SHOWN)
    return figure


def multiplier_rate(dataset: xr.Dataset) -> float:
    """2 ln|μ|/𝒯 of the largest multiplier."""
    return -2 * float(floquet_modes(stored_machine(dataset))["decay_rate"].min())


def period_rates(dataset: xr.Dataset, period: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle of each period, rate at which the sum of variances grows over it, and a bound on its error.

    The errors of both ends are added as if independent; those of one run go together, so the truth is less.
    """
    times, logarithm, error = _sum_of_variances(dataset, period)
    rates, errors = np.diff(logarithm) / period, np.hypot(error[1:], error[:-1]) / period
    return (times[1:] + times[:-1]) / 2, rates, errors


def growth_rate(dataset: xr.Dataset, period: float) -> tuple[float, float]:
    """Growth rate over the last half of the periods, and a bound on its error."""
    times, logarithm, error = _sum_of_variances(dataset, period)
    middle = len(times) // 2
    lapse = times[-1] - times[middle]
    return (logarithm[-1] - logarithm[middle]) / lapse, float(np.hypot(error[-1], error[middle])) / lapse


def _sum_of_variances(dataset: xr.Dataset, period: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whole periods since the start, logarithm of the summed variances there, and its error."""
    time = dataset["time"].values
    whole = time[0] + period * np.arange(int((time[-1] - time[0]) / period + 1e-6) + 1)
    there = dataset.sel(time=whole, method="nearest")
    total = np.einsum("tii->t", there["position_covariance"].values)
    if "position_covariance_se" not in there:
        return whole, np.log(total), np.zeros_like(total)
    error = np.einsum("tii->t", there["position_covariance_se"].values)
    return whole, np.log(total), error / total


if __name__ == "__main__":
    main()
