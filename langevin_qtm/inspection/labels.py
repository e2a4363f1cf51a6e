"""Axis labels from `units` and `long_name`, symbols, and the colors of oscillators and reservoirs."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import cbook
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

STYLE = Path(__file__).with_name("langevin.mplstyle")
WIDTH = 30  # characters in a line of a label
OSCILLATOR_COLORS = ("C0", "C1", "C5", "C4")
RESERVOIR_COLORS = ("C2", "C3", "C4", "C5")
GRAY = "0.4"
LIGHT = "0.92"
TIME = r"time $t\ [\omega_A^{-1}]$"
PHASE = r"drive phase $\Omega t/2\pi$"
SYMBOLS = {
    "position": "x_{%s}",
    "velocity": r"\dot x_{%s}",
    "noise": r"\xi_{\rm %s}",
    "instantaneous_power": "p_{%s}",
    "local_power": "P_{%s}",
    "local_power_phase": "P_{%s}",
    "heat_current": r"J_{\rm %s}",
    "heat_current_phase": r"J_{\rm %s}",
    "position_mean": r"\langle x_{%s}\rangle",
    "velocity_mean": r"\langle\dot x_{%s}\rangle",
    "position_covariance": r"\langle\delta x_{%s}\rangle",
    "velocity_covariance": r"\langle\delta\dot x_{%s}\rangle",
    "power": "P",
    "pearson": "C",
    "work": "W_{%s}",
    "heat": r"Q_{\rm %s}",
    "modulation_power": r"P^{\rm mod}_{%s}",
    "force_power": r"P^{\rm force}_{%s}",
    "system_energy": "E_{%s}",
    "interaction_energy": r"E^{\rm int}_{\rm %s}",
    "reservoir_energy": r"E_{\rm %s}",
    "efficiency": r"\eta",
    "conversion_efficiency": "-P_A/P_B",
    "tur_ratio": "Q_{%s}",
    "power_tur_ratio": "Q_P",
    "entropy_production": r"\dot S",
}


def unit_text(units: str) -> str:
    """Unit as mathematical text in brackets; empty for pure numbers."""
    if units in ("", "1"):
        return ""
    found = re.fullmatch(r"omega_A(?:\^(-?[\d.]+))?", units)
    if found is None:
        return f"[{units}]"
    power = {"0.5": "1/2", "-0.5": "-1/2", "1.5": "3/2"}.get(found[1], found[1])
    return r"$[\omega_A]$" if power is None else rf"$[\omega_A^{{{power}}}]$"


def short_name(variable: xr.DataArray) -> str:
    """The long name up to its first comma or colon."""
    name = str(variable.attrs.get("long_name", variable.name))
    return re.split(r"[,:]", name.replace("symmetrized ", ""))[0]


def symbol(name: str, label: str = "") -> str:
    """Symbol of a variable of one oscillator, pair or reservoir, as mathematical text."""
    text = SYMBOLS.get(name)
    if text is None:
        return f"{name.replace('_', ' ')} {label}".strip()
    if "%s" not in text:
        return f"${text}$"
    if "covariance" in name and label == 2 * label[: len(label) // 2]:
        return f"${text.replace('_{%s}', '_{' + label[: len(label) // 2] + '}^2')}$"
    if "covariance" in name and len(label) == 2:
        inner = text.removeprefix(r"\langle").removesuffix(r"\rangle")
        return rf"$\langle{inner % label[0]}\,{inner % label[1]}\rangle$"
    return f"${text % label}$"


def axis_label(variable: xr.DataArray, name: str | None = None) -> str:
    """Name and unit of a variable, in lines that fit an axis."""
    text = short_name(variable) if name is None else name
    if "$" not in text:
        text = textwrap.fill(text, WIDTH)
    return f"{text} {unit_text(str(variable.attrs.get('units', '1')))}".strip()


def color_of(dataset: xr.Dataset, dim: str, label: str) -> str:
    """Color of an oscillator or reservoir, of a pair of oscillators, or black."""
    names = [str(name) for name in dataset[dim].values] if dim in dataset.coords else []
    colors = OSCILLATOR_COLORS if dim == "oscillator" else RESERVOIR_COLORS
    if label in names:
        return colors[names.index(label) % len(colors)]
    for index, name in enumerate(names):
        if label == 2 * name:
            return colors[index % len(colors)]
    return "C3" if label and dim == "oscillator" else "k"


def shade_periods(axes: Axes, period: float, start: float, stop: float) -> None:
    """Gray every other drive period, and say what it is; not when they are too many to tell apart."""
    if not 2 <= (stop - start) / period <= 60:
        return
    first = int(np.floor(start / period))
    for index in range(first + (first + 1) % 2, int(np.ceil(stop / period)), 2):
        edges = max(index * period, start), min((index + 1) * period, stop)
        axes.axvspan(*edges, color="0.94", zorder=0, lw=0)


def styled(style: Mapping[str, Any], **defaults: Any) -> dict[str, Any]:
    """Keywords of a plot: those given, under any of their names, else the defaults."""
    given = cbook.normalize_kwargs(dict(style), Line2D)
    return {**cbook.normalize_kwargs(defaults, Line2D), **given}


def make_room(axes: Axes, above: float = 0.0, below: float = 0.0) -> None:
    """Leave shares of the height free above and below the data."""
    low, high = axes.get_ylim()
    if axes.get_yscale() == "log":
        ratio = high / low
        axes.set_ylim(low * ratio**-below, high * ratio**above)
        return
    axes.set_ylim(low - below * (high - low), high + above * (high - low))


def letter_panels(panels: list[Axes]) -> None:
    """(a), (b), … at the upper left, outside."""
    for letter, axes in zip("abcdefghijkl", panels, strict=False):
        axes.set_title(rf"$\mathbf{{({letter})}}$", loc="left", pad=4)
