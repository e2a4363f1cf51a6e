"""Bias of the time step on hard machines, without any sampling: `python -m benchmarks.accuracy`.

The periodic law of the discretized process (its exact covariance) is held against the exact periodic steady
state, which shares no code with it. Prints a markdown table; about a minute.
"""

from __future__ import annotations

import time

import numpy as np
from threadpoolctl import threadpool_limits

from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import Reservoir
from langevin_qtm.sampling.preparation import prepare
from langevin_qtm.sampling.settings import SimulateSettings


def converter(gamma_1=0.01, cutoff=12.0, gamma_2=100.0, omega=0.3, temperature=0.1, w_b=0.6) -> Machine:
    """Work converter, joint wiring, quarter-period phase lag."""
    coupling = {"A": {"amplitude": 1.0}, "B": {"amplitude": 1.0, "phase": np.pi / 2}}
    driven = {"kind": "drude", "gamma": gamma_1, "cutoff": cutoff}
    static = {"kind": "ohmic", "gamma": gamma_2}
    reservoirs = (
        Reservoir(name="driven", temperature=temperature, spectral_density=driven, coupling=coupling),
        Reservoir(name="static", temperature=temperature, spectral_density=static),
    )
    return Machine(frequencies={"A": 1.0, "B": w_b}, reservoirs=reservoirs, drive_frequency=omega)


MACHINES = {
    "work converter (γ_2 = 100, w_c = 12, Ω = 0.3, T = 0.1)": converter(),
    "w_c = 1000": converter(cutoff=1000.0),
    "Ω = 200, γ_1 = 1e-3": converter(gamma_1=1e-3, omega=200.0),
    "T = 0.01": converter(temperature=0.01),
    "w_c = 1000, Ω = 200, T = 0.01, γ_1 = 1e-4": converter(1e-4, 1000.0, omega=200.0, temperature=0.01),
    "γ_2 = 3, w_c = 700, Ω = 0.9, T = 0.07, w_B = 0.85, γ_1 = 0.004": converter(
        0.004, 700.0, 3.0, 0.9, 0.07, 0.85
    ),
    "γ_2 = 0.01": converter(gamma_2=0.01),
}


def main() -> None:
    """Print the table."""
    print("| machine | steps | normals | set-up s | P_A | P_B | ⟨x x⟩ | look ahead |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with threadpool_limits(1):
        for name, machine in MACHINES.items():
            exact = periodic_steady_state(machine)
            began = time.perf_counter()
            plan = prepare(machine, SimulateSettings()).plan
            seconds = time.perf_counter() - began
            largest = np.abs(exact.local_power.values).max()
            power = (plan.law.steady_power - exact.local_power.values) / largest
            covariance = exact.position_covariance.values
            position = np.abs(plan.law.steady_covariance - covariance).max() / np.abs(covariance).max()
            numbers = (
                f"{power[0]:.1e} | {power[1]:.1e} | {position:.1e} | {plan.moments.ahead * plan.step:.2f}"
            )
            print(
                f"| {name} | {plan.law.steps} | {plan.reduced.normals} | {seconds:.1f} | {numbers} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
