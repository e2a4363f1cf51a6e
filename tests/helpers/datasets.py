"""Datasets made by hand: what a perfect sampler would return."""

from __future__ import annotations

import numpy as np

from langevin_qtm.schema import PERIOD_AVERAGES, assemble


def sampled(machine, exact, seed=1, relative_error=0.01, trajectories=256):
    """Exact period averages plus Gaussian noise of the stored standard errors; symmetric where they are."""
    rng = np.random.default_rng(seed)
    variables, undefined = {}, {}
    for name in PERIOD_AVERAGES:
        value = exact[name].values
        se = relative_error * np.nan_to_num(np.abs(value)) + 1e-6
        noise = rng.standard_normal(value.shape)
        if name in ("position_covariance", "velocity_covariance"):
            noise = np.tril(noise) + np.tril(noise, -1).T
        variables |= {name: value + se * noise, f"{name}_se": se}
        if "undefined" in exact[name].attrs:
            undefined[name] = exact[name].attrs["undefined"]
    attrs = {"method": "simulate", "trajectories": trajectories, "seed": "1", "stop_reason": "target_error"}
    return assemble(machine, variables, attrs, undefined=undefined)
