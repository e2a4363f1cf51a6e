"""How sweeps scale with workers: `python -m benchmarks.workers`; the results are in docs/scaling.md.

- A sweep of 200 points of `periodic_steady_state` with all its files, by one and by two workers of this
  machine: efficiency T_1 / (2 T_2), and what a point costs beside its solution.
- A scheduler with many workers whose points do nothing but sleep: the rate at which tasks come and go, and
  from which length of a point on workers are busy 90 % of the time.
- The way back: reading and combining points that are there.
- What the rest is made of: making a point from the run file, its file, handing out a bundle, and the bytes of
  trajectories that travel.
"""

from __future__ import annotations

import logging
import pickle
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from unittest import mock

from distributed import Client, LocalCluster

from benchmarks.main_job import group, main_plan, main_run
from benchmarks.rounds import Line, fastest
from langevin_qtm.cluster.connection import local_workers
from langevin_qtm.cluster.engine import Cluster
from langevin_qtm.combining import averages_of
from langevin_qtm.data.files import open_dataset, save
from langevin_qtm.data.sweep import Sweep, load_sweep
from langevin_qtm.points import Desk, solve, solve_point
from langevin_qtm.sweep import run_sweep
from langevin_qtm.tasks import Link

RUN_FILE = Path(__file__).parents[1] / "runs" / "work_converter.toml"
POINTS = 200
MANY = 2000  # points that are made and not run
BUNDLES = 1000
SLEEPERS = (4, 32, 128)
PAYLOADS = (0.0, 0.1, 1.0, 5.0)
TASKS = 4000  # at most, and of points that take no time
SECONDS = 10.0  # of a measurement with sleepers, at most


def main() -> None:
    """Measure, and print."""
    for line in chain(real_points(), parts(), sleeping_points()):
        print(f"{line.group:42} {line.name:40} {line.value:10.4g} {line.unit}", flush=True)


def sweep_of(count: int) -> Sweep:
    """So many points of the work converter, exact."""
    axis = {"start": 0.2, "stop": 1.4, "num": count}
    return load_sweep(
        RUN_FILE, {"solver.method": "periodic_steady_state", "sweep": {"drive.frequency": axis}}
    )


def real_points() -> Iterator[Line]:
    """Lines on a sweep that computes and writes."""
    sweep, name = sweep_of(POINTS), f"{POINTS} exact points"
    walls = {}
    with tempfile.TemporaryDirectory() as place:
        for count in (1, 2):
            with local_workers(count) as engine:
                warm(engine, sweep)
                folder = Path(place) / f"{count}.points"
                began = time.perf_counter()
                run_sweep(sweep, folder, engine=engine)
                walls[count] = time.perf_counter() - began
                solved = sum(open_dataset(path).attrs["wall_seconds"] for path in folder.glob("*.nc"))
            yield Line(name, f"{count} workers: time", walls[count], "s")
            yield Line(name, f"{count} workers: solving", solved, "s")
            yield Line(
                name,
                f"{count} workers: beside solving, a point",
                1e3 * (count * walls[count] - solved) / POINTS,
                "ms",
            )
        yield Line(name, "efficiency of two workers", walls[1] / (2 * walls[2]), "")
        began = time.perf_counter()
        run_sweep(sweep, folder)
        yield Line(name, "reading and combining, a point", 1e3 * (time.perf_counter() - began) / POINTS, "ms")


def parts() -> Iterator[Line]:
    """Lines on what is done and sent for one point, one bundle, one group."""
    began = time.perf_counter()
    sweep = sweep_of(MANY)
    list(sweep.points())
    yield Line("parts", "making a point", 1e3 * (time.perf_counter() - began) / MANY, "ms")
    dataset = solve(sweep.first, lambda _: None)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "point.nc"
        calls = {"file": lambda: save(dataset, path, is_classic=True), "read": lambda: open_dataset(path)}
        for name, seconds in fastest(calls, 10).items():
            yield Line("parts", f"{name} of a point", 1e3 * seconds, "ms")
    yield Line("parts", "averages of a point", len(pickle.dumps(averages_of(dataset))) / 1e3, "kB")
    travelling = group()
    travelling.advance(main_plan().kernel_steps, main_run().solver.periods or 1)
    yield Line("parts", "a group of the main job at its end", len(pickle.dumps(travelling)) / 1e3, "kB")
    steps = len(pickle.dumps(main_plan().kernel_steps)) / 1e3
    yield Line("parts", "steps of the main job", steps, "kB")
    with sleepers(4) as engine, mock.patch("langevin_qtm.cluster.engine.MOST", 1):
        began = time.process_time()
        list(engine.map_tasks(asleep, [0.0] * BUNDLES, None, Link()))
        cost = 1e3 * (time.process_time() - began) / BUNDLES
        yield Line("parts", "a bundle: scheduler, leader and worker", cost, "ms of a core")


def warm(engine: Cluster, sweep: Sweep) -> None:
    """Let every worker import and load its kernels."""
    first = next(iter(sweep.points()))
    desk = Desk(None, (), None, None, False, "")
    list(engine.map_tasks(solve_point, [first] * 8, desk, Link()))


def asleep(seconds: float, _shared: None, _link: Link) -> bytes:
    """A point that takes its time and gives as much as a real one."""
    time.sleep(seconds)
    return bytes(16_000)


def sleeping_points() -> Iterator[Line]:
    """Lines on a scheduler whose workers sleep, in threads of this process."""
    for count in SLEEPERS:
        with sleepers(count) as engine:
            list(engine.map_tasks(asleep, [0.0] * 4 * count, None, Link()))
            for payload in PAYLOADS:
                tasks = TASKS if not payload else int(min(TASKS, max(2.0, SECONDS / payload) * count))
                began = time.perf_counter()
                assert len(list(engine.map_tasks(asleep, [payload] * tasks, None, Link()))) == tasks
                seconds = time.perf_counter() - began
                name = f"{count} sleeping workers, points of {payload:g} s"
                yield Line(name, "tasks a second", tasks / seconds, "1/s")
                if payload:
                    yield Line(name, "efficiency", tasks * payload / (count * seconds), "")


@contextmanager
def sleepers(count: int) -> Iterator[Cluster]:
    """A scheduler with so many workers in threads of this process."""
    with (
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=False,
            memory_limit=0,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield Cluster(client)


if __name__ == "__main__":
    main()
