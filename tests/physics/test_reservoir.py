"""Reservoirs: the five statements of one spectral density hold together, and with the published formulas."""

import cmath

import numpy as np
import pytest
from scipy.linalg import expm

from langevin_qtm.errors import InputError
from langevin_qtm.physics.conventions import omega_coth
from langevin_qtm.physics.reservoir import DrudeLorentz, Lorentzian, Ohmic, Reservoir

ROUNDING = 1e-12  # rounding: a few hundred operations, cancellation below 1e3
DENSITIES = {
    "ohmic": Ohmic(gamma=0.7),
    "drude": DrudeLorentz(gamma=0.4, cutoff=3.0),
    "drude-slow": DrudeLorentz(gamma=20.0, cutoff=0.05),
    "lorentzian-underdamped": Lorentzian(strength=0.3, frequency=1.4, gamma=0.2),
    "lorentzian-critical": Lorentzian(strength=0.3, frequency=1.25, gamma=2.5),
    "lorentzian-nearly-critical": Lorentzian(strength=0.3, frequency=1.25, gamma=2.5 * (1 + 3e-16)),
    "lorentzian-overdamped": Lorentzian(strength=2.0, frequency=0.9, gamma=30.0),
}
OMEGA = np.concatenate([-np.geomspace(1e-4, 1e3, 40)[::-1], [0.0], np.geomspace(1e-4, 1e3, 40)])

every_density = pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES.keys())
with_memory = pytest.mark.parametrize(
    "density",
    [d for d in DENSITIES.values() if d.kind != "ohmic"],
    ids=[k for k in DENSITIES if k != "ohmic"],
)


def transfer(memory, omega, gain):
    """f[0] at each frequency for input e^{-iωt} with the given gains."""
    inverse = np.linalg.inv(-1j * omega[:, None, None] * np.eye(memory.size) - memory.drift)
    return inverse[:, 0] @ gain if memory.size else np.zeros(len(omega))


def laplace(kernel, omega, span, panels=4000):
    """∫_0^span γ(t) e^{iωt} dt by 20-point Gauss rules on equal panels."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    width = span / panels
    t = width * (np.arange(panels)[:, None] + (1 + nodes) / 2)
    return width / 2 * np.sum(kernel(t) * np.exp(1j * omega * t) * weights)


def assert_guarantees(density):
    """What physics.md §2 demands of every spectral density."""
    friction, response, memory = density.friction(OMEGA), density.response(OMEGA), density.memory()
    loss = friction * OMEGA
    assert friction.shape == response.shape == OMEGA.shape
    assert friction.dtype == float
    assert np.all(friction >= 0)
    # rounding: exact symmetries
    np.testing.assert_array_equal(friction, friction[::-1])
    np.testing.assert_array_equal(loss, -loss[::-1])
    np.testing.assert_allclose(response, response[::-1].conj(), rtol=ROUNDING)
    # Im K = J; the imaginary part may be far below |K|, whose rounding it carries
    np.testing.assert_allclose(response.imag, loss, rtol=ROUNDING, atol=1e-15 * np.abs(response).max())
    assert response[OMEGA == 0] == 0

    from_memory = memory.friction - transfer(memory, OMEGA, memory.velocity_gain)
    np.testing.assert_allclose(
        1j * OMEGA * from_memory, response, rtol=1e-10, atol=1e-12
    )  # rounding: inverse
    noise = np.abs(memory.white_gain + transfer(memory, OMEGA, memory.noise_gain)) ** 2
    np.testing.assert_allclose(noise, friction, rtol=1e-10)  # rounding: inverse
    assert np.all(np.linalg.eigvals(memory.drift).real < 0)
    assert memory.size == len(memory.noise_gain) == len(memory.drift)


@every_density
def test_the_five_statements_of_a_spectral_density_agree(density):
    assert_guarantees(density)


@pytest.mark.parametrize("factor", [1.001, 0.999], ids=["more-noise", "less-noise"])
def test_the_guarantees_notice_a_broken_fluctuation_dissipation_relation(factor, monkeypatch):
    friction = DrudeLorentz.friction
    monkeypatch.setattr(DrudeLorentz, "friction", lambda self, omega: factor * friction(self, omega))
    with pytest.raises(AssertionError):
        assert_guarantees(DENSITIES["drude"])


@with_memory
def test_response_is_the_laplace_transform_of_the_memory_kernel(density):
    slowest = np.abs(np.linalg.eigvals(density.memory().drift).real).min()
    span = 35.0 / slowest  # discretisation: e^{-35} of the kernel is cut off
    for omega in (0.05, 0.7, 1.4, 6.0):
        expected = 1j * omega * laplace(density.memory_kernel, omega, span)
        # discretisation: a panel holds at most 13 e-foldings, where 20 nodes are good to 1e-14
        assert density.response(omega) == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_ohmic_reservoir_has_no_memory_and_the_response_of_pure_friction():
    density = DENSITIES["ohmic"]
    assert density.memory().size == 0
    assert density.memory().friction == density.gamma
    np.testing.assert_array_equal(density.memory_kernel(np.array([0.1, 1.0, 30.0])), 0.0)
    np.testing.assert_array_equal(density.response(OMEGA), 1j * density.gamma * OMEGA)


@with_memory
def test_memory_kernel_is_the_impulse_response_of_its_linear_system(density):
    memory = density.memory()
    assert density.memory_kernel(0.0) == pytest.approx(memory.slip, rel=ROUNDING)
    times = np.array([0.0, 1e-3, 0.1, 0.77, 3.0, 12.0, 40.0])
    expected = [-(expm(memory.drift * t) @ memory.velocity_gain)[0] for t in times]
    # rounding: of the matrix exponential, relative to the kernel at 0
    np.testing.assert_allclose(density.memory_kernel(times), expected, rtol=1e-9, atol=1e-13 * memory.slip)


@pytest.mark.parametrize("distance", [0.0, 1e-16, 1e-14, 1e-12, 1e-9, 1e-6, 1e-3])
@pytest.mark.parametrize("side", [1, -1], ids=["overdamped", "underdamped"])
def test_lorentzian_kernel_is_continuous_through_critical_damping(distance, side):
    critical = Lorentzian(strength=0.5, frequency=1.0, gamma=2.0)
    near = Lorentzian(strength=0.5, frequency=1.0, gamma=2.0 * (1 + side * distance))
    times = np.linspace(0.0, 8.0, 33)
    exact = 0.5 * np.exp(-times) * (1 + times)
    np.testing.assert_allclose(critical.memory_kernel(times), exact, rtol=1e-14)  # rounding
    # discretisation: |dγ(t)/dγ| < 1 at these times, so the kernel moves by less than 2 distance
    np.testing.assert_allclose(near.memory_kernel(times), exact, rtol=0, atol=2 * distance + 1e-14)


@pytest.mark.parametrize(
    ("frequency", "gamma"),
    [(1.4, 0.2), (1.2, 2.3), (0.9, 3.0), (1.0, 40.0)],
    ids=["under", "near", "over", "far"],
)
def test_lorentzian_kernel_follows_the_published_formula(frequency, gamma):
    density, times = Lorentzian(strength=0.3, frequency=frequency, gamma=gamma), np.linspace(0, 6, 25)
    root = cmath.sqrt(frequency**2 - gamma**2 / 4)
    wave = np.cos(root * times) + gamma / (2 * root) * np.sin(root * times)
    expected = 0.3 / frequency**2 * np.exp(-gamma * times / 2) * wave
    np.testing.assert_allclose(
        density.memory_kernel(times), expected.real, rtol=1e-10, atol=1e-14
    )  # rounding


def test_strongly_overdamped_kernel_neither_overflows_nor_vanishes_at_long_times():
    density = Lorentzian(strength=1.0, frequency=1.0, gamma=2000.0)
    slow = 1.0 / 2000.0  # w_1²/γ, to relative order (w_1/γ)²
    # discretisation: that order, times the decay length
    assert density.memory_kernel(4000.0) == pytest.approx(np.exp(-slow * 4000.0), rel=1e-5)


def test_spectral_densities_follow_the_published_formulas():
    w = np.array([-2.0, 0.3, 1.7])
    drude, lorentzian = DENSITIES["drude"], DENSITIES["lorentzian-underdamped"]
    np.testing.assert_allclose(DENSITIES["ohmic"].friction(w) * w, 0.7 * w, rtol=ROUNDING)
    np.testing.assert_allclose(drude.friction(w) * w, 0.4 * w / (1 + w**2 / 9), rtol=ROUNDING)
    expected = 0.3 * 0.2 * w / ((w**2 - 1.4**2) ** 2 + 0.2**2 * w**2)
    np.testing.assert_allclose(lorentzian.friction(w) * w, expected, rtol=ROUNDING)
    response = 0.3 * (1 / (1.4**2 - w**2 - 0.2j * w) - 1 / 1.4**2)
    np.testing.assert_allclose(lorentzian.response(w), response, rtol=ROUNDING)
    np.testing.assert_allclose(drude.response(w), 1j * w * 0.4 / (1 - 1j * w / 3), rtol=ROUNDING)


def test_counterterm_makes_the_static_response_vanish_however_close_to_zero():
    for density in DENSITIES.values():
        w = 1e-150
        assert density.response(w).imag == pytest.approx(w * density.friction(0.0), rel=ROUNDING)


@every_density
@pytest.mark.parametrize("temperature", [0.0, 0.05, 30.0])
def test_noise_is_the_spectral_density_times_coth(density, temperature):
    reservoir = Reservoir(name="bath", temperature=temperature, spectral_density=density)
    w = np.array([0.02, 0.5, 4.0, 90.0])
    coth = 1 / np.tanh(w / (2 * temperature)) if temperature else np.ones(4)
    expected = density.friction(w) * w * coth
    np.testing.assert_allclose(reservoir.noise_power_spectrum(w), expected, rtol=ROUNDING)
    np.testing.assert_array_equal(reservoir.noise_power_spectrum(-w), reservoir.noise_power_spectrum(w))
    assert reservoir.noise_power_spectrum(0.0) == pytest.approx(2 * temperature * density.friction(0.0))


@every_density
def test_noise_filtered_by_the_memory_has_the_noise_power_spectrum(density):
    memory, reservoir = density.memory(), Reservoir(name="bath", temperature=0.3, spectral_density=density)
    gain = np.abs(memory.white_gain + transfer(memory, OMEGA, memory.noise_gain)) ** 2
    expected = reservoir.noise_power_spectrum(OMEGA)
    np.testing.assert_allclose(gain * omega_coth(OMEGA, 0.3), expected, rtol=1e-10)  # rounding: inverse


@every_density
def test_scales_bound_the_rates_of_the_reservoir(density):
    assert all(np.isfinite(scale) and scale > 0 for scale in density.scales)


def test_an_ohmic_table_with_a_cutoff_means_a_drude_reservoir():
    table = {"kind": "ohmic", "gamma": 0.3, "cutoff": 5.0}
    reservoir = Reservoir(name="bath", temperature=1.0, spectral_density=table)
    assert reservoir.spectral_density == DrudeLorentz(gamma=0.3, cutoff=5.0)
    plain = Reservoir(name="bath", temperature=1.0, spectral_density={"kind": "ohmic", "gamma": 0.3})
    assert plain.spectral_density == Ohmic(gamma=0.3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ohmic(gamma=0.0), r"`gamma` = 0\.0 is not allowed: it must be greater than 0\."),
        (lambda: Ohmic(gamma=-1.0), r"`gamma` = -1\.0 is not allowed"),
        (lambda: Ohmic(gamma=np.inf), r"`gamma` = inf is not allowed: it must be a finite number"),
        (lambda: Ohmic(gamma="1"), r"`gamma` = '1' is not allowed: it must be a valid number"),
        (lambda: DrudeLorentz(gamma=1.0), r"`cutoff` is missing; add it\."),
        (lambda: DrudeLorentz(gamma=1.0, cutoff=0.0), r"`cutoff` = 0\.0 is not allowed"),
        (lambda: Ohmic(gamma=1.0, cut=2.0), r"`cut` = 2\.0 is not a known key; remove it"),
        (lambda: Lorentzian(strength=-1.0, frequency=1.0, gamma=1.0), r"`strength` = -1\.0 is not allowed"),
        (
            lambda: Reservoir(name="r", temperature=-0.1, spectral_density=Ohmic(gamma=1.0)),
            r"`temperature` = -0\.1 is not allowed: it must be greater than or equal to 0\.",
        ),
        (
            lambda: Reservoir(name="", temperature=0.1, spectral_density=Ohmic(gamma=1.0)),
            r"`name` = '' is not allowed",
        ),
        (
            lambda: Reservoir(name="r", temperature=0.1, spectral_density={"kind": "cubic", "gamma": 1.0}),
            r"`spectral_density\.kind` = 'cubic' is not known; use one of 'ohmic', 'drude', 'lorentzian'\.",
        ),
        (
            lambda: Reservoir(name="r", temperature=0.1, spectral_density={"gamma": 1.0}),
            r"`spectral_density\.kind` is missing; add it\.",
        ),
        (
            lambda: Reservoir(name="r", temperature=0.1, spectral_density={"kind": "drude", "gamma": 1.0}),
            r"`spectral_density\.cutoff` is missing; add it\.",
        ),
        (
            lambda: Reservoir(
                name="r", temperature=0.1, spectral_density=Ohmic(gamma=1.0), coupling={"A": {"size": 1.0}}
            ),
            r"`coupling\.A`: \{'size': 1\.0\} is not a coupling",
        ),
    ],
)
def test_unphysical_reservoirs_are_refused_by_name(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_reservoirs_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        DENSITIES["drude"].gamma = 2.0
