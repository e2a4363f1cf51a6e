"""Relaxation and stability: damping of all modes, shape of the slow one, and where the drive is too strong.

    python analysis/fig_stability.py [-o analysis/figures]

Needs no dataset: everything is computed from Floquet modes, in about a minute on one core. Writes
`fig_stability.pdf` and `.png`.

What to see: (a) with the friction γ_2 of a reservoir that two detuned oscillators share, one mode becomes
faster and two become slower, down to 1/γ_2; a weak driven reservoir (γ_1 = 0.01) ends that for the mode which
(b) turns into pure antiphase motion, ratio 1 and phase π; (c) what is hardly damped is easily pumped: at
γ_2 = 100 a drive at the sum of the frequencies of that mode and of a line in the driven reservoir needs a
two-hundredth of the strength that it takes at γ_2 = 0.5 to leave no periodic steady state.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from paths import FIGURES, STYLE
from saving import save

from langevin_qtm import (
    Drive,
    DrudeLorentz,
    Lorentzian,
    Machine,
    Ohmic,
    Reservoir,
    multiplier_spectrum,
    stability_boundary,
)

NAME = "fig_stability"
EXAMPLE = (2.05, 0.2)  # Ω and d of an unstable machine at the weaker γ_2
WIDTH, HEIGHT = 7.0, 4.6  # inches
FREQUENCIES = {"A": 1.0, "B": 0.6}
TEMPERATURE = 0.1  # of every reservoir; relaxation does not depend on it
ANTIPHASE = np.sqrt((FREQUENCIES["A"] ** 2 + FREQUENCIES["B"] ** 2) / 2)
LINE, LINE_WIDTH = 1.2, 0.1  # of the structured reservoir, panel (c)
STATIC_CUTOFF = 60.0
STRONG, WEAK = 100.0, 0.5  # γ_2, panel (c)
REACH = 1.0  # of ln max|μ| in color
TICKS = (0.5, 0.9, 0.99, 1.0, 1.01, 1.1, 2.0)
JUMP = 3.0  # ratio of neighboring critical strengths that belong to different tongues
MODE_COLORS = ("C0", "C1", "C2")
GRAY = "0.4"
PDF_DPI = 450  # of what is rasterized there


@dataclass(frozen=True)
class Grid:
    """Where the figure is computed."""

    static_gammas: np.ndarray
    drive_frequencies: np.ndarray
    strengths: np.ndarray


FULL = Grid(
    np.geomspace(1e-3, 1e3, 91),
    np.union1d(np.linspace(0.2, 3.2, 101), np.linspace(1.94, 2.12, 19)),  # denser at the tip of a tongue
    np.geomspace(1e-4, 3.0, 61),
)


def main(argv: Sequence[str] | None = None, grid: Grid = FULL) -> None:
    """Compute, draw, write PDF and PNG."""
    parser = argparse.ArgumentParser(description="Figure of relaxation and stability.")
    parser.add_argument("-o", "--output", type=Path, default=FIGURES, help="folder of the figure")
    arguments = parser.parse_args(argv)
    undriven, driven = along_static_gamma(static_only, grid), along_static_gamma(converter, grid)
    coarse = Grid(grid.static_gammas, grid.drive_frequencies, grid.strengths[::2])
    strong, weak = boundary(STRONG, grid), boundary(WEAK, coarse)
    with mpl.rc_context(fname=STYLE):
        figure = draw(undriven, driven, strong, weak)
        save(figure, arguments.output, NAME, PDF_DPI)
        plt.close(figure)


def static_only(gamma: float) -> Machine:
    """Both oscillators in one Ohmic reservoir, nothing driven."""
    return Machine(frequencies=FREQUENCIES, reservoirs=(_static(Ohmic(gamma=gamma)),))


def converter(gamma: float) -> Machine:
    """The work converter of `runs/work_converter.toml` at another γ_2."""
    return _driven(DrudeLorentz(gamma=0.01, cutoff=12.0), 0.3, Ohmic(gamma=gamma))


def structured(strength: float, frequency: float, gamma: float) -> Machine:
    """Driven through a reservoir with a line."""
    density = Lorentzian(strength=strength, frequency=LINE, gamma=LINE_WIDTH)
    return _driven(density, frequency, DrudeLorentz(gamma=gamma, cutoff=STATIC_CUTOFF))


def _static(density: Ohmic | DrudeLorentz) -> Reservoir:
    return Reservoir(name="static", temperature=TEMPERATURE, spectral_density=density)


def _driven(density: DrudeLorentz | Lorentzian, frequency: float, static: Ohmic | DrudeLorentz) -> Machine:
    coupling = {"A": Drive.cosine(), "B": Drive.cosine(phase=np.pi / 2)}
    driven = Reservoir(name="driven", temperature=TEMPERATURE, spectral_density=density, coupling=coupling)
    return Machine(frequencies=FREQUENCIES, drive_frequency=frequency, reservoirs=(driven, _static(static)))


def along_static_gamma(factory, grid: Grid) -> xr.Dataset:
    """All modes of a machine along γ_2."""
    _report(f"modes of the {factory.__name__} machine along gamma_2", end="\n")
    return multiplier_spectrum(factory, grid.static_gammas, "static_gamma", "omega_A")


def boundary(gamma: float, grid: Grid) -> xr.Dataset:
    """Largest multiplier over strength and drive frequency, and the boundary of stability, at one γ_2."""
    columns = []
    for k, frequency in enumerate(grid.drive_frequencies, 1):
        _report(f"stability at gamma_2 = {gamma:g}: {k}/{len(grid.drive_frequencies)}")
        columns.append(
            stability_boundary(
                lambda d, w: structured(d, w, gamma), frequency, grid.strengths, units="omega_A^4"
            )
        )
    _report(f"stability at gamma_2 = {gamma:g}: done", end="\n")
    return xr.concat(columns, dim="frequency", data_vars="minimal", combine_attrs="override")


def _report(text: str, end: str = "") -> None:
    print(f"\r{NAME}: {text}", end=end, file=sys.stderr, flush=True)


def draw(undriven: xr.Dataset, driven: xr.Dataset, strong: xr.Dataset, weak: xr.Dataset) -> Figure:
    """The three panels.

    Parameters
    ----------
    undriven, driven : xarray.Dataset
        Of `along_static_gamma`.
    strong, weak : xarray.Dataset
        Of `boundary`.
    """
    figure = plt.figure(figsize=(WIDTH, HEIGHT))
    columns = figure.add_gridspec(1, 2, width_ratios=(1.0, 1.12))
    left = columns[0].subgridspec(3, 1, height_ratios=(2.6, 1.0, 1.0))
    damping = figure.add_subplot(left[0])
    ratio, phase = (figure.add_subplot(left[k], sharex=damping) for k in (1, 2))
    stability = figure.add_subplot(columns[1])
    draw_damping(damping, undriven, driven)
    draw_shape(ratio, phase, undriven, driven)
    draw_map(stability, strong, weak)
    for letter, axes in zip("abc", (damping, ratio, stability), strict=True):
        axes.set_title(rf"$\mathbf{{({letter})}}$", loc="left", pad=4)
    return figure


def kinds(spectrum: xr.Dataset) -> dict[str, int]:
    """Modes by what they become at the largest γ_2: antiphase, slow, fast."""
    last = spectrum.isel(static_gamma=-1)
    real = np.flatnonzero(last["frequency"] == 0)
    decay = last["decay_rate"].values
    antiphase = np.argmin(np.abs(last["frequency"].values - ANTIPHASE))
    return {
        "antiphase": int(antiphase),
        "slow": int(real[decay[real].argmin()]),
        "fast": int(real[decay[real].argmax()]),
    }


def draw_damping(axes: Axes, undriven: xr.Dataset, driven: xr.Dataset) -> None:
    """Damping rates of all modes, and their limits."""
    for spectrum, style in ((driven, "--"), (undriven, "-")):
        for index, color in zip(kinds(spectrum).values(), MODE_COLORS, strict=True):
            rates = spectrum["decay_rate"].isel(mode=index)
            axes.loglog(spectrum["static_gamma"], rates, style, color=color, zorder=3)
    own = sorted(set(range(driven.sizes["mode"])) - {*kinds(driven).values()})
    reservoir = driven["decay_rate"].isel(mode=own).max("mode")
    axes.loglog(driven["static_gamma"], reservoir, "--", color=GRAY)
    gammas = undriven["static_gamma"].values
    for name, limit in limits(gammas).items():
        shown = gammas < 2 if name == "weak" else gammas > 0.1
        axes.loglog(gammas[shown], limit[shown], color="k", lw=0.5, zorder=4)
    axes.set(xlim=(gammas[0], gammas[-1]), ylim=(1e-5, 4e3))
    axes.set_ylabel(r"damping rate $-\ln|\mu|/\mathcal{T}\ [\omega_A]$")
    axes.tick_params(labelbottom=False)
    texts = {
        "fast": (40.0, 300.0, MODE_COLORS[2]),
        "driven reservoir": (1.5e-3, 18.0, GRAY),
        "slow": (60.0, 0.018, MODE_COLORS[1]),
        "antiphase": (10.0, 0.8e-4, MODE_COLORS[0]),
    }
    for text, (x, y, color) in texts.items():
        axes.text(x, y, text, color=color, fontsize=8)
    styles = ({"color": GRAY}, {"color": GRAY, "ls": "--"}, {"color": "k", "lw": 0.5})
    labels = ("static reservoir alone", r"and driven, $\gamma_1=0.01\,\omega_A$", "limits")
    axes.legend([Line2D([], [], **style) for style in styles], labels, loc="lower left")


def limits(gammas: np.ndarray) -> dict[str, np.ndarray]:
    """Damping to leading order in γ_2 (weak) and in 1/γ_2 (the others)."""
    a, b = FREQUENCIES.values()
    return {
        "weak": gammas / 2,
        "antiphase": (a**2 - b**2) ** 2 / (16 * ANTIPHASE**2 * gammas),
        "slow": (a * b) ** 2 / (gammas * (a**2 + b**2)),
        "fast": 2 * gammas,
    }


def draw_shape(ratio: Axes, phase: Axes, undriven: xr.Dataset, driven: xr.Dataset) -> None:
    """Amplitude ratio and phase of the oscillators in the mode that ends in antiphase."""
    for spectrum, style in ((driven, "--"), (undriven, "-")):
        mode = spectrum.isel(mode=kinds(spectrum)["antiphase"])
        first, second = (mode.sel(oscillator=name) for name in FREQUENCIES)
        amplitudes = second["shape_amplitude"] / first["shape_amplitude"]
        ahead = (second["shape_phase"] - first["shape_phase"]) / np.pi % 2
        line = {"ls": style, "color": MODE_COLORS[0]}
        ratio.semilogx(mode["static_gamma"], amplitudes, **line)
        phase.semilogx(mode["static_gamma"], ahead, **line)
    for axes, level in ((ratio, 1.0), (phase, 1.0)):
        axes.axhline(level, color="k", lw=0.6, zorder=0)
    ratio.set(ylim=(0.0, 1.2), ylabel=r"$|x_B/x_A|$")
    ratio.tick_params(labelbottom=False)
    phase.set(
        ylim=(0.0, 1.2), ylabel=r"$\arg(x_B/x_A)\ [\pi]$", xlabel=r"static friction $\gamma_2\ [\omega_A]$"
    )


def draw_map(axes: Axes, strong: xr.Dataset, weak: xr.Dataset) -> None:
    """Largest multiplier over drive frequency and strength; boundaries at both γ_2."""
    norm = SymLogNorm(linthresh=1e-3, vmin=-REACH, vmax=REACH)
    logs = np.log(strong["max_multiplier"]).transpose("strength", "frequency")
    where = (strong["frequency"], strong["strength"])
    mesh = axes.pcolormesh(*where, logs, norm=norm, cmap="PuOr_r", shading="gouraud", rasterized=True)
    axes.contour(*where, logs, [0.0], colors="k", linewidths=0.4)
    for found, gamma, style in ((strong, STRONG, "k-"), (weak, WEAK, "k--")):
        strength = without_jumps(found["critical_strength"].values)
        axes.plot(found["frequency"], strength, style, label=rf"at $\gamma_2={gamma:g}\,\omega_A$")
    axes.plot(*EXAMPLE, "kx", ms=5, label=rf"example, $\gamma_2={WEAK:g}\,\omega_A$")
    axes.set(yscale="log", ylim=(strong["strength"][0], strong["strength"][-1]))
    axes.set(xlim=(strong["frequency"][0], strong["frequency"][-1]))
    axes.set_xlabel(r"drive frequency $\Omega\ [\omega_A]$")
    axes.set_ylabel(r"coupling strength $d\ [\omega_A^4]$")
    colorbar = axes.figure.colorbar(mesh, ax=axes, location="top", aspect=35, pad=0.02, extend="both")
    colorbar.set_ticks(np.log(TICKS), labels=[f"{tick:g}" for tick in TICKS])
    colorbar.minorticks_off()
    colorbar.set_label(rf"largest multiplier $\max|\mu|$ at $\gamma_2={STRONG:g}\,\omega_A$")
    title = {"title": "first instability", "title_fontsize": 8, "alignment": "left"}
    axes.legend(loc="lower left", bbox_to_anchor=(0.19, 0.0), **title)
    for sign, text in ((1, r"$\omega_1+\bar\omega$"), (-1, r"$\omega_1-\bar\omega$")):
        axes.axvline(LINE + sign * ANTIPHASE, ymax=0.05, color="k", lw=0.8)
        axes.text(LINE + sign * ANTIPHASE + 0.04, 1.2e-4, text, fontsize=8)


def without_jumps(values: np.ndarray) -> np.ndarray:
    """A curve that goes from one tongue to another, cut between them."""
    cut = np.array(values)
    cut[1:][np.abs(np.diff(np.log(values))) > np.log(JUMP)] = np.nan
    return cut


if __name__ == "__main__":
    main()
