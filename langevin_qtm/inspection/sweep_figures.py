"""Figures of sweeps: maps over two axes, and cuts along one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from langevin_qtm.errors import InputError
from langevin_qtm.inspection.look import Look, grid_of
from langevin_qtm.inspection.panels import maps as sweeps

MOST_PANELS = 9  # quantities in a figure
MOST_PLACES = 4  # figures of one kind for a sweep of many axes


def sweep_looks(dataset: xr.Dataset) -> Iterator[Look]:
    main = sweeps.main_dims(dataset)
    if not main:
        raise InputError(
            "The sweep has no axis of numbers with two points or more; there is nothing to draw over."
        )
    x = main[0]
    y = main[1] if len(main) > 1 else None
    shown = (x,) if y is None else (x, y)
    places = list(sweeps.rest_dims(dataset, shown))
    for index, place in enumerate(places[:MOST_PLACES]):
        ending = f"_{index + 1}" if len(places) > 1 else ""
        text = sweeps.place_text(dataset, place)
        where = f", at {text}" if text else ""
        if y is not None:
            yield Look(
                f"maps{ending}",
                f"maps over {x} and {y}{where}",
                partial(_draw_maps, dataset, place, x, y, text),
            )
        yield Look(
            f"cuts{ending}",
            f"curves over {x}{f' at some {y}' if y else ''}{where}",
            partial(_draw_cuts, dataset, place, x, y, text),
        )


def _at_place(dataset: xr.Dataset, place: dict[str, int]) -> list[tuple[str, xr.DataArray]]:
    found = [(label, values.isel(place)) for label, values in sweeps.quantities(dataset)]
    return [(label, values) for label, values in found if sweeps.varies(values)][:MOST_PANELS]


def _draw_maps(dataset: xr.Dataset, place: dict[str, int], x: str, y: str, text: str) -> Figure:
    shown = _at_place(dataset, place)
    figure, cells = grid_of(-(-len(shown) // 2), 2, 2.4 * -(-len(shown) // 2))
    for axes, (label, values) in zip(cells, shown, strict=False):
        sweeps.draw_map(axes, values, label, x, y)
    return _finished(figure, cells, len(shown), text)


def _draw_cuts(dataset: xr.Dataset, place: dict[str, int], x: str, y: str | None, text: str) -> Figure:
    shown = _at_place(dataset, place)
    figure, cells = grid_of(-(-len(shown) // 2), 2, 2.2 * -(-len(shown) // 2))
    for axes, (label, values) in zip(cells, shown, strict=False):
        sweeps.draw_cuts(axes, dataset, values, label, x, y)
    return _finished(figure, cells, len(shown), text)


def _finished(figure: Figure, cells: list[Axes], used: int, text: str) -> Figure:
    for axes in cells[used:]:
        axes.remove()
    if text:
        figure.suptitle(text, fontsize=9)
    return figure
