"""The two independent references for transients, against closed answers, conservation laws and each other."""

from itertools import pairwise

import numpy as np
import pytest
from helpers import finite_bath, frequency_transient
from helpers.finite_bath import FiniteBath, extrapolated
from helpers.frequency_transient import FrequencyTransient
from scipy.integrate import quad
from scipy.interpolate import BarycentricInterpolator
from scipy.linalg import expm

OMEGA = np.array([1.0, 0.6])
THERMAL = np.diag([0.7, 0.9, 0.7, 0.9 * 0.36])
PUSHED = np.array([0.3, -0.1, 0.2, 0.4])
DRIVE, PHASE = 1.3, np.array([0.0, np.pi / 2])


def turning(t):
    return np.cos(DRIVE * t + PHASE)


def turning_rate(t):
    return -DRIVE * np.sin(DRIVE * t + PHASE)


def constant(t):  # noqa: ARG001
    return np.ones(2)


def nothing(t):  # noqa: ARG001
    return np.zeros(2)


def reference_machine(kind, cutoff=60.0):
    """Driven and static Drude reservoirs, as described by a module."""
    return [
        kind.Drude(0.05, 12.0, 0.5, turning, turning_rate),
        kind.Drude(0.5, cutoff, 0.2, constant),
    ]


def chebyshev_times(end, count):
    return 0.5 * end * (1 - np.cos(np.pi * np.arange(count + 1) / count))


def integral(times, values):
    """∫ from the first to the last time, of the polynomial through Chebyshev times."""
    x, weights = np.polynomial.legendre.leggauss(len(times))
    inside = times[0] + 0.5 * (times[-1] - times[0]) * (1 + x)
    return 0.5 * (times[-1] - times[0]) * weights @ BarycentricInterpolator(times, values)(inside)


# ---- finite bath


def test_a_finite_bath_with_static_couplings_conserves_its_energy():
    reservoirs = [
        finite_bath.Drude(0.3, 6.0, 0.4, constant),
        finite_bath.Lorentzian(0.2, 1.4, 0.3, 0.8, lambda _: np.array([1.0, -0.5])),
    ]
    bath = FiniteBath(OMEGA, reservoirs, 2.0, reach=15.0)
    energies = bath.energies([0.0, 0.7, 2.0], THERMAL, PUSHED)
    np.testing.assert_allclose(energies.total - energies.total[0], 0.0, atol=2e-8)
    assert np.ptp(energies.system) > 0.05


def test_the_work_done_on_a_finite_bath_is_the_energy_it_gains():
    def omega(t):
        return OMEGA * np.sqrt(1 + 0.2 * np.sin(t))

    def square_rate(t):
        return 0.2 * OMEGA**2 * np.cos(t)

    def force(t):
        return np.array([0.1, 0.2]) * np.cos(2 * t)

    times = chebyshev_times(1.2, 28)
    bath = FiniteBath(
        omega, reference_machine(finite_bath, 6.0), 1.2, reach=12.0, square_rate=square_rate, force=force
    )
    moments, energies = bath.from_product(times, THERMAL, PUSHED), bath.energies(times, THERMAL, PUSHED)
    forced = np.array([force(t) @ mean[2:] for t, mean in zip(times, moments.mean, strict=True)])
    power = moments.local_power.sum(axis=1) + moments.modulation_power.sum(axis=1) + forced
    assert energies.total[-1] - energies.total[0] == pytest.approx(integral(times, power), abs=1e-6)
    # the first law, by rows alone
    gained = moments.system_energy[-1] - moments.system_energy[0]
    heat = moments.heat_current.sum(axis=1)
    assert gained == pytest.approx(integral(times, power + heat), abs=1e-6)
    # rows, carried backwards, and columns, carried forwards
    np.testing.assert_allclose(moments.system_energy, energies.system, atol=1e-7)
    # what a reservoir loses, with its interaction energy, is its heat
    lost = energies.bare[0] + energies.interaction[0] - energies.bare[-1] - energies.interaction[-1]
    released = [integral(times, current) for current in moments.heat_current.T]
    np.testing.assert_allclose(lost, released, atol=1e-6)


def test_an_equilibrium_start_with_static_couplings_stays_put():
    reservoirs = [finite_bath.Drude(g, w, 0.2, constant) for g, w in ((0.5, 12.0), (0.1, 5.0))]
    moments, error = extrapolated(
        lambda reach: FiniteBath(OMEGA, reservoirs, 3.0, reach=reach),
        lambda bath: bath.from_equilibrium([0.0, 1.0, 3.0], [0, 1]),
        300.0,
    )
    # the cut removes velocity, not stationarity
    for drift in (moments.covariance, moments.heat_current, moments.position_force):
        np.testing.assert_allclose(drift - drift[0], 0.0, atol=1e-6)
    np.testing.assert_allclose(moments.heat_current, 0.0, atol=1e-6)
    for power, part in ((0, slice(0, 2)), (2, slice(2, 4))):
        expected = equilibrium([(0.5, 12.0), (0.1, 5.0)], 0.2, power)
        np.testing.assert_allclose(moments.covariance[-1, part, part], expected, atol=2e-6)
    assert error.covariance.max() < 1e-4


def equilibrium(drudes, temperature, power):
    """∫ dw/π w^power coth(w/2T) chi''(w) with Drude reservoirs (gamma, cutoff), all g = 1."""

    def integrand(w, row, column):
        drag = sum(-1j * w * gamma / (1 - 1j * w / cutoff) for gamma, cutoff in drudes)
        chi = np.linalg.inv(np.diag(OMEGA**2 - w**2) + drag)
        return w**power * chi[row, column].imag / np.tanh(w / (2 * temperature)) / np.pi

    result = np.empty((2, 2))
    for row, column in np.ndindex(2, 2):
        edges = [0.0, 0.5, 0.8, 1.2, 3.0, 30.0, np.inf]
        parts = pairwise(edges)
        result[row, column] = sum(
            quad(integrand, a, b, (row, column), epsabs=1e-11, limit=200)[0] for a, b in parts
        )
    return result


# ---- both


def uncoupled(kind):
    return [kind.Drude(0.3, 6.0, 0.4, nothing), kind.Lorentzian(0.2, 1.4, 0.3, 0.8, nothing)]


@pytest.mark.parametrize("reference", ["finite_bath", "frequency_transient"])
def test_uncoupled_oscillators_turn(reference):
    times = np.array([0.4, 2.0])
    if reference == "finite_bath":
        bath = FiniteBath(OMEGA, uncoupled(finite_bath), 2.0, reach=30.0)
        moments = bath.from_product(times, THERMAL, PUSHED)
    else:
        moments = FrequencyTransient(OMEGA, uncoupled(frequency_transient), THERMAL, PUSHED).moments(times)
    for index, t in enumerate(times):
        turn = expm(t * np.block([[np.zeros((2, 2)), np.eye(2)], [-np.diag(OMEGA**2), np.zeros((2, 2))]]))
        np.testing.assert_allclose(moments.mean[index], turn @ PUSHED, atol=1e-11)
        np.testing.assert_allclose(moments.covariance[index], turn @ THERMAL @ turn.T, atol=1e-11)
    np.testing.assert_allclose(moments.heat_current, 0.0, atol=1e-12)


def agree(first, error, second, floor):
    for name in ("mean", "covariance", "local_power", "heat_current", "position_force"):
        gap = np.abs(getattr(first, name) - getattr(second, name))
        assert np.all(gap <= getattr(error, name) + floor), (name, gap.max())


def test_the_references_agree_from_a_factorised_start():
    times = [0.05, 0.5, 2.0]
    reservoirs = reference_machine(finite_bath)
    moments, error = extrapolated(
        lambda reach: FiniteBath(OMEGA, reservoirs, 2.0, reach=reach),
        lambda bath: bath.from_product(times, THERMAL, PUSHED),
        500.0,
    )
    other = FrequencyTransient(OMEGA, reference_machine(frequency_transient), THERMAL, PUSHED)
    agree(moments, error, other.moments(times), 2e-6)
    assert error.local_power.max() < 1e-4


def test_the_references_agree_from_an_equilibrium_start():
    times = [0.7, 4.0]
    reservoirs = reference_machine(finite_bath, 6.0)
    reservoirs.append(finite_bath.Lorentzian(0.2, 1.4, 0.3, 0.8, turning, turning_rate))
    moments, error = extrapolated(
        lambda reach: FiniteBath(OMEGA, reservoirs, 4.0, reach=reach),
        lambda bath: bath.from_equilibrium(times, [1], PUSHED),
        250.0,
    )
    same = reference_machine(frequency_transient, 6.0)
    same.append(frequency_transient.Lorentzian(0.2, 1.4, 0.3, 0.8, turning, turning_rate))
    other = FrequencyTransient(OMEGA, same, mean=PUSHED, coupled=[1])
    agree(moments, error, other.moments(times), 2e-7)


# ---- strictly Ohmic reservoirs


def ohmic_machine():
    return [
        frequency_transient.Drude(0.05, 12.0, 0.5, turning, turning_rate),
        frequency_transient.Ohmic(0.5, 0.2, constant),
    ]


def test_an_ohmic_reservoir_is_the_limit_of_wide_drude_ones():
    times, gaps = [0.5, 2.0], []
    ohmic = FrequencyTransient(OMEGA, ohmic_machine(), coupled=[1]).moments(times)
    for cutoff in (100.0, 200.0):
        drude = FrequencyTransient(OMEGA, reference_machine(frequency_transient, cutoff), coupled=[1])
        gaps.append(drude.moments(times).local_power - ohmic.local_power)
    np.testing.assert_allclose(gaps[1], 0.0, atol=2e-4)
    assert np.abs(gaps[1]).max() < 0.6 * np.abs(gaps[0]).max()


def test_an_ohmic_jump_is_the_limit_of_wide_drude_ones():
    ohmic = FrequencyTransient(OMEGA, ohmic_machine(), THERMAL, PUSHED).moments([0.6])
    drude = FrequencyTransient(OMEGA, reference_machine(frequency_transient, 800.0), THERMAL, PUSHED)
    np.testing.assert_allclose(ohmic.mean, drude.moments([0.6]).mean, atol=2e-3)


def test_positions_diverge_logarithmically_from_a_factorised_ohmic_start():
    ohmic = FrequencyTransient(OMEGA, ohmic_machine(), THERMAL).moments([0.6])
    assert np.isnan(ohmic.covariance).all()
    wide = [
        FrequencyTransient(OMEGA, reference_machine(frequency_transient, cutoff), THERMAL)
        .moments([0.6])
        .covariance[0, 0, 0]
        for cutoff in (200.0, 400.0, 800.0)
    ]
    steps = np.diff(wide)
    # γ (Φ_xv g)² ln 2 / π for every doubling, Φ that of the static Ohmic reservoir to a few per cent
    generator = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.diag(OMEGA**2), -0.5 * np.ones((2, 2))]])
    kick = expm(0.6 * generator)[0, 2:].sum()
    np.testing.assert_allclose(steps, 0.5 * kick**2 * np.log(2) / np.pi, rtol=0.1)


def test_the_work_converter_is_resolved():
    def g(t):
        return np.cos(0.3 * t + PHASE)

    def rate(t):
        return -0.3 * np.sin(0.3 * t + PHASE)

    reservoirs = [
        frequency_transient.Drude(0.01, 12.0, 0.1, g, rate),
        frequency_transient.Ohmic(100.0, 0.1, constant),
    ]
    error = FrequencyTransient(OMEGA, reservoirs, coupled=[1]).error([0.5])
    assert np.nanmax(error.covariance[:, :2, :2]) < 1e-8
    assert np.nanmax(error.local_power) < 1e-8
