"""Time of the exact solvers: one point, a map of second order against `quad`, grids of steady states."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import product

import numpy as np
import xarray as xr

from benchmarks.main_job import main_run
from benchmarks.rounds import Line, fastest
from benchmarks.second_order_quad import numbers
from langevin_qtm.errors import UnstableMachineError
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.exact.second_order import second_order, second_order_map
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz, Lorentzian, Ohmic, Reservoir
from langevin_qtm.transients.transient import transient

MAP = (100, 100)  # drive frequencies 0.01 … 100, temperatures 0.01 … 10
SAMPLE = 24  # points of the map that are compared
TIMED, CHECKED = 1e-6, 1e-10  # tolerance of `quad` where it is timed, and where it is the reference
# γ_2, γ_1, Ω of machines at T = 0.1, each with three driven reservoirs: cut-offs 12 and 1000, a narrow line
WEAK = tuple(product((0.1, 0.01), (0.01,), (0.03, 0.1, 0.3, 1.0, 3.0, 30.0)))
STRONG = tuple(product((100.0,), (0.01, 1.0), (0.03, 0.3, 3.0, 200.0)))


def measure() -> list[Line]:
    """Lines of the table."""
    return [*points(), *second_order_maps(), *steady_states()]


def points(rounds: int = 3) -> list[Line]:
    """One point of each solver."""
    machine = main_run().machine
    seconds = fastest(
        {
            "second": lambda: second_order(machine),
            "steady": lambda: periodic_steady_state(machine),
            "short": lambda: transient(machine, np.linspace(0.0, 1e3, 200)),
            "long": lambda: transient(machine, np.linspace(0.0, 1e8, 200)),
        },
        rounds,
    )
    lines = [
        ("second_order", 1e3 * seconds["second"], "ms"),
        ("periodic_steady_state", 1e3 * seconds["steady"], "ms"),
        ("periodic_steady_state / second_order", seconds["steady"] / seconds["second"]),
        ("transient, 200 times to 1e3", 1e3 * seconds["short"], "ms"),
        ("transient to 1e8 / to 1e3", seconds["long"] / seconds["short"]),
    ]
    return [Line("exact routes", *line) for line in lines]


def second_order_maps(size: tuple[int, int] = MAP, sample: int = SAMPLE, rounds: int = 2) -> list[Line]:
    """A map of the main job over drive frequency and temperature, against `quad` on points drawn from it.

    Parameters
    ----------
    size : (int, int)
        Drive frequencies and temperatures.
    sample : int
        Points at which the same integrals are solved by `quad`, whose time is scaled to the whole map.
    rounds : int
    """
    machine = main_run().machine
    frequencies, temperatures = np.geomspace(0.01, 100.0, size[0]), np.geomspace(0.01, 10.0, size[1])
    rng = np.random.default_rng(1)
    chosen = list(zip(*(rng.integers(0, count, sample) for count in size), strict=True))

    def by_quad(tolerance: float) -> FloatArray:
        return np.array([numbers(machine, frequencies[i], temperatures[j], tolerance) for i, j in chosen])

    seconds = fastest(
        {
            "map": lambda: second_order_map(machine, drive_frequency=frequencies, temperature=temperatures),
            "quad": lambda: by_quad(TIMED),
        },
        rounds,
    )
    found = second_order_map(machine, drive_frequency=frequencies, temperature=temperatures)
    error = max(
        _deviation(found.isel(drive_frequency=i, temperature=j), reference)
        for (i, j), reference in zip(chosen, by_quad(CHECKED), strict=True)
    )
    points = size[0] * size[1]
    ratio = seconds["quad"] / sample * points / seconds["map"]
    lines = [
        (f"second_order_map, {points:.0e} points", seconds["map"], "s", "<= 10 asked"),
        ("scipy quad / second_order_map", ratio, "", f"quad at tolerance {TIMED:.0e}"),
        (f"map - quad, {sample} points", error, "", "<= 1e-6, of the largest of a kind"),
    ]
    return [Line("exact routes", *line) for line in lines]


def _deviation(point: xr.Dataset, reference: FloatArray) -> float:
    """Farthest number of a point from those of `quad`, relative to the largest of its kind."""
    power, into_medium, quantum, commutator, covariance = np.split(reference, [2, 3, 6, 9])
    local, total = [0, 2], np.array([1.0, 2.0, 1.0])
    both = quantum + commutator
    pairs = [
        [(point.local_power, power), (point.heat_current[1], -into_medium[0])],
        [
            (point.fluctuation_cnumber, quantum[local]),
            (point.fluctuation_quantum, both[local]),
            (point.power_fluctuation_cnumber, quantum @ total),
            (point.power_fluctuation_quantum, both @ total),
        ],
        [(point.position_covariance.values[[0, 0, 1], [0, 1, 1]], covariance)],
    ]
    farthest = 0.0
    for kind in pairs:
        own, other = (np.concatenate([np.atleast_1d(x) for x in each]) for each in zip(*kind, strict=True))
        farthest = max(farthest, float(np.abs(own - other).max() / np.abs(other).max()))
    return farthest


def steady_states(weak: Sequence = WEAK, strong: Sequence = STRONG) -> list[Line]:
    """`periodic_steady_state` over grids of machines, those left out that are unstable.

    Parameters
    ----------
    weak, strong : sequence of (γ_2, γ_1, Ω)
    """
    lines = []
    for name, grid, asked in (("weak", weak, 50), ("strong", strong, 1000)):
        seconds = [_seconds(machine) for point in grid for machine in machines(*point)]
        milliseconds = [1e3 * number for number in seconds if number is not None]
        label = f"{len(milliseconds)} steady states, {name} coupling"
        lines += [
            (f"{label}: median", float(np.median(milliseconds)), "ms", f"<= {asked} asked"),
            (f"{label}: slowest", max(milliseconds), "ms", f"<= {asked} asked"),
        ]
    return [Line("exact routes", *line) for line in lines]


def _seconds(machine: Machine) -> float | None:
    """Of the processor, the faster of two calls; None for an unstable machine."""
    times = []
    try:
        for _ in range(2):
            began = time.process_time()
            periodic_steady_state(machine)
            times.append(time.process_time() - began)
    except UnstableMachineError:
        return None
    return min(times)


def machines(static_gamma: float, driven_gamma: float, drive_frequency: float) -> list[Machine]:
    """The machine of the main job with other reservoirs."""
    densities = (
        DrudeLorentz(gamma=driven_gamma, cutoff=12.0),
        DrudeLorentz(gamma=driven_gamma, cutoff=1000.0),
        Lorentzian(strength=driven_gamma, frequency=1.2, gamma=0.02),
    )
    coupling = {"A": Drive.cosine(), "B": Drive.cosine(phase=np.pi / 2)}
    static = Reservoir(name="static", temperature=0.1, spectral_density=Ohmic(gamma=static_gamma))
    return [
        Machine(
            frequencies={"A": 1.0, "B": 0.6},
            drive_frequency=drive_frequency,
            reservoirs=[
                Reservoir(name="driven", temperature=0.1, spectral_density=density, coupling=coupling),
                static,
            ],
        )
        for density in densities
    ]
