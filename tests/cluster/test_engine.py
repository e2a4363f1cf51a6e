"""The engine on workers: every task once, what it says on the way, and what becomes of it in failures."""

import logging
import os
import time

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster
from helpers import tasks
from xarray.backends.locks import get_dask_scheduler

from langevin_qtm.cluster import engine as module
from langevin_qtm.cluster.connection import joined, local_workers
from langevin_qtm.cluster.engine import Cluster
from langevin_qtm.errors import AccuracyWarning, InputError
from langevin_qtm.tasks import Link, Lost, Threads

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def workers():
    with local_workers(2) as engine:
        yield engine


@pytest.mark.parametrize("engine", [Threads(), Threads(3), None], ids=["serial", "threads", "workers"])
def test_every_task_once_and_in_its_place(engine, workers):
    engine = engine or workers
    found = dict(engine.map_tasks(tasks.scaled, iter(range(50)), 0.1, Link()))
    assert found == {place: place * 0.1 for place in range(50)}


def test_no_tasks(workers):
    assert list(workers.map_tasks(tasks.scaled, [], 1, Link())) == []


def test_tasks_are_drawn_only_a_little_ahead(workers):
    drawn = []

    def numbers():
        for number in range(2000):
            drawn.append(number)
            yield number

    for count, _ in enumerate(workers.map_tasks(tasks.scaled, numbers(), 1, Link())):
        assert len(drawn) - count <= 4 * module.MOST * workers.slots
    assert len(drawn) == 2000


def test_what_a_bundle_has_no_time_for_comes_back(workers):
    found = dict(workers.map_tasks(tasks.slower, range(400), 300, Link()))
    assert found == {place: place for place in range(400)}


def test_tasks_are_spread_over_workers_that_are_told(workers, monkeypatch):
    told, submit = [], workers.client.submit

    def listen(function, *arguments, workers=None, allow_other_workers=False, **options):
        if workers:
            assert allow_other_workers  # it may die
            told.extend(workers)
        return submit(
            function, *arguments, workers=workers, allow_other_workers=allow_other_workers, **options
        )

    monkeypatch.setattr(workers.client, "submit", listen)
    list(workers.map_tasks(tasks.slower, [1, 2], 0, Link()))
    assert sorted(told) == sorted(workers.workers)


def test_large_shared_things_travel_once_and_whole(workers):
    shared = np.arange(2_000_000.0)
    for place, found in workers.map_tasks(tasks.scaled, [1.0, 2.0, 3.0], shared, Link()):
        np.testing.assert_array_equal(found, (place + 1) * shared)


def test_workers_take_one_core_each(workers):
    for _, found in workers.map_tasks(tasks.surroundings, range(4), None, Link()):
        assert found == {
            "tasks": 1,
            "blas": 1,
            "numba": 1,
            "openmp": "1",
            "hears interrupts": False,
        }


def test_an_error_of_a_task_is_raised_here(workers):
    with pytest.raises(InputError, match="three is not allowed"):
        list(workers.map_tasks(tasks.refusing, range(10), None, Link()))
    assert len(list(workers.map_tasks(tasks.scaled, range(5), 1, Link()))) == 5  # nothing is left over


def test_warnings_are_heard_here_once(workers):
    with pytest.warns(AccuracyWarning, match="task . is off") as heard:
        assert len(list(workers.map_tasks(tasks.warning, range(3), None, Link()))) == 3
    assert sorted(str(each.message) for each in heard) == [f"task {n} is off" for n in range(3)]


def test_progress_within_tasks_is_heard_here(workers):
    heard = []
    list(workers.map_tasks(tasks.telling, range(2), None, Link(heard.append)))
    assert {(each.stage, each.total) for each in heard} == {("count", 4)}
    assert {each.message for each in heard} == {"of 0", "of 1"}


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_who_stops_waiting_has_tasks_told_to_end(workers, tmp_path):
    def interrupt(_):
        raise KeyboardInterrupt

    session = workers.map_tasks(tasks.patient, range(6), str(tmp_path), Link(interrupt))
    began = time.monotonic()

    def stop_when_both_run(_session):
        wait_until(lambda: len(list(tmp_path.glob("*.began"))) == 2)
        raise KeyboardInterrupt
        yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module._Session, "ended", stop_when_both_run)
        with pytest.raises(KeyboardInterrupt):
            next(session)
    assert time.monotonic() - began < module.PATIENCE / 2
    assert len(list(tmp_path.glob("*.heard"))) == 2
    assert len(list(tmp_path.glob("*.began"))) == 2  # what waited did not begin
    assert len(list(workers.map_tasks(tasks.scaled, range(5), 1, Link()))) == 5


def test_tasks_survive_their_workers_and_deadly_ones_are_lost(tmp_path):
    with local_workers(2) as engine:
        found = dict(engine.map_tasks(tasks.deadly, range(4), str(tmp_path), Link()))
    lost = found.pop(2)
    assert isinstance(lost, Lost)
    assert lost.sentence == "The worker died 4 times at this task; see that it has memory."
    # a task that sat on the same dying workers as the deadly one may have been lost with them
    assert all(found[place] == place or isinstance(found[place], Lost) for place in (0, 1, 3))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "numpy",
            "1.0",
            r"^The worker tcp://\S+ has numpy \S+, but here it is 1.0; start workers from",
        ),
        ("sources", "0123", r"has sources of langevin_qtm \w+, but here it is 0123; start"),
        ("processor", "z80 (00)", r"has a processor of type .*, but here it is z80 \(00\); start"),
    ],
)
def test_workers_with_other_software_are_refused(workers, monkeypatch, name, value, message):
    own = module.software()
    if name in own["libraries"]:
        own["libraries"] = own["libraries"] | {name: value}
    else:
        own[name] = value
    monkeypatch.setattr(module, "software", lambda: own)
    with pytest.raises(InputError, match=message):
        list(workers.map_tasks(tasks.scaled, range(5), 1, Link()))


@pytest.fixture
def scheduler():
    """A scheduler that is not ours, with one worker of two threads."""
    with LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        dashboard_address=":0",
        memory_limit=0,
        silence_logs=logging.CRITICAL,
    ) as cluster:
        yield cluster


def test_workers_of_two_threads_are_refused(scheduler):
    with (
        joined(scheduler.scheduler_address) as engine,
        pytest.raises(InputError, match=r"runs 2 tasks at a time, .* start workers with `--nthreads 1`\.$"),
    ):
        list(engine.map_tasks(tasks.scaled, range(5), 1, Link()))


def test_linear_algebra_has_one_thread_whatever_the_worker_was_told(monkeypatch):
    monkeypatch.setattr("langevin_qtm.cluster.connection.ONE_THREAD", {"OMP_NUM_THREADS": "2"})
    with local_workers(1) as engine:
        ((_, found),) = engine.map_tasks(tasks.surroundings, [0], None, Link())
    assert (found["openmp"], found["blas"]) == ("2", 1)


def test_local_workers_have_one_thread_whatever_the_user_exports(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    before = dict(os.environ)
    with local_workers(1) as engine:
        ((_, found),) = engine.map_tasks(tasks.surroundings, [0], None, Link())
    assert (found["openmp"], found["numba"]) == ("1", 1)
    assert dict(os.environ) == before


def test_a_scheduler_is_joined_by_its_file_too(scheduler, tmp_path):
    file = tmp_path / "scheduler.json"
    with Client(scheduler) as client:
        client.write_scheduler_file(str(file))
    with joined(str(file)) as engine:
        assert str(engine).startswith("1 worker of the scheduler at ")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense", "nowhere.json", "http://127.0.0.1:9"])
def test_no_scheduler_is_one_sentence(monkeypatch, address):
    monkeypatch.setattr("langevin_qtm.cluster.connection.CONNECT_SECONDS", 1.0)
    with (
        pytest.raises(InputError, match=rf"^No scheduler answers at `{address}` \(.*\); give the address"),
        joined(address),
    ):
        pass


def test_a_lost_scheduler_is_one_sentence():
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "2s"}),
        local_workers(1) as engine,
        pytest.raises(ConnectionError, match=r"^The scheduler was lost"),
    ):
        list(engine.map_tasks(tasks.lonely, range(3), None, Link()))


def test_an_engine_says_how_many_workers_it_has(workers):
    assert isinstance(workers, Cluster)
    assert str(workers).startswith("2 workers of the scheduler at tcp://127.0.0.1:")


def test_files_of_the_leader_need_no_scheduler(workers):
    assert list(workers.map_tasks(tasks.scaled, [1], 2, Link())) == [(0, 2)]
    assert get_dask_scheduler() == "threaded"  # or xarray would ask it for a lock at every touch of a file
    assert list(workers.map_tasks(tasks.lock_of_files, [1], None, Link())) == [(0, "threaded")]
