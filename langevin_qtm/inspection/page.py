"""One self-contained page to browse a dataset: choose trajectories, zoom in time, move along the drive phase.

Bokeh, since its pages are plain data, a bundled library and small pieces of JavaScript: panels share one
range of time, hovering and zooming come with it, and `INLINE` resources need no network. Plotly would do as
well, with a library four times as large. Records are thinned to their extremes when the page is written
(`pyramid`), and `browse.js` picks the level that the zoom asks for.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import xarray as xr
from bokeh.document import Document
from bokeh.embed import file_html
from bokeh.events import DocumentReady
from bokeh.layouts import column, row
from bokeh.models import CustomJS, Div, Model, MultiChoice, Range1d, Slider, Span
from bokeh.resources import INLINE

from langevin_qtm.data.files import save_text, stored_machine
from langevin_qtm.errors import InputError
from langevin_qtm.inspection.contents import STORED_BY, kind_of, step_of
from langevin_qtm.inspection.page_panels import (
    AVERAGES,
    HEIGHT,
    SIDE,
    STORED,
    WIDTH,
    Page,
    add_averages,
    add_folded_power,
    add_plane,
    add_records,
)
from langevin_qtm.inspection.pyramid import BUDGET, Pyramid, finest_bin

MOST_POINTS = 3000  # of a line in view
PLANE_SHARE = 0.15  # of the budget, at most
PHASE_STEPS = 64


def write_page(dataset: xr.Dataset, path: str | Path, budget: int = BUDGET) -> None:
    """Write the page.

    Parameters
    ----------
    dataset : xarray.Dataset
        With stored trajectories, or over time.
    path : str or Path
    budget : int
        Numbers of stored records that the page keeps, at most.

    Raises
    ------
    InputError
        When the dataset has neither trajectories nor averages over time.
    """
    title = str(dataset.attrs.get("title", "langevin_qtm"))
    save_text(file_html(document_of(dataset, budget), resources=INLINE, title=title), path)


def document_of(dataset: xr.Dataset, budget: int = BUDGET) -> Document:
    """The page as a Bokeh document; see `write_page`."""
    _require_browsable(dataset)
    times = dataset["time"].values
    stored = [name for name in STORED if name in dataset and dataset[name].size]
    counts = [len(times)] * sum(dataset[name].size // len(times) for name in stored)
    finest = finest_bin(counts, int((1 - PLANE_SHARE) * budget))
    stop = float(times[-1])
    if kind_of(dataset) == "steady":
        stop = min(stop, float(times[0]) + 8 * stored_machine(dataset).period)
    shared = Range1d(float(times[0]), stop, bounds=(float(times[0]), float(times[-1])), name="time")
    page = Page(dataset, shared, Pyramid(finest))
    for name in stored:
        add_records(page, name)
    if kind_of(dataset) == "over time":
        for name in AVERAGES:
            add_averages(page, name)
    else:
        add_folded_power(page)
    if "position" in stored and dataset.sizes["oscillator"] > 1:
        add_plane(page, int(PLANE_SHARE * budget))
    for plot in page.time_figures[:-1]:
        plot.xaxis.visible = False
        plot.height = HEIGHT - 30
    controls, callback = _connect(page)
    body = [column(*page.time_figures), *([column(*page.side)] if page.side else [])]
    document = Document()
    document.add_root(column(_heading(dataset), *controls, row(*body)))
    if callback is not None:
        document.js_on_event(DocumentReady, callback)
    return document


def _require_browsable(dataset: xr.Dataset) -> None:
    kind = kind_of(dataset)
    if kind == "sweep":
        raise InputError(
            "The dataset holds all points of a sweep; `--html` browses one run. Give the file of one point."
        )
    if kind == "steady" and ("position" not in dataset or not dataset["position"].size):
        raise InputError(
            f"The dataset has no trajectories to browse; they are stored by {STORED_BY['position']}. Set it "
            "and run again."
        )


def _heading(dataset: xr.Dataset) -> Model:
    """Title, and what the machine is."""
    title = html.escape(str(dataset.attrs.get("title", "Dataset of langevin_qtm")))
    lines = html.escape(str(stored_machine(dataset))).splitlines()
    machine = " · ".join(line.strip() for line in lines)
    text = f"<h2 style='margin:0'>{title}</h2><span style='color:#555'>{machine}</span>"
    return Div(text=text, width=WIDTH + SIDE)


def _connect(page: Page) -> tuple[Sequence[Model], CustomJS | None]:
    """Widgets, and the callback that ties them to the panels; it has to run once to begin with."""
    callback = None
    dataset, machine = page.dataset, stored_machine(page.dataset)
    choice = slider = status = None
    if page.panels:
        numbers = [str(number) for number in range(dataset.sizes["trajectory"])]
        choice = MultiChoice(
            title="Trajectories (the first is strong, and in the plane)",
            value=numbers[:1],
            options=numbers,
            width=WIDTH // 2,
            name="trajectories",
        )
        status = Div(text="", width=WIDTH, name="status")
    spans: dict[str, list[Any]] = {"time": [], "phase": []}
    if kind_of(dataset) == "steady" and machine.driven_reservoirs:
        slider = Slider(
            start=0, end=1, step=1 / PHASE_STEPS, value=0, title="Drive phase Ωt/2π", width=SIDE, name="phase"
        )
        for kind, plots in (("time", page.time_figures), ("phase", page.phase_figures)):
            for plot in plots:
                span = Span(location=0, dimension="height", line_color="#555555", line_dash="dotted")
                plot.add_layout(span)
                spans[kind].append(span)
    if page.panels:
        arguments = {
            "store": page.pyramid.values,
            "index": page.pyramid.index,
            "finest": page.pyramid.finest,
            "panels": page.panels,
            "plane": page.plane,
            "origin": float(dataset["time"].values[0]),
            "step": step_of(dataset),
            "period": machine.period,
            "phase_width": 0.5 / PHASE_STEPS + 1e-9,
            "most_points": MOST_POINTS,
            "x_range": page.x_range,
            "choice": choice,
            "slider": slider,
            "status": status,
            "time_spans": spans["time"],
            "phase_spans": spans["phase"],
        }
        code = files("langevin_qtm.inspection").joinpath("browse.js").read_text(encoding="utf-8")
        callback = CustomJS(args=arguments, code=code)
        page.x_range.js_on_change("start", callback)
        page.x_range.js_on_change("end", callback)
        for widget in (choice, slider):
            if widget is not None:
                widget.js_on_change("value", callback)
    widgets = [widget for widget in (choice, slider) if widget is not None]
    return [*([row(*widgets)] if widgets else []), *([status] if status is not None else [])], callback
