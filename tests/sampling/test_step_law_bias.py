"""Bias of the law of a step against the exact periodic steady state, without any sampling.

Each hard thing alone and together: strong damping, a high cut-off, a fast drive, a low temperature, weak
coupling; other wirings, numbers of oscillators, spectral densities and drives.
"""

import numpy as np
import pytest
from helpers.machines import standard_machine
from sampler_machines import MACHINES, exact, isothermal, law, relative_to_largest

from langevin_qtm.physics.reservoir import DrudeLorentz
from langevin_qtm.sampling import preparation as preparation_module
from langevin_qtm.sampling.noise_filter import NoiseFilter
from langevin_qtm.sampling.preparation import prepare
from langevin_qtm.sampling.settings import SimulateSettings
from langevin_qtm.sampling.step_law import step_law

BIAS = 5e-4  # discretisation: the default `step_tolerance`, of the largest power or covariance

FAST = [
    "standard",
    "converter",
    "high cut-off",
    "fast drive",
    "low temperature",
    "weak coupling",
    "all that is hard",
    "independent",
    "engine",
    "one oscillator",
    "three oscillators",
]


def biases(found, reference):
    """Deviations of local powers and position covariances, relative to the largest of each."""
    return np.array(
        [
            relative_to_largest(found.steady_power, reference.local_power.values),
            relative_to_largest(found.steady_covariance, reference.position_covariance.values),
        ]
    )


@pytest.mark.parametrize(
    "name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in MACHINES if name not in FAST)]
)
def test_law_of_the_steps_has_the_exact_powers_and_covariances(name):
    assert np.all(biases(law(name), exact(name)) < BIAS)


def test_covariances_are_right_at_every_phase_of_the_drive():
    found, reference = law("standard"), exact("standard")
    phases = np.arange(found.steps) / found.steps
    np.testing.assert_allclose(reference.phase, phases)
    covariance = found.periodic_covariance[:, :2, :2].transpose(1, 2, 0)
    assert relative_to_largest(covariance, reference.position_covariance_phase.values) < BIAS
    crossed = found.periodic_covariance[:, :2, 2:4].mean(axis=0)
    assert relative_to_largest(crossed, reference.position_velocity_covariance.values) < BIAS


@pytest.mark.parametrize("steps", [8, 16, 32, 128], ids="{}-steps".format)
def test_number_of_steps_does_not_matter(steps):
    assert np.all(biases(law("standard", steps_per_period=steps), exact("standard")) < BIAS)


# --------------------------------------------------------------------------------------------------- mutants


def test_steps_without_substeps_are_biased_at_a_high_cutoff():
    layout = law("high cut-off").layout
    plain = step_law(layout.embedding, layout.filters, 64)
    assert biases(plain, exact("high cut-off"))[0] > 20 * BIAS


def test_law_with_more_friction_in_the_driven_reservoir_is_biased():
    stronger = standard_machine(driven_density=DrudeLorentz(gamma=0.0505, cutoff=12.0))
    found = prepare(stronger, SimulateSettings()).plan.law
    assert biases(found, exact("standard"))[0] > 10 * BIAS


@pytest.mark.parametrize("temperature", [0.1, 1.0], ids="T={:g}".format)
def test_law_without_zero_point_noise_is_biased(temperature, monkeypatch):
    def classical(temperature, band, bottom, tolerance):
        return NoiseFilter(np.ones(1), np.zeros(1), np.sqrt(2 * temperature), tolerance, bottom, band)

    machine = isothermal(temperature, 1.3, 0.05)
    reference = prepare(machine, SimulateSettings()).plan.law
    monkeypatch.setattr(preparation_module, "fit_noise_filter", classical)
    found = prepare(machine, SimulateSettings()).plan.law
    assert relative_to_largest(found.steady_power, reference.steady_power) > 20 * BIAS
    assert relative_to_largest(found.steady_covariance, reference.steady_covariance) > 20 * BIAS


def test_law_without_the_counterterm_is_biased(monkeypatch):
    found = law("standard")
    layout_class = type(found.layout)
    force_row = layout_class.force_row

    def without_counterterm(self, contact, t):
        row = force_row(self, contact, t)
        if self.embedding.machine.contacts[contact].is_driven:  # F + γ(0) y
            slip = self.embedding.memories[contact].slip
            row[:, : self.bodies] += slip * self.embedding.machine.contacts[contact].couplings(t)
        return row

    monkeypatch.setattr(layout_class, "force_row", without_counterterm)
    # small enough for the potential to stay stable: γ(0) = 0.06
    machine = isothermal(0.5, 1.3, 0.005)
    mutant = prepare(machine, SimulateSettings()).plan.law
    monkeypatch.undo()
    reference = prepare(machine, SimulateSettings()).plan.law
    assert relative_to_largest(mutant.steady_covariance, reference.steady_covariance) > 20 * BIAS
    assert relative_to_largest(mutant.steady_power, reference.steady_power) > 20 * BIAS
