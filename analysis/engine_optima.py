"""Largest second-order output power of an engine over drive frequency Ω and line frequency w_1.

A map over (Ω, w_1) of a run file, logarithmic, says where to begin: at its highest local maxima, and where
the line is resonant with a mode w of the static machine, w_1 = Ω + w. From there a lattice of 3 × 3 points
around the best point so far moves uphill, and is made finer where it cannot, until it is far smaller than
any line. Second-order power is proportional to the strength d of the hot reservoir: all outputs are -P/d.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from scipy.ndimage import maximum_filter
from second_order_limits import static_modes

from langevin_qtm import Machine
from langevin_qtm.data.sweep import from_tables
from langevin_qtm.exact.second_order import second_order_averages

LINE, DRIVE = "reservoir.hot.spectral_density.frequency", "drive.frequency"
STRENGTH = "reservoir.hot.spectral_density.strength"
COUPLING_B = "reservoir.hot.coupling.B"
PLANE = ("hot_frequency", "drive_frequency")
STARTS = 2  # local maxima for each optimum
RESONANT_DRIVES = (0.2, 0.45, 0.8)
LATTICE = np.array([[a, b] for a in (-1.0, 0.0, 1.0) for b in (-1.0, 0.0, 1.0)])
COARSEST, FINER, FINEST = 0.1, 0.5, 5e-4  # spacing: first, factor, last; the narrowest line has 1e-2
GAIN = 1e-7  # relative, below which a step is not worth another one
BEHIND = 0.85  # of the best climb, below which one is given up


def output_of(dataset: xr.Dataset) -> xr.DataArray:
    """Output power over the strength of the hot reservoir, -P/d.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of a run file, with the strength as a coordinate or in its configuration.
    """
    return -dataset["power"] / strength_of(dataset)


def strength_of(dataset: xr.Dataset) -> xr.DataArray | float:
    """Strength d of the hot reservoir."""
    if "hot_strength" in dataset.coords:
        return dataset["hot_strength"]
    return float(reservoir(dataset, "hot")["spectral_density"]["strength"])


def reservoir(dataset: xr.Dataset, name: str) -> dict:
    """Table of a reservoir in the run file of a dataset."""
    tables = json.loads(dataset.attrs["config_json"])["reservoir"]
    return next(table for table in tables if table["name"] == name)


def machine_of(dataset: xr.Dataset, changes: Mapping[str, object]) -> Machine:
    """Machine of a dataset's run file with some of its keys changed, axes left out.

    Parameters
    ----------
    dataset : xarray.Dataset
    changes : mapping
        Values by dotted key.
    """
    tables = json.loads(dataset.attrs["config_json"])
    del tables["sweep"]
    return from_tables(tables, dict(changes)).machine


def changes_at(dataset: xr.Dataset) -> dict[str, object]:
    """What the axes of a run file set at one point of its dataset: values by dotted key, d = 1."""
    changes: dict[str, object] = {STRENGTH: 1.0}
    for coordinate in dataset.coords.values():
        is_index = coordinate.dtype.kind == "i"  # of zipped axes
        if "keys" in coordinate.attrs and not coordinate.dims and not is_index:
            changes |= dict.fromkeys(coordinate.attrs["keys"].split(", "), coordinate.item())
    return changes


def optima(maps: xr.Dataset) -> xr.Dataset:
    """Largest output power over (Ω, w_1) for everything else that a map is swept over.

    Parameters
    ----------
    maps : xarray.Dataset
        Second order, with dims `hot_frequency` and `drive_frequency`, logarithmic, and others.

    Returns
    -------
    xarray.Dataset
        Over the other dims: `output`, the largest -P/d, of the map where no point of it delivers power;
        `output_error`, bound on rounding; `best_drive` and `best_line`, NaN where no point delivers power;
        `map_output`, the largest number of the map.
    """
    output = output_of(maps).transpose(..., *PLANE)
    outer = output.dims[:-2]
    places = list(np.ndindex(*output.shape[:-2]))
    points = [maps.isel(dict(zip(outer, place, strict=True))) for place in places]
    changes = [changes_at(point) for point in points]
    largest = output.max(PLANE).values
    found = np.full((len(places), 4), np.nan)
    starts = [
        (index, start)
        for index, place in enumerate(places)
        if largest[place] > 0
        for start in begin(output.isel(dict(zip(outer, place, strict=True))), points[index])
    ]
    for (index, _), best in zip(starts, climb(maps, changes, starts), strict=True):
        if not best[2] <= found[index, 2]:
            found[index] = best
    found = found.reshape(*output.shape[:-2], 4)
    is_engine = np.isfinite(found[..., 2])
    names = {
        "output": np.where(is_engine, found[..., 2], largest),
        "output_error": np.where(is_engine, found[..., 3], 0.0),
        "best_drive": found[..., 1],
        "best_line": found[..., 0],
        "map_output": largest,
    }
    kept = [name for name, each in maps.coords.items() if set(each.dims) <= set(outer)]
    return xr.Dataset({name: (outer, values) for name, values in names.items()}).assign_coords(
        {name: maps.coords[name] for name in kept}
    )


def begin(output: xr.DataArray, point: xr.Dataset) -> list[np.ndarray]:
    """Where to begin, ln(w_1 - Ω) and ln Ω: local maxima of the map, highest first, and the resonances."""
    values = output.values
    peaks = np.argwhere((values == maximum_filter(values, size=3)) & (values > 0))
    peaks = sorted(peaks, key=lambda peak: -values[tuple(peak)])[:STARTS]
    line, drive = (output[dim].values for dim in PLANE)
    starts = [np.log([line[i] - drive[j], drive[j]]) for i, j in peaks if line[i] > drive[j]]
    modes = [w for w, _, _ in static_modes(static_gamma(point))]
    return starts + [np.log([w, drive]) for w in modes for drive in RESONANT_DRIVES]


def static_gamma(point: xr.Dataset) -> float:
    """γ_2 at one point of a dataset."""
    if "cold_gamma" in point.coords:
        return float(point["cold_gamma"])
    return float(reservoir(point, "cold")["spectral_density"]["gamma"])


def climb(
    maps: xr.Dataset, changes: Sequence[Mapping[str, object]], starts: Sequence[tuple[int, np.ndarray]]
) -> np.ndarray:
    """Best (w_1, Ω, -P/d, error) from every start, all climbs side by side.

    Resonances are lines w_1 - Ω = const, so that (w_1 - Ω, Ω) are the axes of a ridge.
    """
    owners = np.array([owner for owner, _ in starts])
    centers = np.array([start for _, start in starts]).reshape(-1, 2)
    spacing = np.full(len(starts), COARSEST)
    best = np.full((len(starts), 4), -np.inf)
    active = np.arange(len(starts))
    while len(active):
        lattices = np.exp(centers[active, None] + spacing[active, None, None] * LATTICE)
        lines, drives = lattices.sum(-1), lattices[..., 1]
        machines = [
            machine_of(maps, {**changes[owners[i]], LINE: float(line), DRIVE: float(drive)})
            for i, *at in zip(active, lines, drives, strict=True)
            for line, drive in zip(*at, strict=True)
        ]
        averages, _ = second_order_averages(machines)
        values = np.stack([-averages["power"], averages["local_power_error"].sum(-1)]).reshape(
            2, *lines.shape
        )
        for n, i in enumerate(active):
            top = values[0, n].argmax()
            gain = values[0, n, top] - best[i, 2]
            if gain > 0:
                best[i] = lines[n, top], drives[n, top], *values[:, n, top]
                centers[i] = np.log(lattices[n, top])
            if not gain > GAIN * abs(best[i, 2]):
                spacing[i] *= FINER
        leader = np.array([best[owners == owner, 2].max() for owner in owners])
        active = np.flatnonzero((spacing > FINEST) & (best[:, 2] >= BEHIND * leader))
    return best
