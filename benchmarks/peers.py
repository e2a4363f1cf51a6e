"""Other programs on the same work: `python -m benchmarks.peers`, minutes, not part of `python -m benchmarks`.

Needs the optional dependencies `bench`; programs that do not import cost one line. Two markdown tables, on
one thread, in double precision.

classical
    One oscillator and a Drude reservoir at a high temperature, the only limit that the general programs
    share: w = 1, γ = 0.5, w_c = 5, T = 5. The same time step, trajectories and steps for all, in one call.
    The rate is that of the second call; `first call` is what the first one took longer, compilation for the
    most part. `to 0.5 %` is the wall time of the second call scaled by 1/√N to a standard error of 0.5 % of
    <x²>. The error is against the exact value, T/w² for the classical programs, the quantum one for this
    package, which knows no classical noise; far beyond its standard error it is the bias of the step.
quantum
    One oscillator and a static Drude reservoir, γ = 0.1, w_c = 5, at T = 1 and 0.2: QuTiP's hierarchical
    equations (poles and depth found by hand, the search is not counted) against `simulate` and
    `periodic_steady_state`. Weak coupling is what the hierarchy is good at.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import peer_programs as programs
from benchmarks.timed import timed_simulate
from langevin_qtm import DrudeLorentz, Machine, Reservoir, periodic_steady_state

TARGET = 0.005
HEOM = {  # levels, poles, depth, terminator
    1.0: [(10, 2, 2, True), (10, 2, 3, True), (10, 3, 3, False)],
    0.2: [(8, 6, 2, True), (8, 10, 2, False), (8, 12, 2, False)],
}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    parser.add_argument("--trajectories", type=int, default=1152, help="of the classical case")
    parser.add_argument("--steps", type=int, default=50_000, help="of the classical case")
    arguments = parser.parse_args()
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    with threadpool_limits(1):
        print_classical(arguments.trajectories, arguments.steps)
        print_quantum()


def one_oscillator(gamma: float, temperature: float) -> Machine:
    """Oscillator of frequency 1 with a static Drude reservoir."""
    density = DrudeLorentz(gamma=gamma, cutoff=programs.CUTOFF)
    return Machine(
        frequencies={"A": 1.0},
        reservoirs=[Reservoir(name="bath", temperature=temperature, spectral_density=density)],
    )


def exact_square(machine: Machine) -> float:
    """<x²>."""
    return periodic_steady_state(machine).position_covariance.item()


def print_classical(trajectories: int, steps: int) -> None:
    """Rates, times and errors of every program that imports."""
    quantum = exact_square(one_oscillator(programs.GAMMA, programs.TEMPERATURE))
    classical = programs.TEMPERATURE
    cases = {
        "gleqpy": (programs.gleqpy, classical),
        "diffrax": (programs.diffrax, classical),
        "LAMMPS fix gle": (programs.lammps, classical),
        "textbook loop": (programs.textbook, classical),
        "langevin_qtm, the same step": (
            partial(own, steps_per_period=round(2 * np.pi / programs.DT)),
            quantum,
        ),
        "langevin_qtm, its own step": (own, quantum),
    }
    print(f"{trajectories} trajectories, {steps} steps of {programs.DT}\n")
    print("| program | 1e6 steps/s | first call s | to 0.5 % s | error of <x²> |")
    print("| --- | --- | --- | --- | --- |")
    for name, (program, exact) in cases.items():
        print(f"| {name} | {classical_row(program, exact, trajectories, steps)} |", flush=True)


def classical_row(program: Callable, exact: float, trajectories: int, steps: int) -> str:
    """Numbers of one program."""
    calls = []
    try:
        for _ in range(2):
            began = time.perf_counter()
            result = program(trajectories, steps)
            calls.append(time.perf_counter() - began)
    except (ImportError, OSError) as error:
        return f"does not import: {error} | | |"
    relative = result.error / exact
    needed = result.seconds * (relative / TARGET) ** 2
    deviation = f"{100 * (result.mean / exact - 1):.2f} ± {100 * relative:.2f} %"
    rate = 1e-6 * result.steps / result.seconds
    return f"{rate:.3g} | {max(0.0, calls[0] - calls[1]):.2g} | {needed:.2g} | {deviation}"


def own(trajectories: int, steps: int, **settings: object) -> programs.Outcome:
    """`simulate` for the same trajectory time, set-up not counted."""
    machine = one_oscillator(programs.GAMMA, programs.TEMPERATURE)
    periods = round(steps * programs.DT / machine.period)
    return sampled(machine, trajectories=trajectories, periods=periods, **settings)


def sampled(machine: Machine, **settings: object) -> programs.Outcome:
    """`simulate` on one thread from the steady state; seconds of the measurement."""
    run = timed_simulate(machine, start="steady", seed=1, **settings)
    square, error = run.dataset.position_covariance.item(), run.dataset.position_covariance_se.item()
    return programs.Outcome(square, error, run.steps, run.seconds)


def print_quantum() -> None:
    """Errors and seconds of the quantum case."""
    print("\n| T | program | wall s | error of <x²> |\n| --- | --- | --- | --- |")
    for temperature, attempts in HEOM.items():
        machine = one_oscillator(0.1, temperature)
        began = time.perf_counter()
        exact = exact_square(machine)
        seconds = time.perf_counter() - began
        for attempt in attempts:
            print(f"| {temperature} | {heom_row(temperature, attempt, exact)} |", flush=True)
        print(f"| {temperature} | simulate | {simulate_row(machine, exact)} |")
        print(f"| {temperature} | periodic_steady_state | {seconds:.2g} | exact, {exact:.6f} |", flush=True)


def heom_row(temperature: float, attempt: tuple[int, int, int, bool], exact: float) -> str:
    """Name, seconds and error of one truncation of the hierarchy."""
    levels, poles, depth, terminator = attempt
    name = f"QuTiP HEOM, {levels} levels, {poles} poles, depth {depth}{', terminator' * terminator}"
    try:
        square, seconds, spectrum = programs.heom(temperature, *attempt)
    except ImportError as error:
        return f"{name} | | does not import: {error}"
    remark = " (noise spectrum of the fit is negative)" * (spectrum < 0)
    return f"{name} | {seconds:.2g} | {100 * (square / exact - 1):.2f} %{remark}"


def simulate_row(machine: Machine, exact: float) -> str:
    """Seconds to `TARGET` with set-up, and error of a run."""
    began = time.perf_counter()
    result = sampled(machine, trajectories=1024, periods=160)
    setup = time.perf_counter() - began - result.seconds
    relative = result.error / exact
    needed = result.seconds * (relative / TARGET) ** 2
    deviation = f"{100 * (result.mean / exact - 1):.2f} ± {100 * relative:.2f} %"
    return f"{setup:.2g} set-up + {needed:.2g} to 0.5 % | {deviation}"


if __name__ == "__main__":
    main()
