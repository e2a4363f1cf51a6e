"""What the figures of published results share: datasets of their run files, and sampled against exact
numbers.

A figure draws the datasets of the run files in `runs/<name>`. Exact curves and maps that are not given on the
command line nor kept in `analysis/data` are computed; sampled ones, which take minutes, are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from paths import ANALYSIS, DATA, FIGURES, STYLE
from saving import save

from langevin_qtm import load_sweep, open_dataset, run_sweep
from langevin_qtm.report import error_number, number

RUNS = ANALYSIS.parent / "runs"
ROUTES = {
    "exact": {"solver": {"method": "periodic_steady_state", "tolerance": 1e-7, "phases": 4}},
    "second_order": {"solver": {"method": "second_order"}},
}
GRAY = "0.4"
CIRCLE = {"fmt": "o", "ms": 4.0, "mew": 0.9, "elinewidth": 0.9, "zorder": 4}
MARKERS, COLORS = "osD^v", ("C0", "C1", "C2", "C3", "C4")
PDF_DPI = 450  # of maps
STATIC = "static_gamma"  # dim of γ_2
OMEGA = r"drive frequency $\Omega\ [\omega_A]$"
GAMMA = r"static coupling $\gamma_2\ [\omega_A]$"

Datasets = Mapping[str, xr.Dataset]


@dataclass(frozen=True)
class Script:
    """What tells the figures apart.

    Parameters
    ----------
    name : str
        Folder of the run files, and of the figure `fig_<name>`.
    exact, sampled : sequences of str
        Run files without suffix.
    compared : mapping
        Symbols, by variable, of the sampled numbers that are held against exact ones; those with a dim
        `oscillator` for the first one.
    draw : callable
        Figure from the datasets by run file; sampled ones may be absent.
    numbers : callable
        From the same datasets: numbers that texts quote, a sentence each.
    quick : mapping
        By run file: overrides that make its axes coarser, for `--quick`.
    derive : callable
        The datasets by run file, with others that are computed from them.
    """

    name: str
    exact: Sequence[str]
    sampled: Sequence[str]
    compared: Mapping[str, str]
    draw: Callable[[Datasets], Figure]
    numbers: Callable[[Datasets], list[str]]
    quick: Mapping[str, Mapping[str, object]]
    derive: Callable[[Datasets], Datasets] = dict


def make_figure(script: Script, argv: Sequence[str] | None = None) -> None:
    """Read or compute the datasets, write PDF and PNG, print the numbers and how sampled ones deviate."""
    parser = argparse.ArgumentParser(description=f"Figure of runs/{script.name}.")
    parser.add_argument("datasets", nargs="*", type=Path, help=f"datasets of runs/{script.name}/*.toml")
    parser.add_argument("--quick", action="store_true", help="exact curves and maps on coarse axes")
    parser.add_argument("-o", "--output", type=Path, default=FIGURES, help="folder of the figure")
    arguments = parser.parse_args(argv)
    datasets = collect(script, [open_dataset(path) for path in arguments.datasets], arguments.quick)
    with mpl.rc_context(fname=STYLE):
        figure = script.draw(datasets)
        save(figure, arguments.output, f"fig_{script.name}", PDF_DPI)
        plt.close(figure)
    print("\n".join([*script.numbers(datasets), *tables(script, datasets)]))


def kept(script: Script, stem: str) -> Path:
    """Where the dataset of a run file is looked for."""
    return DATA / f"{script.name}_{stem}.nc"


def collect(script: Script, given: Sequence[xr.Dataset] = (), quick: bool = False) -> dict[str, xr.Dataset]:
    """Datasets by run file: given, kept, or computed. Sampled ones carry the numbers of other routes."""
    found = {}
    for stem in (*script.exact, *script.sampled):
        path = RUNS / script.name / f"{stem}.toml"
        sweep = load_sweep(path, script.quick.get(stem) if quick else None)
        place = kept(script, stem)
        candidates = [*given, *([open_dataset(place)] if place.exists() else [])]
        same = [each for each in candidates if each.attrs.get("config_sha256") == sweep.config_sha256]
        if same:
            found[stem] = same[0]
        elif stem in script.exact:
            found[stem] = run_sweep(sweep)
        else:
            print(f"No points yet; langevin-qtm run {path.relative_to(RUNS.parent)} -o {place} makes them.")
            continue
        if stem in script.sampled:
            others = {route: run_sweep(load_sweep(path, solver)) for route, solver in ROUTES.items()}
            found[stem] = with_routes(found[stem], others, list(script.compared))
    return dict(script.derive(found))


def with_routes(sampled: xr.Dataset, routes: Datasets, names: Sequence[str]) -> xr.Dataset:
    """The sampled dataset with the numbers of the same machines by other routes, `<route>_<name>`.

    Added is `<name>_bias`, too: the error that the run allows itself for its step and its noise, relative to
    the largest number of the variable at that point, as in `validate`.
    """
    added = {}
    for route, dataset in routes.items():
        for name in names:
            added[f"{route}_{name}"] = dataset[name]
            if f"{name}_error" in dataset:
                added[f"{route}_{name}_error"] = dataset[f"{name}_error"].fillna(0.0)
    allowance = sampled["step_error"] + sampled["noise_fit_error"]
    for name in names:
        others = [dim for dim in sampled[name].dims if dim not in allowance.dims]
        added[f"{name}_bias"] = allowance * np.abs(sampled[name]).max(others)
    return sampled.assign({name: (value.dims, value.values) for name, value in added.items()})


def of_first(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset for the first oscillator."""
    return dataset.isel(oscillator=0) if "oscillator" in dataset.dims else dataset


def deviation(dataset: xr.Dataset, name: str) -> xr.DataArray:
    """Sampled minus exact in standard errors, with the numerical errors of both."""
    error = np.hypot(dataset[f"{name}_se"], dataset[f"{name}_bias"])
    return (dataset[name] - dataset[f"exact_{name}"]) / np.hypot(error, dataset[f"exact_{name}_error"])


def tables(script: Script, datasets: Datasets) -> list[str]:
    """Markdown table of every sampled number that has an error: sampled, exact, deviation, second order."""
    lines = []
    for stem in script.sampled:
        if stem in datasets:
            lines += ["", *table(of_first(datasets[stem]), script.compared)]
    return lines


def table(points: xr.Dataset, compared: Mapping[str, str]) -> list[str]:
    """Rows of `tables` for one dataset."""
    keys = varied(points)
    names = ", ".join(str(key).replace("_", " ") for key in keys)
    lines = [f"| {names} | number | sampled | exact | z | second order |", "| --- " * 6 + "|"]
    for index in range(points.sizes["point"]):
        one = points.isel(point=index)
        where = ", ".join(shown(one[key].item()) for key in keys)
        for name, symbol in compared.items():
            z = deviation(one, name).item()
            if np.isfinite(z):
                value, error = one[name].item(), one[f"{name}_se"].item()
                exact, second = (number(one[f"{route}_{name}"].item(), error) for route in ROUTES)
                sampled = f"{number(value, error)} ± {error_number(error)}"
                cells = [where, symbol, sampled, exact, f"{z:+.1f}", second]
                lines.append(f"| {' | '.join(cells)} |")
    return lines


def varied(points: xr.Dataset) -> list[str]:
    """Coordinates that tell sampled points apart."""
    names = [str(name) for name in points.coords if points[name].dims == ("point",) and name != "point"]
    return [name for name in names if len(set(points[name].values.tolist())) > 1 and "periods" not in name]


def shown(value: object) -> str:
    """A coordinate in a few characters."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def each(points: xr.Dataset) -> Iterator[xr.Dataset]:
    """Sampled points one after the other, for the first oscillator."""
    for index in range(points.sizes["point"]):
        yield of_first(points).isel(point=index)


# ------------------------------------------------------------------------------------------------- panels


def draw_deviations(axes: Axes, script: Script, datasets: Datasets) -> None:
    """Deviations of all sampled points in standard errors, one after the other; ±2 shaded."""
    points = [of_first(datasets[stem]) for stem in script.sampled if stem in datasets]
    axes.set(xlabel="sampled point", ylabel=r"deviation $[\sigma]$")
    if not points:
        axes.text(0.5, 0.5, "nothing sampled yet", transform=axes.transAxes, ha="center", va="center")
        return
    axes.axhspan(-2, 2, color="0.92", zorder=0, lw=0)
    axes.axhline(0.0, color="k", lw=0.5, zorder=1)
    largest = 4.0
    for (name, symbol), marker, color in zip(script.compared.items(), MARKERS, COLORS, strict=False):
        z = np.concatenate([deviation(one, name).values for one in points])
        axes.plot(np.arange(1, len(z) + 1), z, marker, color=color, mfc="w", mew=0.9, ls="", label=symbol)
        largest = max(largest, np.nanmax(np.abs(z), initial=0.0))
    axes.set_ylim(-1.05 * largest, 1.35 * largest)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="upper right", ncols=len(script.compared))


def letter(*cells: Axes) -> None:
    """Panel letters."""
    for name, axes in zip("abcdefgh", cells, strict=False):
        axes.set_title(rf"$\mathbf{{({name})}}$", loc="left", pad=4)
