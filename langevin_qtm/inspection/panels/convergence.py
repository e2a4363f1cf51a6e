"""Whether a run was long enough: block averages, running means, z-scores, what is left of the start."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from langevin_qtm.data.files import stored_machine
from langevin_qtm.inspection.contents import require, step_of
from langevin_qtm.inspection.labels import LIGHT, TIME, color_of, make_room, styled, symbol
from langevin_qtm.inspection.panels.works import running_power
from langevin_qtm.inspection.reference import exact_steady, position_correlation
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.report import averages, elements
from langevin_qtm.validation import Validation

MOST_LAGS = 16384


def squares_error(correlation: FloatArray, counts: FloatArray, trajectories: int) -> FloatArray:
    """Exact standard deviation of the mean of x² over so many samples of independent trajectories.

    Var = 2/M² Σ_m (M - |m|) R(m)², for a Gaussian process of zero mean.

    Parameters
    ----------
    correlation : (lag,) array
        R at lags 0, 1, … samples; beyond the last it is taken to be zero.
    counts : (count,) int array
        Samples M averaged.
    trajectories : int
    """
    squares = np.zeros(max(int(counts.max()), len(correlation)))
    squares[: len(correlation)] = correlation**2
    lag = np.arange(len(squares))
    first, second = np.cumsum(squares), np.cumsum(lag * squares)
    place = counts - 1
    total = counts * (2 * first[place] - squares[0]) - 2 * second[place]
    return np.sqrt(2 * total / counts**2 / trajectories)


def draw_block_means(axes: Axes, dataset: xr.Dataset) -> Axes:
    """Mean of x² of the stored trajectories in each drive period, and the running mean, on exact bands."""
    require(dataset, "position")
    machine, step = stored_machine(dataset), step_of(dataset)
    values = dataset["position"].transpose("trajectory", "time", "oscillator").values.astype(float) ** 2
    trajectories, count, _ = values.shape
    block = max(1, round(machine.period / step))
    time = dataset["time"].values
    lags = min(count, MOST_LAGS)
    correlation, exact = position_correlation(dataset, step, lags), exact_steady(dataset)
    for place, name in enumerate(str(n) for n in dataset["oscillator"].values):
        color = color_of(dataset, "oscillator", name)
        series = values[..., place].mean(axis=0)
        running = np.cumsum(series) / np.arange(1, count + 1)
        if correlation is not None and exact is not None:
            truth = float(exact["position_covariance"][place, place])
            counts = np.unique(np.geomspace(max(1, block // 2), count, 200).astype(int))
            error = squares_error(correlation[:, place, place], counts, trajectories)
            axes.fill_between(time[counts - 1], truth - error, truth + error, color=color, alpha=0.2, lw=0)
            axes.axhline(truth, color=color, lw=0.8, ls="--")
        whole = count // block * block
        blocks = series[:whole].reshape(-1, block).mean(axis=1)
        middle = time[:whole].reshape(-1, block).mean(axis=1)
        axes.plot(middle, blocks, "o", ms=2.5, mfc="w", mew=0.7, color=color)
        axes.plot(
            time[block // 2 :], running[block // 2 :], color=color, label=rf"$\langle x_{{{name}}}^2\rangle$"
        )
    axes.set(xlim=(time[0], time[-1]), xlabel=TIME)
    axes.set_ylabel(f"mean square position of\n{trajectories} trajectories " r"$[\omega_A^{-1}]$")
    make_room(axes, above=0.3)
    axes.plot([], [], "o", ms=2.5, mfc="w", mew=0.7, color="0.4", label="single periods")
    axes.plot([], [], color="0.4", label="since the start")
    axes.fill_between([], [], color="0.4", alpha=0.2, lw=0, label=r"exact $\pm1\sigma$ of it")
    axes.legend(loc="upper right", ncols=3)
    return axes


def draw_running_powers(axes: Axes, dataset: xr.Dataset) -> Axes:
    """Power of all trajectories, averaged since the start of the measurement, in units of the exact one."""
    exact = exact_steady(dataset)
    for name in (str(n) for n in dataset["oscillator"].values):
        time, mean, error = running_power(dataset, name)
        color = color_of(dataset, "oscillator", name)
        truth = 1.0 if exact is None else float(exact["local_power"].sel(oscillator=name))
        if truth == 0:
            continue
        ratio, spread = mean / truth, error / abs(truth)
        axes.fill_between(time, ratio - spread, ratio + spread, color=color, alpha=0.25, lw=0)
        axes.plot(time, ratio, color=color, label=symbol("local_power", name))
    axes.axhline(1.0, color="k", lw=0.6)
    axes.set(xscale="log", xlim=(time[0], time[-1]), xlabel=TIME)
    axes.set_ylabel("mean power since the start\nover exact, ± std. error")
    axes.legend(loc="upper right")
    return axes


def draw_run_in(axes: Axes, dataset: xr.Dataset) -> Axes:
    """What is left of the start, by the largest Floquet multiplier, and where the measurement began."""
    modulus, run_in = float(dataset.attrs["max_multiplier"]), int(dataset.attrs["run_in_periods"])
    rate = -2 * math.log(modulus) if modulus > 0 else math.inf
    stop = max(1.3 * run_in, 16 / rate if rate else 1.0, 1.0)
    periods = np.linspace(0, stop, 200)
    axes.semilogy(periods, np.maximum(np.exp(-rate * periods), 1e-300), color="C0", label=r"$|\mu|^{2n}$")
    axes.axvspan(run_in, stop, color=LIGHT, lw=0, zorder=0)
    left = math.exp(-rate * run_in)
    start = str(dataset.attrs.get("start", ""))
    text = "steady start: no run-in" if start == "steady" else f"run-in {run_in} periods: {left:.0e} is left"
    scores = [f"{key} z = {float(dataset.attrs[f'steady_{key}_z']):.1f}" for key in ("change", "trend")]
    axes.text(
        0.97,
        0.95,
        f"{text}\nblocks: {', '.join(scores)}",
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize=8,
    )
    axes.text(run_in + 0.02 * stop, 0.03, "measured", transform=axes.get_xaxis_transform(), fontsize=8)
    axes.set(xlim=(0, stop), xlabel="drive periods $n$", ylabel="share of second moments\nleft of the start")
    make_room(axes, above=0.25)
    axes.legend(loc="lower left")
    return axes


def draw_scores(axes: Axes, validation: Validation) -> Axes:
    """Deviation of every number from its exact value in standard errors, and the limit of `validate`."""
    rows = validation.judged
    places = np.arange(len(rows))[::-1]
    scores = np.array([row.z for row in rows])
    limit = validation.threshold
    axes.axvspan(-1, 1, color=LIGHT, lw=0, zorder=0)
    for sign in (-1, 1):
        axes.axvline(sign * limit, color="C1", lw=0.8, ls="--")
    axes.axvline(0.0, color="k", lw=0.5)
    colors = ["C1" if abs(score) > limit else "C0" for score in scores]
    reach = 1.1 * max(limit, float(np.abs(scores[np.isfinite(scores)]).max(initial=0.0)))
    axes.scatter(np.clip(scores, -reach, reach), places, s=12, c=colors, zorder=3)
    axes.set_yticks(places, [row.label.replace("_", " ") for row in rows], fontsize=7)
    unit = "standard errors" if validation.is_sampled else "error bounds"
    axes.set(xlim=(-reach, reach), ylim=(-0.7, len(rows) - 0.3), xlabel=f"deviation from exact [{unit}]")
    rms = float(np.sqrt(np.mean(scores[np.isfinite(scores)] ** 2)))
    axes.set_title(
        f"{validation.compared or len(rows)} numbers, rms {rms:.2f}, limit {limit:.1f}", loc="right"
    )
    axes.tick_params(axis="y", which="both", right=False, length=2)
    return axes


def compared(dataset: xr.Dataset, other: xr.Dataset) -> tuple[list[str], FloatArray]:
    """Labels and (dataset - other)/error of every average that both have, errors in quadrature."""
    labels, scores = [], []
    there = {name: (values, errors) for name, values, errors in averages(other)}
    for name, values, errors in averages(dataset):
        if name not in there or there[name][0].shape != values.shape:
            continue
        difference = values - there[name][0]
        spread = np.hypot(errors, there[name][1])
        for label, index in elements(dataset, name):
            if spread[index] > 0 and np.isfinite(difference[index]):
                labels.append(label)
                scores.append(difference[index] / spread[index])
    return labels, np.array(scores)


def draw_comparison(axes: Axes, dataset: xr.Dataset, other: xr.Dataset, **style) -> Axes:
    """Difference of two datasets in every average, over their errors in quadrature."""
    labels, scores = compared(dataset, other)
    places = np.arange(len(labels))[::-1]
    axes.axvspan(-2, 2, color=LIGHT, lw=0, zorder=0)
    axes.axvline(0.0, color="k", lw=0.5)
    reach = max(4.0, 1.15 * float(np.abs(scores).max(initial=0.0)))
    axes.scatter(scores, places, **styled(style, s=12, color="C0", zorder=3))
    axes.set_yticks(places, [label.replace("_", " ") for label in labels], fontsize=7)
    axes.set(ylim=(-0.7, len(labels) - 0.3), xlabel="difference [combined errors]")
    if reach > 50:
        axes.set_xscale("symlog", linthresh=2.0)
    axes.set_xlim(-reach, reach)
    axes.tick_params(axis="y", which="both", right=False, length=2)
    return axes
