"""Datasets to look at: a small run to the periodic steady state, an ensemble over time, a map."""

import matplotlib as mpl
import pytest
from helpers.machines import converter, standard_machine
from matplotlib import pyplot as plt

from langevin_qtm import Burst, Drive, DrudeLorentz, Machine, Reservoir, simulate
from langevin_qtm.inspection.labels import STYLE
from langevin_qtm.sampling.settings import Recording

TRAJECTORIES, PERIODS = 64, 40  # stored


@pytest.fixture(scope="session")
def run():
    """Periodic steady state of the standard machine, with everything that can be stored."""
    recording = Recording(trajectories=TRAJECTORIES, periods=PERIODS, work_periods=2)
    return simulate(
        standard_machine(), trajectories=256, periods=200, start="steady", seed=5, recording=recording
    )


@pytest.fixture(scope="session")
def stiff():
    """A converter whose noise is faster than its steps, the static reservoir without memory."""
    recording = Recording(trajectories=TRAJECTORIES, periods=10, work_periods=5)
    machine = converter(gamma=0.05, static_gamma=5.0)
    return simulate(machine, trajectories=256, periods=200, start="steady", seed=9, recording=recording)


@pytest.fixture(scope="session")
def bare(run):
    """The same without anything of single trajectories."""
    return run.drop_vars(["position", "velocity", "noise", "instantaneous_power", "window_work"])


@pytest.fixture(scope="session")
def ensemble():
    """A burst on a machine in equilibrium, four trajectories stored."""
    burst = Burst(start=2.0, cycles=2)
    bath = DrudeLorentz(gamma=0.2, cutoff=6.0)
    coupling = {"A": Drive.cosine(envelope=burst), "B": Drive.cosine(phase=1.5, envelope=burst)}
    machine = Machine(
        frequencies={"A": 1.0, "B": 0.6},
        drive_frequency=1.3,
        reservoirs=[
            Reservoir(name="driven", temperature=0.2, spectral_density=bath, coupling=coupling),
            Reservoir(name="static", temperature=0.2, spectral_density=bath),
        ],
    )
    return simulate(machine, duration=20.0, points=41, trajectories=1024, seed=2)


@pytest.fixture
def axes():
    """Empty axes in the style of the package."""
    with mpl.rc_context(fname=STYLE):
        figure, axes = plt.subplots()
        yield axes
        plt.close(figure)


@pytest.fixture(scope="session", autouse=True)
def _no_windows():
    plt.switch_backend("Agg")
