"""The figures that `langevin-qtm inspect` writes, for each kind of dataset, and the order they come in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from langevin_qtm.errors import InputError, NotConvergedError, UnstableMachineError
from langevin_qtm.inspection.contents import kind_of, trajectory_of
from langevin_qtm.inspection.labels import STYLE
from langevin_qtm.inspection.look import Look
from langevin_qtm.inspection.steady_figures import steady_looks
from langevin_qtm.inspection.sweep_figures import sweep_looks
from langevin_qtm.inspection.time_figures import time_looks


def looks(dataset: xr.Dataset, numbers: Sequence[int] | None = None) -> list[Look]:
    """All figures for a dataset, those included for which it may lack something.

    Parameters
    ----------
    dataset : xarray.Dataset
    numbers : sequence of int, optional
        Trajectories to show; by default the first four.

    Raises
    ------
    InputError
        For a dataset of another program, and for trajectories that are not stored.
    """
    kind = kind_of(dataset)
    if kind == "sweep":
        return list(sweep_looks(dataset))
    for number in numbers or ():
        trajectory_of(dataset, number)
    return list(time_looks(dataset, numbers) if kind == "over time" else steady_looks(dataset, numbers))


def select(found: Sequence[Look], names: Sequence[str] | None) -> list[Look]:
    """Figures by name, in the order of the dataset; all without names.

    Raises
    ------
    InputError
        For a name that this dataset has no figure of.
    """
    known = [look.name for look in found]
    for name in names or ():
        if name not in known:
            raise InputError(
                f"`--only` {name}: there is no such figure; for this dataset there are {', '.join(known)}."
            )
    return [look for look in found if names is None or look.name in names]


def drawn(chosen: Sequence[Look]) -> Iterator[tuple[Look, Figure | None, str]]:
    """Figures one after the other, in the style of the package.

    Yields
    ------
    look : Look
    figure : Figure or None
    reason : str
        Why it could not be drawn; empty when it was.
    """
    with mpl.rc_context(fname=STYLE):
        for look in chosen:
            try:
                yield look, look.draw(), ""
            except (InputError, NotConvergedError, UnstableMachineError) as error:
                plt.close("all")
                yield look, None, str(error)


def write(folder: Path, suffixes: Sequence[str], chosen: Sequence[Look]) -> Iterator[tuple[Look, str]]:
    """Draw and write figures; yields each with the reason why it could not be drawn, else empty."""
    for look, figure, reason in drawn(chosen):
        if figure is not None:
            for suffix in suffixes:
                metadata = {"CreationDate": None} if suffix == "pdf" else None
                figure.savefig(folder / f"{look.name}.{suffix}", metadata=metadata)
            plt.close(figure)
        yield look, reason


def show(chosen: Sequence[Look]) -> Iterator[tuple[Look, str]]:
    """Draw figures and open them in windows at the end; yields as `write`."""
    for look, figure, reason in drawn(chosen):
        if figure is not None and figure.canvas.manager is not None:
            figure.canvas.manager.set_window_title(f"{look.name}: {look.caption}")
        yield look, reason
    plt.show()
