"""`ds.qtm`: one look a method, in a notebook. What draws comes from `panels`, imported on first use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@xr.register_dataset_accessor("qtm")
class QtmAccessor:
    """Looks at a dataset of langevin_qtm.

    Methods that draw take `ax`, by default the current axes, and return it; more keywords go to matplotlib.
    Axes label themselves from `units` and `long_name`. Exact values are computed for the stored machine on
    first use, and kept.

    Raises
    ------
    InputError
        In every method, when the dataset lacks what it needs: which variable, and the setting that stores it.
    """

    def __init__(self, dataset: xr.Dataset):
        self._dataset = dataset

    def trajectory(
        self, number: int = 0, variable: str = "position", *, ax: Axes | None = None, **style: Any
    ) -> Axes:
        """One stored trajectory over time; of positions, with lines at the exact mean ±1σ.

        Parameters
        ----------
        number : int
            Which trajectory.
        variable : {"position", "velocity", "noise", "instantaneous_power"}
        """
        from langevin_qtm.inspection.panels.trajectories import draw_trajectory

        return draw_trajectory(_axes(ax), self._dataset, number, variable, **style)

    def ensemble(self, oscillator: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Stored trajectories of one position, their mean, and the exact mean ±1σ."""
        from langevin_qtm.inspection.contents import require
        from langevin_qtm.inspection.panels.trajectories import draw_ensemble

        require(self._dataset, "position")
        name = str(self._dataset["oscillator"].values[0]) if oscillator is None else oscillator
        return draw_ensemble(_axes(ax), self._dataset, name)

    def spectrum(
        self,
        variable: str = "position",
        *,
        segment: int | None = None,
        names: list[str] | None = None,
        ax: Axes | None = None,
        **style: Any,
    ) -> Axes:
        """Power spectrum of stored trajectories, on what is expected of it (95 %) and on the exact one.

        Welch's method; the axes state convention, window and degrees of freedom, see
        `langevin_qtm.inspection.spectra`.

        Parameters
        ----------
        variable : {"position", "noise", "velocity"}
        segment : int, optional
            Samples in a segment; by default a quarter of the record, at most 4096.
        names : list of str, optional
            Oscillators or reservoirs; by default all.
        """
        from langevin_qtm.inspection.panels.spectra import draw_spectrum

        return draw_spectrum(_axes(ax), self._dataset, variable, segment, names, **style)

    def windowed_pearson(
        self, window: float | None = None, number: int = 0, *, ax: Axes | None = None, **style: Any
    ) -> Axes:
        """Pearson coefficient of the first two positions in a moving window, and the exact band of 95 %.

        Parameters
        ----------
        window : float, optional
            Length in units of time; by default two drive periods.
        number : int
            Which trajectory.
        """
        from langevin_qtm.inspection.panels.locking import draw_windowed_pearson

        return draw_windowed_pearson(_axes(ax), self._dataset, window, number, **style)

    def plane(self, *, ax: Axes | None = None) -> Axes:
        """Density of the first two positions, and the exact covariance ellipses."""
        from langevin_qtm.inspection.panels.locking import draw_plane

        return draw_plane(_axes(ax), self._dataset)

    def phase_difference(self, *, ax: Axes | None = None) -> Axes:
        """Distribution of the phase difference of the first two positions, sampled on exact."""
        from langevin_qtm.inspection.panels.locking import draw_phase_difference

        return draw_phase_difference(_axes(ax), self._dataset)

    def phase_portrait(
        self, oscillator: str | None = None, number: int = 0, *, ax: Axes | None = None
    ) -> Axes:
        """Density of position and velocity of one oscillator, covariance ellipses, a piece of path."""
        from langevin_qtm.inspection.panels.trajectories import draw_phase_portrait

        return draw_phase_portrait(_axes(ax), self._dataset, oscillator, number)

    def power_folded(self, *, ax: Axes | None = None, **style: Any) -> Axes:
        """Local powers over the drive period, mean ± standard error, on the exact curve."""
        from langevin_qtm.inspection.panels.powers import draw_folded_power

        return draw_folded_power(_axes(ax), self._dataset, **style)

    def work_distribution(
        self,
        n_periods: int | None = None,
        oscillator: str | None = None,
        *,
        is_exact: bool = False,
        ax: Axes | None = None,
        **style: Any,
    ) -> Axes:
        """Histogram of the work in n drive periods, beside a Gaussian of exact mean and variance.

        Parameters
        ----------
        n_periods : int, optional
            A multiple of the recorded `work_periods`; by default that.
        oscillator : str, optional
            By default all.
        is_exact : bool
            The exact variance of n periods, up to a minute, instead of its limit for many.
        """
        from langevin_qtm.inspection.panels.works import draw_work_distribution

        return draw_work_distribution(_axes(ax), self._dataset, n_periods, oscillator, is_exact, **style)

    def over_time(self, variable: str, *, ax: Axes | None = None) -> Axes:
        """An average over time, sampled on exact: `position_covariance`, `local_power`, `heat_current`, …"""
        from langevin_qtm.inspection.contents import kind_of
        from langevin_qtm.inspection.panels.over_time import draw_over_time
        from langevin_qtm.inspection.reference import exact_curve

        kind_of(self._dataset)
        return draw_over_time(_axes(ax), self._dataset, exact_curve(self._dataset), variable)

    def compare(self, other: xr.Dataset | None = None, *, ax: Axes | None = None, **style: Any) -> Axes:
        """Every average against that of another dataset, or its exact value, in errors of the difference.

        Parameters
        ----------
        other : xarray.Dataset, optional
            By default the exact values that `langevin_qtm.validate` uses.
        """
        from langevin_qtm.inspection.panels.convergence import draw_comparison, draw_scores
        from langevin_qtm.validation import validate

        if other is None:
            return draw_scores(_axes(ax), validate(self._dataset))
        return draw_comparison(_axes(ax), self._dataset, other, **style)

    def browse(self, path: str | Path) -> None:
        """Write one self-contained page to browse trajectories, as `langevin-qtm inspect --html`."""
        from langevin_qtm.inspection.contents import require_bokeh

        require_bokeh()
        from langevin_qtm.inspection.page import write_page

        write_page(self._dataset, path)

    def summary(self) -> pd.DataFrame:
        """Every average with its error, unit and name, one a row; over time, the last one."""
        from langevin_qtm.inspection.summary import summary

        return summary(self._dataset)


def _axes(ax: Axes | None) -> Axes:
    """The axes given, or the current ones."""
    from matplotlib import pyplot as plt

    return plt.gca() if ax is None else ax
