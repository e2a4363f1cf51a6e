"""Counts of the session: how many faults were injected, and how many results differed."""

import time

import pytest
from helpers.disturbed import COUNTS, OVER_TIME, STEADY, TEXT, finish, start, wait_for

from langevin_qtm.data.files import open_dataset


def pytest_terminal_summary(terminalreporter):
    if COUNTS:
        names = ("faults injected", "results compared", "results that differed")
        terminalreporter.write_line(", ".join(f"{name}: {COUNTS[name]}" for name in names))


@pytest.fixture
def folder(tmp_path):
    """A folder with the run file alone."""
    (tmp_path / "run.toml").write_text(TEXT + STEADY)
    return tmp_path


def undisturbed(folder, solver):
    (folder / "run.toml").write_text(TEXT + solver)
    with start(folder) as process:
        assert wait_for(process, "measure")
        began = time.perf_counter()
        assert wait_for(process, "evaluate")
        seconds = time.perf_counter() - began
        assert finish(process)[0] == 0
    dataset = open_dataset(folder / "out.nc")
    dataset.attrs["wall_seconds"] = seconds  # of the measurement alone
    return dataset


@pytest.fixture(scope="session")
def steady(tmp_path_factory):
    """Dataset of the undisturbed run to the steady state."""
    return undisturbed(tmp_path_factory.mktemp("steady"), STEADY)


@pytest.fixture(scope="session")
def over_time(tmp_path_factory):
    """Dataset of the undisturbed run over time."""
    return undisturbed(tmp_path_factory.mktemp("over_time"), OVER_TIME)
