"""What the estimator buys: standard errors of the same trajectories, estimated with less and less skill."""

from __future__ import annotations

import numpy as np

from benchmarks.main_job import main_plan, main_run
from benchmarks.rounds import Line
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.group import Plan, new_group
from langevin_qtm.sampling.moments import MomentPlan
from langevin_qtm.sampling.observables import balanced, period_averages
from langevin_qtm.sampling.start import start_covariance
from langevin_qtm.sampling.statistics import mean_and_error


def measure(groups: int = 4, periods: int = 300) -> list[Line]:
    """Lines of the table: variances of the first local power and of all heat currents.

    Parameters
    ----------
    groups : int
        Groups of 64 trajectories.
    periods : int
    """
    plan, machine = main_plan(), main_run().machine
    near, far = (_averages(p, groups, periods) for p in (_point_samples(plan), plan))
    energies = dict(far, residuals=far["residuals"][:, : plan.bodies])
    errors = {
        "1 step ahead": _errors(balanced(near, False)),
        f"{plan.moments.ahead} steps ahead": _errors(balanced(far, False)),
        "and energy balance": _errors(balanced(energies, True)),
        "all": _errors(balanced(far, True)),
    }
    names = [f"P_{machine.oscillators[0]}", *(f"J_{reservoir.name}" for reservoir in machine.reservoirs)]
    last = errors["all"]
    return [
        Line("estimator", f"Var {name}, {how} / all", (error / last)[k] ** 2)
        for k, name in enumerate(names)
        for how, error in list(errors.items())[:-1]
    ]


def _point_samples(plan: Plan) -> Plan:
    """The same steps with moments taken one step ahead."""
    return Plan(MomentPlan(plan.law, 1), plan.window)


def _averages(plan: Plan, groups: int, periods: int) -> dict[str, FloatArray]:
    """Period averages of every trajectory."""
    covariance, parts = start_covariance(plan.law, "steady", None), []
    for index in range(groups):
        group = new_group(plan, main_run().solver.seed, index, covariance)
        group.advance(plan.kernel_steps, periods)
        parts.append(period_averages(plan, group.totals))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _errors(averages: dict[str, FloatArray]) -> FloatArray:
    """Standard errors of the first local power and of the heat currents."""
    power, heat = (mean_and_error(averages[name])[1] for name in ("local_power", "heat_current"))
    return np.append(power[:1], heat)
