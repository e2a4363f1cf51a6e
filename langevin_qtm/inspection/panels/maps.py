"""Sweeps: maps over two axes, and curves along one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm, LogNorm, Normalize

from langevin_qtm.errors import InputError
from langevin_qtm.inspection.labels import color_of, make_room, symbol, unit_text
from langevin_qtm.report import elements

SHOWN = (
    "local_power",
    "power",
    "efficiency",
    "conversion_efficiency",
    "pearson",
    "tur_ratio",
    "power_tur_ratio",
)
CUTS = 4
CONSTANT = 1e-9
RATIOS = {"tur_ratio", "power_tur_ratio"}  # positive, over decades
SIGNED = {"local_power", "power", "heat_current", "pearson"}
DWARFED = 4.0  # times the range of all but the outermost values
CLIP = 0.02  # share of a map beyond the colors, for variables that diverge


def sweep_dims(dataset: xr.Dataset) -> tuple[str, ...]:
    """Dims of the axes of the sweep."""
    return tuple(str(dataset.attrs["sweep_dims"]).split())


def quantities(dataset: xr.Dataset) -> Iterator[tuple[str, xr.DataArray]]:
    """Label, such as `local_power[A]`, and values over the axes, of what a sweep is mostly looked at for."""
    for name in SHOWN:
        if name not in dataset or "time" in dataset[name].dims:
            continue
        for label, index in elements(dataset, name):
            dims = [dim for dim in dataset[name].dims if dim not in sweep_dims(dataset)]
            values = dataset[name].isel(dict(zip(dims, index, strict=True)))
            yield label, values


def varies(values: xr.DataArray) -> bool:
    """Whether there are finite values, and not all the same."""
    finite = values.values[np.isfinite(values.values)]
    return bool(finite.size) and bool(np.ptp(finite) > CONSTANT * np.abs(finite).max())


def is_numeric(dataset: xr.Dataset, dim: str) -> bool:
    """Whether an axis is one of numbers."""
    return dim in dataset.coords and dataset[dim].dtype.kind in "fiu"


def main_dims(dataset: xr.Dataset) -> list[str]:
    """Numeric axes of more than one point, the longest first."""
    numeric = [dim for dim in sweep_dims(dataset) if is_numeric(dataset, dim) and dataset.sizes[dim] > 1]
    return sorted(numeric, key=lambda dim: -dataset.sizes[dim])


def is_logarithmic(values: np.ndarray) -> bool:
    """Whether positive values are spaced by factors."""
    if len(values) < 3 or values.min() <= 0 or values.max() / values.min() < 5:
        return False
    ratios, gaps = np.diff(np.log(values)), np.diff(values)
    return float(np.std(ratios) / abs(np.mean(ratios))) < float(np.std(gaps) / abs(np.mean(gaps)))


def cell_borders(values: np.ndarray) -> np.ndarray:
    """Borders of the cells of a map: halfway between two values of an axis, on the scale that it has."""
    places = np.log(values) if is_logarithmic(values) else values
    inner = 0.5 * (places[1:] + places[:-1])
    borders = np.concatenate([[2 * places[0] - inner[0]], inner, [2 * places[-1] - inner[-1]]])
    return np.exp(borders) if is_logarithmic(values) else borders


def dim_label(dataset: xr.Dataset, dim: str) -> str:
    """Axis label of a swept value."""
    attrs = dataset[dim].attrs if dim in dataset.coords else {}
    name = str(attrs.get("long_name", dim)).replace("_", " ")
    return f"{name} {unit_text(str(attrs.get('units', '1')))}".strip()


def element_label(values: xr.DataArray, label: str) -> str:
    """Symbol, unit of `local_power[A]`."""
    name, _, inner = label.partition("[")
    return f"{symbol(name, inner.removesuffix(']'))} {unit_text(str(values.attrs.get('units', '1')))}".strip()


def draw_map(axes: Axes, values: xr.DataArray, label: str, x: str, y: str) -> Axes:
    """Map over two axes, zero marked where the sign matters; colors leave out the outermost 2 %."""
    name = label.partition("[")[0]
    array = values.transpose(y, x).values
    finite = array[np.isfinite(array)]
    low, high = np.quantile(finite, [CLIP, 1 - CLIP]) if len(finite) else (0.0, 1.0)
    is_signed = name in SIGNED and low < 0 < high
    halfrange = float(max(abs(low), abs(high))) or 1.0
    norm: Normalize = CenteredNorm(0.0, halfrange) if is_signed else Normalize(low, high)
    if name in RATIOS and low > 0:
        norm = LogNorm(low, high)
    borders = [cell_borders(values[dim].values) for dim in (x, y)]
    cmap = "RdBu_r" if is_signed else "viridis"
    mesh = axes.pcolormesh(*borders, array, cmap=cmap, norm=norm, rasterized=True)
    if is_signed and min(array.shape) > 1:
        axes.contour(values[x], values[y], np.nan_to_num(array), [0.0], colors="k", linewidths=0.7)
    bar = axes.figure.colorbar(mesh, ax=axes, extend="both", pad=0.02)
    bar.set_label(element_label(values, label))
    if not isinstance(norm, LogNorm):
        bar.formatter.set_powerlimits((-2, 3))  # type: ignore[attr-defined]
    for dim, scale in ((x, axes.set_xscale), (y, axes.set_yscale)):
        if is_logarithmic(values[dim].values):
            scale("log")
    axes.set(
        xlabel=dim_label(values.to_dataset(name="v"), x), ylabel=dim_label(values.to_dataset(name="v"), y)
    )
    return axes


def draw_cuts(
    axes: Axes, dataset: xr.Dataset, values: xr.DataArray, label: str, x: str, y: str | None
) -> Axes:
    """Curves along one axis, at a few places of the other; error bars where the values are sampled."""
    name = label.partition("[")[0]
    places = [None] if y is None else np.unique(np.linspace(0, values.sizes[y] - 1, CUTS).round().astype(int))
    for number, place in enumerate(places):
        chosen = {} if place is None else {y: int(place)}
        own = values.isel(chosen)
        color = f"C{number}"
        if place is None and "[" in label:
            color = color_of(dataset, "oscillator", label.partition("[")[2].removesuffix("]"))
        text: dict[str, Any] = (
            {}
            if place is None
            else {"label": f"{dim_label(dataset, str(y)).split(' $')[0]} = {_text(values[y][place])}"}
        )
        error = _errors(dataset, name, own)
        if error is not None:
            axes.errorbar(own[x], own, error, fmt="o-", ms=2.5, lw=0.8, color=color, **text)
        else:
            axes.plot(own[x], own, "-" if own.sizes[x] > 30 else "o-", ms=2.5, color=color, **text)
    axes.axhline(0.0, color="k", lw=0.5, zorder=0)
    if is_logarithmic(values[x].values):
        axes.set_xscale("log")
    axes.set(xlabel=dim_label(dataset, x), ylabel=element_label(values, label))
    _limit_height(axes, values.values, name in RATIOS)
    if y is not None:
        make_room(axes, above=0.3)
        axes.legend(loc="upper right", ncols=2)
    return axes


def _limit_height(axes: Axes, values: np.ndarray, is_ratio: bool) -> None:
    """Decades for ratios; leave out the outermost values where they dwarf the rest."""
    finite = values[np.isfinite(values)]
    if is_ratio and finite.max() > 0:
        positive = finite[finite > 0]
        low, high = np.quantile(positive, [CLIP, 1 - CLIP])
        axes.set(yscale="log", ylim=(max(positive.min(), low / 10) / 2, 2 * min(positive.max(), 10 * high)))
        return
    axes.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
    low, high = np.quantile(finite, [CLIP, 1 - CLIP])
    if np.ptp(finite) > DWARFED * (high - low) > 0:
        axes.set_ylim(low - 0.2 * (high - low), high + 0.2 * (high - low))


def _errors(dataset: xr.Dataset, name: str, like: xr.DataArray) -> np.ndarray | None:
    """Standard errors of one element along the same cut."""
    if f"{name}_se" not in dataset:
        return None
    error = dataset[f"{name}_se"]
    chosen = {
        dim: like.coords[dim].values.item()
        for dim in error.dims
        if dim in like.coords and dim not in like.dims
    }
    return error.sel(chosen).transpose(*like.dims).values


def _text(value: xr.DataArray) -> str:
    item = value.item()
    return item if isinstance(item, str) else f"{item:.3g}"


def rest_dims(dataset: xr.Dataset, shown: tuple[str, ...]) -> Iterator[dict[str, int]]:
    """Every place along the axes that a panel does not show."""
    dims = [dim for dim in sweep_dims(dataset) if dim not in shown]
    for index in np.ndindex(*(dataset.sizes[dim] for dim in dims)):
        yield dict(zip(dims, index, strict=True))


def place_text(dataset: xr.Dataset, place: dict[str, int]) -> str:
    """Names and values of a place."""
    parts = []
    for dim, index in place.items():
        value = _text(dataset[dim][index]) if dim in dataset.coords else str(index)
        parts.append(f"{dim.replace('_', ' ')} = {value}")
    return ", ".join(parts)


def require_sweep(dataset: xr.Dataset) -> None:
    """Refuse a dataset of one run."""
    if "sweep_dims" not in dataset.attrs:
        raise InputError("The dataset holds one run; add a table `[sweep]` to the run file for a map.")
