"""Counts of the session: how many faults were injected, and how many results differed."""

import pytest
from helpers.disturbed import COUNTS, OVER_TIME, STEADY, TEXT, finish, start

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
    assert finish(start(folder, "--quiet")) == (0, "", "")
    return open_dataset(folder / "out.nc")


@pytest.fixture(scope="session")
def steady(tmp_path_factory):
    """Dataset of the undisturbed run to the steady state."""
    return undisturbed(tmp_path_factory.mktemp("steady"), STEADY)


@pytest.fixture(scope="session")
def over_time(tmp_path_factory):
    """Dataset of the undisturbed run over time."""
    return undisturbed(tmp_path_factory.mktemp("over_time"), OVER_TIME)
