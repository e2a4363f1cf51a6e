"""Distribution of sampled work: cumulants with error bars, beside the exact ones, and free energies from it.

Sampled trajectories are c-number trajectories: their work has the exact mean and the c-number part of the
exact variance; higher cumulants are those of the c-number process, which is the quantum one where commutators
do not matter, in the classical limit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from langevin_qtm.errors import InputError
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.machine import Machine
from langevin_qtm.sampling.statistics import jackknife
from langevin_qtm.transients.work_cumulants import work_cumulants

CUMULANTS = ("mean", "variance", "third_cumulant", "fourth_cumulant")
QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
LARGEST_SHARE = 0.05  # of the exponential average that one trajectory may carry
FEWEST = 100  # effective samples of the exponential average


def work_statistics(dataset: xr.Dataset, periods: int | None = None, is_exact: bool = True) -> xr.Dataset:
    """Cumulants and quantiles of the work in windows of n drive periods.

    Parameters
    ----------
    dataset : xarray.Dataset
        From `simulate` with `recording.work_periods`.
    periods : int, optional
        n, a multiple of `work_periods`; by default that itself. Neighbouring windows are joined.
    is_exact : bool
        Whether to compute the exact mean and c-number variance to compare with.

    Returns
    -------
    xarray.Dataset
        Over `channel`, every oscillator and "total": the first four cumulants, each with `<name>_se` by
        the jackknife over trajectories; `quantile`; `mean_unresolved` and `variance_unresolved`, the parts
        faster than a step, exact and already added to `mean` and `variance`; then `mean_exact`,
        `variance_exact` (c-number), `variance_exact_quantum`, and the z-scores `mean_z` and `variance_z`.

    Raises
    ------
    InputError
        When windows of work have not been recorded, or not so many periods of them.
    """
    if "window_work" not in dataset:
        raise InputError("The dataset has no `window_work`; set `solver.recording.work_periods`.")
    count = int(dataset["window_work"].attrs["periods"]) if periods is None else periods
    works = joined_windows(dataset, count)
    machine = Machine.model_validate_json(dataset.attrs["machine"])
    unresolved = np.asarray(dataset["window_work"].attrs["short_time_part"]) * count * machine.period
    values, errors = _cumulants(works)
    missed = np.asarray(dataset["window_work"].attrs["short_time_power"]) * count * machine.period
    values["variance"] = values["variance"] + unresolved
    values["mean"] = values["mean"] + missed
    variables = {**values, **{f"{name}_se": error for name, error in errors.items()}}
    variables |= {"mean_unresolved": missed, "variance_unresolved": unresolved}
    if is_exact:
        exact = work_cumulants(machine, count).isel(periods=0)
        variables |= {"mean_exact": exact["mean"].values, "variance_exact": exact["variance_cnumber"].values}
        variables["variance_exact_quantum"] = exact["variance_quantum"].values
        for name, kind in (("mean", "mean"), ("variance", "variance_cnumber")):
            spread = np.hypot(errors[name], exact[f"{kind}_error"].values)
            variables[f"{name}_z"] = (values[name] - exact[kind].values) / spread
    result = xr.Dataset(
        {name: ("channel", value) for name, value in variables.items()},
        {"channel": [*machine.oscillators, "total"], "probability": list(QUANTILES)},
        {"periods": count, "trajectories": works.shape[0], "windows": works.shape[1]},
    )
    quantiles = np.quantile(works.reshape(-1, works.shape[2]), QUANTILES, axis=0)
    result["quantile"] = ("probability", "channel"), quantiles
    return result


def joined_windows(dataset: xr.Dataset, periods: int) -> FloatArray:
    """Work in windows of so many periods, total last: (trajectory, window, channel).

    Parameters
    ----------
    dataset : xarray.Dataset
        With `window_work`.
    periods : int
        A multiple of what was recorded.

    Raises
    ------
    InputError
        When it is not, or is longer than the record.
    """
    works = dataset["window_work"].transpose("sample", "window", "oscillator").values
    base = int(dataset["window_work"].attrs["periods"])
    if periods < 1 or periods % base:
        raise InputError(f"`periods` = {periods} is not a multiple of the {base} that were recorded.")
    joined = periods // base
    windows = works.shape[1] // joined
    if not windows:
        raise InputError(
            f"`periods` = {periods} is longer than the record of {base * works.shape[1]} periods."
        )
    cut = works[:, : windows * joined].reshape(len(works), windows, joined, -1).sum(axis=2)
    return np.concatenate([cut, cut.sum(axis=-1, keepdims=True)], axis=-1)


def _cumulants(works: FloatArray) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Cumulants of each channel and their standard errors, from (trajectory, window, channel)."""
    center = works.mean(axis=(0, 1))
    powers = {str(k): ((works - center) ** k).mean(axis=1) for k in range(1, 5)}

    def of(means: dict[str, FloatArray]) -> dict[str, FloatArray]:
        m1, m2, m3, m4 = (means[str(k)] for k in range(1, 5))
        variance = m2 - m1**2
        third = m3 - 3 * m1 * m2 + 2 * m1**3
        fourth = m4 - 4 * m1 * m3 - 3 * m2**2 + 12 * m1**2 * m2 - 6 * m1**4
        return dict(zip(CUMULANTS, (center + m1, variance, third, fourth), strict=True))

    return jackknife(powers, of)


@dataclass(frozen=True)
class FreeEnergy:
    """Free-energy difference from an exponential average of work.

    Attributes
    ----------
    average, average_se : float
        <exp(-W/T)> and its standard error (jackknife).
    difference, difference_se : float
        ΔF = -T ln <exp(-W/T)>, likewise.
    effective_samples : float
        (Σ weights)² / Σ weights² of the weights exp(-W/T).
    largest_share : float
        Of the average, carried by a single trajectory.
    """

    average: float
    average_se: float
    difference: float
    difference_se: float
    effective_samples: float
    largest_share: float

    @property
    def is_reliable(self) -> bool:
        """Whether many trajectories carry the average; otherwise its error bar means nothing."""
        return self.largest_share <= LARGEST_SHARE and self.effective_samples >= FEWEST


def jarzynski(works: ArrayLike, temperature: float) -> FreeEnergy:
    """Jarzynski's equality, <exp(-W/T)> = exp(-ΔF/T).

    Parameters
    ----------
    works : (trajectory,) array_like
        Total work of independent trajectories that start in equilibrium. Works of c-number trajectories
        obey the equality in the classical limit only.
    temperature : float
        T > 0.

    Raises
    ------
    InputError
        For fewer than two works, works that are not finite, or a temperature that is not positive.

    References
    ----------
    Jarzynski, Phys. Rev. Lett. 78, 2690 (1997).
    """
    values = np.asarray(works, dtype=float)
    if values.ndim != 1 or len(values) < 2 or not np.all(np.isfinite(values)):
        raise InputError("`works` must be a list of two or more finite numbers.")
    if not temperature > 0:
        raise InputError(f"`temperature` = {temperature:g} must be positive.")
    shift = values.min()
    weights = np.exp(-(values - shift) / temperature)

    def of(means: dict[str, FloatArray]) -> dict[str, FloatArray]:
        logarithm = np.log(means["weight"]) - shift / temperature
        return {"average": np.exp(logarithm), "difference": -temperature * logarithm}

    found, errors = jackknife({"weight": weights}, of)
    return FreeEnergy(
        float(found["average"]),
        float(errors["average"]),
        float(found["difference"]),
        float(errors["difference"]),
        float(weights.sum() ** 2 / (weights**2).sum()),
        float(weights.max() / weights.sum()),
    )
