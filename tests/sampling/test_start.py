"""Starts of a run: their covariances, their way to the steady state, the uncertainty relation throughout."""

import numpy as np
import pytest
from helpers.machines import standard_machine
from sampler_machines import MACHINES, isothermal, law, relative_to_largest

from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.reservoir import DrudeLorentz, Lorentzian, Ohmic
from langevin_qtm.sampling import preparation as preparation_module
from langevin_qtm.sampling.noise_filter import NoiseFilter
from langevin_qtm.sampling.preparation import prepare
from langevin_qtm.sampling.settings import SimulateSettings
from langevin_qtm.sampling.start import after_periods, start_covariance

STARTS = ["factorised", "equilibrated", "steady"]
FIT = 1e-5  # discretisation: the default `noise_tolerance`
COUPLING = {"A": Drive.cosine(phase=0.4, mean=0.3), "B": Drive.cosine(amplitude=0.5, phase=-1.0)}
G = np.array([np.cos(0.4) + 0.3, 0.5 * np.cos(1.0)])  # at t = 0


def switched_law(driven, static):
    """Law of a machine whose driven couplings are not zero at t = 0."""
    machine = standard_machine(
        driven_density=driven, static_density=static, temperatures=(0.5, 0.2), coupling=COUPLING
    )
    return prepare(machine, SimulateSettings()).plan.law


def coth_half(omega, temperature):
    """½ coth(w/2T)."""
    return 0.5 / np.tanh(omega / (2 * temperature)) if temperature else 0.5 * np.ones_like(omega)


def noise_variance(found, contact):
    """Variance of the noise ξ of a contact with memory, from the spectrum of its filter."""
    density, noise_filter = found.machine.contacts[contact].density, found.layout.filters[contact]
    # trapezoidal rule in log w; both ends are cut at rounding
    log_omega = np.linspace(np.log(1e-14), np.log(1e14), 40_001)
    omega = np.exp(log_omega)
    spectrum = density.friction(omega) * noise_filter.power_spectrum(omega)
    return (spectrum * omega).sum() * (log_omega[1] - log_omega[0]) / np.pi


# ------------------------------------------------------------------------------------------ factorised start


@pytest.mark.parametrize("temperature", [None, 0.7, 0.0], ids="T={}".format)
def test_factorised_oscillators_are_thermal(temperature):
    found = switched_law(
        DrudeLorentz(gamma=0.2, cutoff=3.0), Lorentzian(strength=0.3, frequency=1.2, gamma=0.3)
    )
    start = start_covariance(found, "factorised", temperature)
    omega = found.machine.omega
    thermal = coth_half(omega, 0.2 if temperature is None else temperature)
    expected = np.concatenate([thermal / omega, thermal * omega])
    np.testing.assert_allclose(start[:4, :4], np.diag(expected), rtol=1e-12, atol=1e-14)  # rounding


def test_factorised_start_gives_reservoir_forces_their_initial_slip():
    drude, lorentzian = (
        DrudeLorentz(gamma=0.2, cutoff=3.0),
        Lorentzian(strength=0.3, frequency=1.2, gamma=0.3),
    )
    found = switched_law(drude, lorentzian)
    start, layout = start_covariance(found, "factorised", None), found.layout
    positions = start[:2, :2]
    for contact, (density, g) in enumerate([(drude, G), (lorentzian, np.ones(2))]):
        force, noise = layout.friction[contact], layout.noise[contact]
        slip = float(density.memory_kernel(0.0))  # γ(0): f = -γ(0) y
        # rounding
        np.testing.assert_allclose(start[force.start, :2], -slip * positions @ g, rtol=1e-12)
        assert start[force.start, force.start] == pytest.approx(slip**2 * g @ positions @ g, rel=1e-12)
        np.testing.assert_array_equal(start[force.start + 1 : force.stop], 0.0)
        # noise knows nothing of the oscillators, and has its own equilibrium
        np.testing.assert_array_equal(start[noise, : layout.noise[0].start], 0.0)
        # reference: rounding of the Lyapunov solution over the decades of the filter
        assert start[noise.start, noise.start] == pytest.approx(noise_variance(found, contact), rel=1e-8)


def test_memoryless_reservoirs_make_momenta_jump():
    driven, static = Ohmic(gamma=0.3), Ohmic(gamma=2.0)
    start = start_covariance(switched_law(driven, static), "factorised", 0.0)
    positions, momenta = np.diag(0.5 / np.array([1.0, 0.6])), np.diag(0.5 * np.array([1.0, 0.6]))
    jump = 0.3 * np.outer(G, G) + 2.0 * np.ones((2, 2))
    # rounding
    np.testing.assert_allclose(start[:2, :2], positions, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(start[2:4, :2], -jump @ positions, rtol=1e-12)
    np.testing.assert_allclose(start[2:4, 2:4], momenta + jump @ positions @ jump.T, rtol=1e-12)


# ---------------------------------------------------------------------------------------- equilibrated start


@pytest.mark.parametrize(
    "name", ["standard", "converter", "independent engine", "three oscillators", "engine"]
)
def test_equilibrated_oscillators_obey_the_fluctuation_dissipation_theorem(name):
    found = law(name)
    bodies = found.layout.bodies
    start = start_covariance(found, "equilibrated", None)
    expected = periodic_steady_state(MACHINES[name].undriven())
    positions = start[:bodies, :bodies]
    assert (
        relative_to_largest(positions, expected.position_covariance.values) < 2 * FIT + 2e-6
    )  # and the band
    assert np.abs(start[:bodies, bodies : 2 * bodies].diagonal()).max() < 1e-10  # rounding: <x v> = 0
    if np.all(np.isfinite(expected.velocity_covariance)):
        momenta = start[
            bodies : 2 * bodies, bodies : 2 * bodies
        ]  # a reservoir with memory does not kick them
        # discretisation: the band cuts the noise at ten cut-offs
        assert relative_to_largest(momenta, expected.velocity_covariance.values) < 0.01


def test_driven_reservoir_joins_in_its_own_equilibrium_with_a_slip():
    driven, static = DrudeLorentz(gamma=0.2, cutoff=3.0), DrudeLorentz(gamma=0.5, cutoff=10.0)
    found = switched_law(driven, static)
    start, layout = start_covariance(found, "equilibrated", None), found.layout
    force, noise = layout.friction[0].start, layout.noise[0].start
    # rounding
    np.testing.assert_allclose(start[force, :4], -0.6 * G @ start[:2, :4], rtol=1e-12)
    assert start[noise, noise] == pytest.approx(noise_variance(found, 0), rel=1e-8)
    others = np.r_[0:noise, noise + 1 : layout.dynamic]
    np.testing.assert_array_equal(start[noise, others], 0.0)
    # the static reservoir is correlated with the oscillators, and not slipping
    assert abs(start[layout.noise[1].start, 2]) > 0.01


def test_driven_memoryless_reservoir_kicks_an_equilibrated_medium():
    driven, static = Ohmic(gamma=0.3), DrudeLorentz(gamma=0.5, cutoff=10.0)
    found = switched_law(driven, static)
    start = start_covariance(found, "equilibrated", None)
    jump = 0.3 * np.outer(G, G)
    np.testing.assert_allclose(start[2:4, :2], -jump @ start[:2, :2], rtol=1e-8)  # rounding


# ----------------------------------------------------------------------------------- towards the steady state


@pytest.mark.parametrize("name", ["standard", "converter", "engine", "independent engine"])
def test_steady_start_is_a_fixed_point_of_the_period(name):
    found = law(name)
    start = start_covariance(found, "steady", None)
    scale = np.sqrt(start.diagonal())
    for periods in (1, 7):
        moved = after_periods(found, start, periods)
        # rounding: amplified by the memory in steps
        assert np.abs((moved - start) / np.outer(scale, scale)).max() < 1e-9


@pytest.mark.parametrize("name", ["standard", "independent engine", "mean and harmonics", "driven Ohmic"])
@pytest.mark.parametrize("start", ["factorised", "equilibrated"])
def test_every_start_ends_in_the_steady_state(name, start):
    found = law(name)
    steady = start_covariance(found, "steady", None)
    begun = start_covariance(found, start, 2.0)
    relaxation = found.layout.embedding.relaxation_time / found.machine.period
    distance = [
        relative_to_largest(after_periods(found, begun, periods)[:4, :4], steady[:4, :4])
        for periods in (0, int(np.ceil(7 * relaxation)), int(np.ceil(20 * relaxation)))
    ]
    assert distance[0] > 1e-3
    assert distance[1] < 1e-5 * (1 + distance[0])  # seven relaxation times: e^-14 in second moments
    assert distance[2] < 1e-10


def test_periods_add_up():
    found = law("standard")
    start = start_covariance(found, "factorised", None)
    one_by_one = start
    for _ in range(5):
        one_by_one = after_periods(found, one_by_one, 1)
    at_once = after_periods(found, start, 5)
    np.testing.assert_allclose(at_once, one_by_one, atol=1e-12 * np.abs(at_once).max())  # rounding
    np.testing.assert_allclose(after_periods(found, start, 0), start, atol=1e-12 * np.abs(start).max())


# ------------------------------------------------------------------------------------- uncertainty relation


def smallest_symplectic(covariance, bodies):
    """Smallest symplectic eigenvalue of the covariance of x and v: at least ½ in nature."""
    form = np.kron(np.array([[0.0, 1.0], [-1.0, 0.0]]), np.eye(bodies))
    return np.abs(np.linalg.eigvals(form @ covariance[: 2 * bodies, : 2 * bodies])).min()


def along_the_way(found, start, periods):
    """Covariances of the carried variables after every step."""
    kept, covariance = found.layout.carried, start
    flows = found.propagator[:, kept][:, :, kept]
    noises = found.covariance.sum(axis=0)[:, kept][:, :, kept]
    for step in range(periods * found.steps):
        yield covariance
        covariance = (
            flows[step % found.steps] @ covariance @ flows[step % found.steps].T + noises[step % found.steps]
        )


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    "name", ["standard", "zero temperature", "converter", "low temperature", "engine", "all that is hard"]
)
def test_uncertainty_relation_holds_from_every_start(name, start):
    found = law(name)
    bodies = found.layout.bodies
    begun = start_covariance(found, start, 0.0)
    lowest = min(smallest_symplectic(c, bodies) for c in along_the_way(found, begun, 2))
    # discretisation: error of the noise; the factorised start at zero temperature is a pure state, exactly ½
    assert lowest > 0.5 * (1 - FIT)
    if start == "factorised":
        assert smallest_symplectic(begun, bodies) == pytest.approx(0.5, rel=1e-9)  # rounding


def test_classical_noise_violates_the_uncertainty_relation(monkeypatch):
    def classical(temperature, band, bottom, tolerance):
        return NoiseFilter(np.ones(1), np.zeros(1), np.sqrt(2 * temperature), tolerance, bottom, band)

    monkeypatch.setattr(preparation_module, "fit_noise_filter", classical)
    found = prepare(isothermal(0.1, 1.3, 0.05), SimulateSettings()).plan.law
    assert smallest_symplectic(start_covariance(found, "steady", None), 2) < 0.3
