"""Work statistics of the converter: distributions, cumulants against the number of periods, Jarzynski.

    python analysis/fig_work_statistics.py work_statistics.nc [-o analysis/figures]

Dataset: `langevin-qtm run runs/work_statistics.toml -o work_statistics.nc`. Exact cumulants are recomputed
for the machine that the dataset stores. Writes `fig_work_statistics.pdf` and `.png`.

What to see: (a, b) the work of one period through a coupling has tails on both sides that a Gaussian of the
exact mean and variance has not; after a hundred periods they agree; (c) the variance per time reaches D, and
nearly all of the c-number variance is cancelled by the commutator part; (d) Jarzynski's equality holds for
sampled work in the classical limit, and not for c-number work at low temperature.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from paths import FIGURES, STYLE
from saving import save

from langevin_qtm import (
    Burst,
    Drive,
    DrudeLorentz,
    Machine,
    Reservoir,
    open_dataset,
    periodic_steady_state,
    simulate,
)
from langevin_qtm.data.files import stored_machine
from langevin_qtm.sampling.settings import Recording
from langevin_qtm.transients.work_cumulants import work_cumulants
from langevin_qtm.work_statistics import jarzynski, work_statistics

NAME = "fig_work_statistics"
WIDTH, HEIGHT = 7.0, 5.3  # inches
SHOWN = (1, 10, 100)  # periods
CURVE = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100)
BINS = 61
TEMPERATURES = (0.8, 1.5, 3.0, 6.0, 12.0, 25.0, 50.0, 100.0)  # panel (d)
TRAJECTORIES = 16384
COLORS = ("C0", "C1", "C2")


def main(argv: Sequence[str] | None = None) -> None:
    """Read the dataset, draw, write PDF and PNG."""
    parser = argparse.ArgumentParser(description="Figure of work statistics.")
    parser.add_argument("dataset", type=Path, help="dataset of runs/work_statistics.toml")
    parser.add_argument("-o", "--output", type=Path, default=FIGURES, help="folder of the figure")
    arguments = parser.parse_args(argv)
    dataset = open_dataset(arguments.dataset)
    with mpl.rc_context(fname=STYLE):
        figure = draw(dataset)
        save(figure, arguments.output, NAME)
        plt.close(figure)


def draw(dataset: xr.Dataset) -> Figure:
    """The four panels."""
    exact = work_cumulants(stored_machine(dataset), CURVE)
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, HEIGHT))
    for place, oscillator in zip(axes[0], dataset["oscillator"].values, strict=True):
        draw_distribution(place, dataset, exact, str(oscillator))
    draw_variances(axes[1, 0], dataset, exact)
    draw_jarzynski(axes[1, 1])
    for letter, place in zip("abcd", axes.flat, strict=True):
        place.set_title(rf"$\mathbf{{({letter})}}$", loc="left", pad=4)
    return figure


def draw_distribution(axes: Axes, dataset: xr.Dataset, exact: xr.Dataset, oscillator: str) -> None:
    """Densities of the work in n periods, in exact standard deviations, one decade apart."""
    works = dataset["window_work"].sel(oscillator=oscillator).transpose("sample", "window").values
    edges = np.linspace(-6, 6, BINS + 1)
    middles = 0.5 * (edges[1:] + edges[:-1])
    gauss = np.exp(-0.5 * middles**2) / np.sqrt(2 * np.pi)
    for place, (n, color) in enumerate(zip(SHOWN, COLORS, strict=True)):
        cut = works[:, : works.shape[1] // n * n].reshape(len(works), -1, n).sum(axis=2).ravel()
        own = exact.sel(periods=n, channel=oscillator)
        scaled = (cut - float(own["mean"])) / np.sqrt(float(own["variance_cnumber"]))
        counts, _ = np.histogram(scaled, edges)
        density = counts / (len(cut) * np.diff(edges))
        shift = 10.0 ** (-1.5 * place)
        seen = counts > 0
        axes.plot(middles[seen], shift * density[seen], ".", color=color, ms=4, label=f"$n = {n}$")
        axes.plot(middles, shift * gauss, color="0.4", lw=0.8)
    axes.set(yscale="log", ylim=(1e-8, 3), xlim=(-6, 6), ylabel="density, shifted")
    axes.set_xlabel(rf"work $(W_{{{oscillator}}} - \langle W\rangle)/\sigma_{{\rm exact}}$")
    axes.legend(loc="upper right")


def draw_variances(axes: Axes, dataset: xr.Dataset, exact: xr.Dataset) -> None:
    """Variance over time against n: sampled on exact, and the limits D."""
    machine = stored_machine(dataset)
    steady = periodic_steady_state(machine)
    duration = exact["periods"] * machine.period
    sampled = [work_statistics(dataset, n, is_exact=False) for n in SHOWN]
    for name, color in zip(machine.oscillators, COLORS, strict=False):
        own = exact.sel(channel=name)
        axes.plot(CURVE, own["variance_cnumber"] / duration, color=color, label=f"{name}, c-number")
        axes.plot(CURVE, own["variance_quantum"] / duration, "--", color=color, label=f"{name}, quantum")
        for kind in ("cnumber", "quantum"):
            limit = float(steady[f"fluctuation_{kind}"].sel(oscillator=name))
            axes.plot(CURVE[-1] * 1.25, limit, "<", color=color, ms=4)
        time = np.array(SHOWN) * machine.period
        values, errors = (
            np.array([float(s[key].sel(channel=name)) for s in sampled]) / time
            for key in ("variance", "variance_se")
        )
        axes.errorbar(SHOWN, values, errors, fmt="o", color=color, ms=3)
    axes.set(xscale="log", yscale="log", xlabel="periods $n$")
    axes.set_ylabel(r"${\rm Var}\,W_l/n\mathcal{T}\ [\omega_A^3]$")
    axes.legend(loc=(0.3, 0.66), ncols=2, fontsize=7)


def draw_jarzynski(axes: Axes) -> None:
    """<exp(-W/T)> of one burst of the coupling from equilibrium, against temperature."""
    found = [jarzynski(burst_works(temperature), temperature) for temperature in TEMPERATURES]
    values, errors = [f.average for f in found], [f.average_se for f in found]
    axes.axhline(1.0, color="0.4", lw=0.8)
    axes.errorbar(TEMPERATURES, values, errors, fmt="o", color="C0", ms=3)
    axes.set(xscale="log", xlabel=r"temperature $T\ [\omega_A]$", ylabel=r"$\langle e^{-W/T}\rangle$")


def burst_works(temperature: float) -> np.ndarray:
    """Total work of one burst, (trajectory,)."""
    burst = Burst(cycles=1, rise=0.5)
    coupling = {n: Drive.cosine(phase=phase, envelope=burst) for n, phase in (("A", 0.0), ("B", 1.0))}
    soft, softer = DrudeLorentz(gamma=0.5, cutoff=4.0), DrudeLorentz(gamma=0.1, cutoff=3.0)
    driven = Reservoir(name="driven", temperature=temperature, spectral_density=softer, coupling=coupling)
    static = Reservoir(name="static", temperature=temperature, spectral_density=soft)
    machine = Machine(frequencies={"A": 1.0, "B": 0.6}, drive_frequency=1.3, reservoirs=(driven, static))
    recording = Recording(trajectories=0, work=True)
    dataset = simulate(
        machine,
        duration=1.25 * machine.period,
        points=6,
        trajectories=TRAJECTORIES,
        seed=1,
        recording=recording,
    )
    return dataset["trajectory_work"].values[:, -1].sum(axis=1)


if __name__ == "__main__":
    main()
