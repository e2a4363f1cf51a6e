"""Sampled against exact steady states: by z-scores with a family-wise limit, and mutants that must fail.

A mutant changes what is sampled and leaves the exact reference alone. Dropped initial slips are mutants of
transients: tests/sampling/test_transient.py.
"""

import numpy as np
import pytest
from grid import POINTS, compare, grid_machine
from helpers.judging import assert_agrees, assert_differs, deviations, z_limit
from helpers.machines import converter, standard_machine

from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.physics.reservoir import DrudeLorentz, Lorentzian, Ohmic
from langevin_qtm.sampling import preparation
from langevin_qtm.sampling.noise_filter import NoiseFilter
from langevin_qtm.sampling.settings import Recording
from langevin_qtm.sampling.simulate import simulate
from langevin_qtm.sampling.step_law import Layout

ENGINE = standard_machine(
    drive_frequency=0.6,
    driven_density=Lorentzian(strength=0.02, frequency=0.9, gamma=0.1),
    static_density=Ohmic(gamma=0.1),
    temperatures=(0.6, 0.1),
)
INDEPENDENT = standard_machine(
    driven_density=DrudeLorentz(gamma=0.1, cutoff=6.0), static_density=Ohmic(gamma=0.3), wiring="independent"
)
NAMES = [
    "local_power",
    "heat_current",
    "balance_residual",
    "position_covariance",
    "position_velocity_covariance",
    "pearson",
    "fluctuation_cnumber",
    "fluctuation_quantum",
    "power_fluctuation_quantum",
]


def sampled(machine, periods=400, seed=12):
    """Run of some seconds, without a record."""
    return simulate(
        machine, trajectories=128, periods=periods, seed=seed, recording=Recording(trajectories=0)
    )


@pytest.mark.parametrize(
    ("machine", "periods", "precision"),
    [
        (standard_machine(), 400, 0.02),
        (ENGINE, 1500, 0.1),
        (INDEPENDENT, 400, 0.02),
        (converter(), 200, 0.02),
    ],
    ids=["Drude", "Lorentzian engine", "independent", "overdamped converter"],
)
def test_sampled_averages_are_exact(machine, periods, precision):
    run, reference = sampled(machine, periods), periodic_steady_state(machine)
    assert_agrees(run, reference, NAMES)
    assert np.all(run.local_power_se < precision * np.abs(reference.local_power).max())


def test_phase_resolved_moments_are_exact():
    machine = standard_machine()
    run, reference = sampled(machine), periodic_steady_state(machine)
    common = reference.sel(phase=run.phase)
    names = ["local_power_phase", "heat_current_phase", "position_covariance_phase", "pearson_phase"]
    z = []
    for name in names:
        error = run[f"{name}_se"].values
        scatters = error > 1e-9 * error.max()  # no power where ġ = 0
        z.append((run[name] - common[name]).values[scatters] / error[scatters])
    z = np.concatenate(z)
    assert len(z) > 250
    assert np.abs(z).max() < z_limit(len(z), run.attrs["trajectories"] - 1)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS, ids="gamma={0[0]:g} T={0[1]:g} Omega={0[2]:g}".format)
def test_sampled_averages_are_exact_over_the_grid(point):
    row = compare(grid_machine(*point))
    assert row.worst < z_limit(row.numbers * len(POINTS), 255)
    assert row.numbers >= 12
    # discretisation: the default `step_tolerance`
    assert row.power_bias < 5e-4
    assert row.covariance_bias < 5e-4


# --------------------------------------------------------------------------------------------------- mutants

MACHINE = standard_machine()
BASE = ["local_power", "heat_current", "position_covariance"]


@pytest.fixture(scope="module")
def reference():
    return periodic_steady_state(MACHINE)


@pytest.fixture(scope="module")
def run():
    return sampled(MACHINE)


def test_five_percent_more_of_a_spectral_density_is_noticed(reference):
    stronger = standard_machine(driven_density=DrudeLorentz(gamma=0.0525, cutoff=12.0))
    assert_differs(sampled(stronger), reference, ["local_power"])


def test_classical_noise_is_noticed(reference, monkeypatch):
    def classical(temperature, band, bottom, tolerance):
        return NoiseFilter(np.ones(1), np.zeros(1), np.sqrt(2 * temperature), tolerance, bottom, band)

    monkeypatch.setattr(preparation, "fit_noise_filter", classical)
    mutant = sampled(MACHINE)
    for name in BASE:
        assert_differs(mutant, reference, [name])


def test_dropped_counterterm_is_noticed(monkeypatch):
    machine = standard_machine(driven_density=DrudeLorentz(gamma=0.005, cutoff=12.0))
    force_row = Layout.force_row

    def without_counterterm(self, contact, t):
        row = force_row(self, contact, t)
        chosen = self.embedding.machine.contacts[contact]
        if chosen.is_driven:  # F + γ(0) y
            row[:, : self.bodies] += self.embedding.memories[contact].slip * chosen.couplings(t)
        return row

    monkeypatch.setattr(Layout, "force_row", without_counterterm)
    mutant = simulate(
        machine, trajectories=128, periods=400, start="steady", recording=Recording(trajectories=0)
    )
    reference = periodic_steady_state(machine)
    assert_differs(mutant, reference, ["local_power"])
    assert_differs(mutant, reference, ["position_covariance"])


def test_five_percent_of_a_heat_current_is_noticed(run, reference):
    error = run.heat_current_se.values[0] / abs(reference.heat_current.values[0])
    assert error < 0.009  # what a check at the family-wise limit needs
    assert_agrees(run, reference, ["heat_current"])
    run = run.copy()
    run["heat_current"] = run.heat_current * [1.05, 1.0]
    assert_differs(run, reference, ["heat_current"])


def test_exchanged_oscillators_and_signs_are_noticed(run, reference):
    assert_agrees(run, reference, BASE)
    for change in (lambda power: power[::-1], lambda power: -power):
        mutant = run.copy()
        mutant["local_power"] = run.local_power.copy(data=change(run.local_power.values))
        assert_differs(mutant, reference, ["local_power"])


def test_deviations_count_symmetric_covariances_once(run, reference):
    assert len(deviations(run, reference, BASE)) == 7
