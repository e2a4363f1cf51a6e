"""Panels of the page: Bokeh figures over the shared time, the plane of positions, the drive period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from bokeh.models import ColumnDataSource, HoverTool
from bokeh.plotting import figure

from langevin_qtm.inspection.contents import is_finite, kind_of, step_of
from langevin_qtm.inspection.panels.over_time import own_dim, series
from langevin_qtm.inspection.panels.trajectories import covariance_ellipse
from langevin_qtm.inspection.pyramid import Pyramid
from langevin_qtm.inspection.reference import exact_curve, exact_steady

COLORS = {
    "oscillator": ("#0072B2", "#D55E00", "#56B4E9", "#E69F00"),
    "reservoir": ("#009E73", "#AA3377", "#E69F00"),
}
CROSS = "#AA3377"
STORED = {"position": "position", "velocity": "velocity", "noise": "noise", "instantaneous_power": "power"}
AVERAGES = ("position_mean", "position_covariance", "pearson", "local_power", "heat_current", "system_energy")
MOST_DOTS = 6000  # in the plane, of each trajectory
WIDTH, HEIGHT, SIDE = 860, 190, 400


@dataclass
class Page:
    """What the page consists of, while it is put together.

    Attributes
    ----------
    x_range : Range1d
        Time, shared by all panels.
    panels : list of dict
        For `browse.js`: the source of a panel and the records of its lines.
    """

    dataset: xr.Dataset
    x_range: Any
    pyramid: Pyramid
    panels: list[dict[str, Any]] = field(default_factory=list)
    time_figures: list[Any] = field(default_factory=list)
    phase_figures: list[Any] = field(default_factory=list)
    side: list[Any] = field(default_factory=list)
    plane: dict[str, Any] | None = None


def time_figure(page: Page, label: str) -> figure:
    """Empty panel over the shared time."""
    plot = figure(
        width=WIDTH,
        height=HEIGHT,
        x_range=page.x_range,
        tools="xpan,xwheel_zoom,xbox_zoom,reset,save",
        active_scroll="xwheel_zoom",
        active_drag="xpan",
        x_axis_label="time t [1/ω_A]",
        y_axis_label=label,
        output_backend="canvas",
    )
    plot.toolbar.logo = None
    plot.min_border_left = 70
    plot.yaxis.axis_label_text_font_size = "9pt"
    page.time_figures.append(plot)
    return plot


def _unit(variable: xr.DataArray) -> str:
    units = str(variable.attrs.get("units", "1")).replace("omega", "ω")
    for decimal, fraction in (("0.5", "1/2"), ("1.5", "3/2")):
        for sign in ("-", ""):
            units = units.replace(f"^{sign}{decimal}", f"^({sign}{fraction})")
    return "" if units == "1" else f" [{units}]"


def _color(dataset: xr.Dataset, dim: str, label: str) -> str:
    names = [str(name) for name in dataset[dim].values]
    own = label[: len(label) // 2] if label not in names and label == 2 * label[: len(label) // 2] else label
    if own not in names:
        return CROSS if dim == "oscillator" and label else "black"
    return COLORS[dim][names.index(own) % len(COLORS[dim])]


def add_records(page: Page, name: str) -> None:
    """Panel of a stored variable: a line for each oscillator or reservoir of each chosen trajectory."""
    variable = page.dataset[name]
    dim = str(variable.dims[-1])
    plot = time_figure(page, STORED[name] + _unit(variable))
    source = ColumnDataSource(
        {key: [] for key in ("xs", "ys", "color", "alpha", "width", "label")}, name=name
    )
    lines = plot.multi_line(
        "xs", "ys", source=source, line_color="color", line_alpha="alpha", line_width="width"
    )
    hover = HoverTool(
        renderers=[lines],
        tooltips=[("", "@label"), ("t", "$snap_x{0.000}"), ("value", "$snap_y{0.0000}")],
        line_policy="nearest",
    )
    plot.add_tools(hover)
    found = []
    for label in variable[dim].values:
        own = variable.sel({dim: label}).transpose("trajectory", "time").values
        records = [page.pyramid.add(record) for record in own]
        color = _color(page.dataset, dim, str(label))
        found.append({"label": f"{STORED[name]} {label}", "color": color, "records": records})
        plot.scatter([np.nan], [np.nan], color=color, legend_label=str(label), size=8, marker="square")
    _finish_legend(plot)
    page.panels.append({"source": source, "lines": found})
    _fill(page, source, found)


def _fill(page: Page, source: ColumnDataSource, lines: Sequence[dict[str, Any]]) -> None:
    """Coarsest level of the first trajectory, which stands until `browse.js` has run."""
    step, origin = step_of(page.dataset), float(page.dataset["time"].values[0])
    data: dict[str, list[Any]] = {key: [] for key in source.data}
    for line in lines:
        offset, points, size = page.pyramid.index[line["records"][0]][-1]
        spacing = step if size == 1 else step * size / 2
        data["xs"].append(origin + spacing * np.arange(points))
        data["ys"].append(page.pyramid.level(offset, points))
        data["label"].append(f"{line['label']}, trajectory 0")
        data["color"].append(line["color"])
        data["alpha"].append(1.0)
        data["width"].append(1.4)
    source.data = data


def _finish_legend(plot: figure) -> None:
    plot.legend.orientation = "horizontal"
    plot.legend.location = "top_right"
    plot.legend.padding = 2
    plot.legend.background_fill_alpha = 0.7
    plot.legend.label_text_font_size = "9pt"


def add_averages(page: Page, name: str) -> None:
    """Panel of an average over time: sampled points with errors on exact lines."""
    dataset, exact = page.dataset, exact_curve(page.dataset)
    if name not in dataset or not is_finite(dataset[name]):
        return
    if name == "position_mean" and not bool((abs((exact or dataset)[name]) > 1e-9).any()):
        return
    plot = time_figure(page, name.replace("_", " ") + _unit(dataset[name]))
    errors = dict(series(dataset, f"{name}_se")) if f"{name}_se" in dataset else {}
    curves = dict(series(exact, name)) if exact is not None else {}
    for label, points in series(dataset, name):
        color = _color(dataset, own_dim(dataset, name), label)
        text = label or name
        if label in curves:
            curve = curves[label]
            plot.line(curve["time"].values, curve.values, color=color, legend_label=text)
        if not errors:
            continue
        value, error = points.values, errors[label].values
        source = ColumnDataSource(
            {
                "t": points["time"].values,
                "value": value,
                "error": error,
                "low": value - error,
                "high": value + error,
                "label": [text] * len(value),
            },
            name=f"{name}_{label}",
        )
        plot.segment("t", "low", "t", "high", source=source, color=color)
        dots = plot.scatter(
            "t", "value", source=source, color=color, fill_color="white", size=5, legend_label=text
        )
        tooltips = [("", "@label"), ("t", "@t{0.000}"), ("value", "@value{0.00000} ± @error{0.00000}")]
        plot.add_tools(HoverTool(renderers=[dots], tooltips=tooltips))
    _finish_legend(plot)


def add_folded_power(page: Page) -> None:
    """Local powers over the drive period, sampled on exact; the slider moves a line along it."""
    dataset, exact = page.dataset, exact_steady(page.dataset)
    if "local_power_phase" not in dataset or not is_finite(dataset["local_power_phase"]):
        return
    plot = figure(
        width=SIDE,
        height=300,
        x_range=(0, 1),
        tools="pan,wheel_zoom,reset,save",
        x_axis_label="drive phase Ωt/2π",
        y_axis_label="local power" + _unit(dataset["local_power"]),
    )
    plot.toolbar.logo = None
    for name in (str(n) for n in dataset["oscillator"].values):
        color, own = _color(dataset, "oscillator", name), dataset["local_power_phase"].sel(oscillator=name)
        if exact is not None and is_finite(exact["local_power_phase"]):
            curve = exact["local_power_phase"].sel(oscillator=name).values
            plot.line(
                np.linspace(0, 1, len(curve) + 1), np.append(curve, curve[0]), color=color, legend_label=name
            )
        error = dataset["local_power_phase_se"].sel(oscillator=name).values
        data = {"phase": own["phase"].values, "value": own.values, "error": error}
        source = ColumnDataSource(data | {"low": own.values - error, "high": own.values + error})
        plot.segment("phase", "low", "phase", "high", source=source, color=color)
        dots = plot.scatter(
            "phase", "value", source=source, color=color, fill_color="white", legend_label=name
        )
        tooltips = [("", f"P_{name}"), ("phase", "@phase{0.000}"), ("value", "@value ± @error")]
        plot.add_tools(HoverTool(renderers=[dots], tooltips=tooltips))
    _finish_legend(plot)
    page.phase_figures.append(plot)
    page.side.append(plot)


def add_plane(page: Page, budget: int) -> None:
    """Positions of the first two oscillators in the time window, those at the drive phase marked."""
    dataset = page.dataset
    position = dataset["position"].transpose("trajectory", "time", "oscillator")
    most = max(1, min(MOST_DOTS, budget // (2 * position.sizes["trajectory"])))
    thin = -(-position.sizes["time"] // most)
    values = position.values[:, ::thin].astype(np.float32)
    reach = 1.05 * float(np.abs(values[..., :2]).max())
    first, second = (str(name) for name in dataset["oscillator"].values[:2])
    plot = figure(
        width=SIDE,
        height=SIDE,
        x_range=(-reach, reach),
        y_range=(-reach, reach),
        match_aspect=True,
        tools="pan,wheel_zoom,reset,save",
        x_axis_label=f"x_{first}" + _unit(dataset["position"]),
        y_axis_label=f"x_{second}" + _unit(dataset["position"]),
    )
    plot.toolbar.logo = None
    first_path = {"x": values[0, :, 0], "y": values[0, :, 1]}
    sources = [ColumnDataSource(first_path, name=name) for name in ("plane", "marked")]
    plot.scatter("x", "y", source=sources[0], color="#999999", size=3, alpha=0.6, legend_label="in view")
    if kind_of(dataset) == "steady":
        plot.scatter("x", "y", source=sources[1], color="#D55E00", size=5, legend_label="at the drive phase")
    exact = exact_steady(dataset)
    if exact is not None:
        for sigmas, dash in ((1, "solid"), (2, "dashed")):
            ellipse = covariance_ellipse(exact["position_covariance"].values[:2, :2], sigmas)
            plot.line(*ellipse, color="black", line_dash=dash, legend_label=f"exact {sigmas}σ")
    _finish_legend(plot)
    plot.legend.orientation = "vertical"
    page.side.insert(0, plot)
    page.plane = {
        "source": sources[0],
        "marked": sources[1],
        "times": dataset["time"].values[::thin],
        "first": values[..., 0].ravel(),
        "second": values[..., 1].ravel(),
    }
