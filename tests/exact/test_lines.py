"""The mesh of the frequency integrals: every line, thermal edge and cut-off, at every sideband."""

import numpy as np
import pytest
from helpers.machines import LORENTZIAN, converter, single_machine, standard_machine

from langevin_qtm.exact.lines import frequency_mesh, line_strengths, response_mesh
from langevin_qtm.exact.responses import Responses
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.reservoir import DrudeLorentz

SIDEBANDS = np.arange(-3, 4)


def mesh_of(machine):
    return frequency_mesh(machine, Embedding(machine).characteristic_rates(), 3)


def interval_at(mesh, omega):
    """Length of the interval that holds a frequency."""
    index = np.searchsorted(mesh, omega)
    return mesh[index] - mesh[index - 1]


def test_sharp_lines_of_an_overdamped_machine_are_resolved_at_every_sideband():
    """The antiphase mode has half width 3.8e-4 at sqrt((w_A² + w_B²)/2), the slow one 2.6e-3 at zero."""
    machine = converter(gamma=1e-8)
    mesh = mesh_of(machine)
    antiphase, width, slow = np.sqrt(0.68), 3.8e-4, 2.6e-3
    for shift in SIDEBANDS * machine.angular_frequency:
        for center in (antiphase + shift, shift - antiphase):
            if center > 0:
                assert interval_at(mesh, center) <= 2.1 * width
        if shift > 0:
            assert interval_at(mesh, shift + 1e-9) <= 2.1 * slow


@pytest.mark.parametrize(("temperature", "is_breakpoint"), [(0.0, True), (0.3, False)], ids=["cold", "warm"])
def test_kinks_of_zero_temperature_are_breakpoints(temperature, is_breakpoint):
    machine = standard_machine(temperatures=(temperature, 0.2))
    kinks = machine.angular_frequency * np.array([1, 2, 3])
    assert np.all(np.isin(kinks, mesh_of(machine))) == is_breakpoint


def test_mesh_ends_beyond_the_temperatures_cutoffs_and_sidebands():
    for machine in (
        standard_machine(temperatures=(40.0, 0.2)),
        standard_machine(static_density=DrudeLorentz(gamma=0.5, cutoff=1e4)),
        standard_machine(drive_frequency=500.0),
    ):
        cutoff = machine.reservoirs[1].spectral_density.cutoff
        beyond = max(25 * machine.temperatures.max(), cutoff, 3 * machine.angular_frequency)
        assert mesh_of(machine)[-1] > 1.9 * beyond


def test_thermal_structure_is_resolved_at_every_sideband():
    machine = standard_machine(temperatures=(1e-4, 0.2), drive_frequency=2.0)
    mesh = mesh_of(machine)
    for sideband in (0.0, 2.0, 4.0, 6.0):
        assert interval_at(mesh, sideband + 1e-9) <= 4.1 * np.pi * 1e-4  # twice the first Matsubara frequency


def exponents(machine):
    """Floquet exponents of the slow modes."""
    multipliers = Embedding(machine).floquet_multipliers
    return np.log(multipliers[np.abs(multipliers) > 1e-6].astype(complex)) / machine.period


STRENGTHS = {
    "weak": standard_machine(driven_density=DrudeLorentz(gamma=1e-4, cutoff=12.0)),
    "converter": converter(),
    "lorentzian": standard_machine(driven_density=LORENTZIAN, drive_frequency=0.7),
    "one": single_machine(),
}


@pytest.mark.parametrize("machine", STRENGTHS.values(), ids=STRENGTHS.keys())
def test_strengths_of_lines_bound_the_residues_of_the_response(machine):
    """Residues by contour integrals around each pole, by sideband of the source and of the response."""
    circle = 1e-4 * np.exp(2j * np.pi * np.arange(8) / 8)
    responses = Responses(machine, 12)
    for s, strengths in zip(exponents(machine), line_strengths(responses, exponents(machine)), strict=True):
        residue = np.mean([e * np.linalg.inv(responses.matrix(1j * s + e)) for e in circle], axis=0)
        for axis in (0, 1):
            sizes = np.sqrt(responses.by_sideband(np.abs(residue).max(axis=axis)))
            relative = sizes / sizes.max()
            assert np.all(strengths >= 0.99 * relative - 1e-8)  # rounding: of the contour integral
            assert np.all(strengths[relative == 1] == 1)


def test_lines_of_a_weakly_driven_machine_are_no_more_than_those_of_one_exchange_with_the_drive():
    strengths = line_strengths(Responses(STRENGTHS["weak"], 6), exponents(STRENGTHS["weak"]))
    for row in strengths:
        strongest = int(np.argmax(row)) + 1  # the middle of three: the mode and its two sidebands
        distance = np.abs(np.arange(13) - strongest)
        assert np.all(row[distance <= 1] == 1)
        assert np.all(row[distance > 1] < 1e-2)


def test_mesh_of_the_response_is_fine_at_strong_lines_and_passes_over_weak_ones():
    machine = converter()
    embedding, responses = Embedding(machine), Responses(machine, 9)
    mesh = response_mesh(embedding, responses, 1e-9)
    width = 1 / embedding.relaxation_time
    antiphase = np.sqrt(0.68)
    for n in (-1, 0, 1):
        assert interval_at(mesh, antiphase + 0.3 * n) <= 2 * width
    assert interval_at(mesh, antiphase + 0.3 * 9) > 50 * width
    finer = response_mesh(embedding, responses, 1e-12)
    assert len(finer) > 1.2 * len(mesh)
