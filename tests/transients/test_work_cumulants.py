"""Exact cumulants of the work in n periods, against D and against double quadrature over time.

The double quadrature takes two-time correlations from the responses at every noise frequency, which share
nothing with the maps that carry them here; with a Lorentzian driven reservoir they are smooth at equal times.
"""

from functools import cache

import numpy as np
import pytest
from helpers.machines import LORENTZIAN, cosines, driven, single_machine, standard_machine, static

from langevin_qtm.errors import InputError
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.exact.responses import Responses
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz, Ohmic
from langevin_qtm.transients.work_cumulants import work_cumulants

SOFT = DrudeLorentz(gamma=0.5, cutoff=4.0)
LIMIT = [1, 40, 80]
MACHINES = {
    "lorentzian": standard_machine(driven_density=LORENTZIAN, static_density=SOFT),
    "ohmic": single_machine(driven_density=Ohmic(gamma=0.05), static_density=SOFT),
    "standard": standard_machine(),
    "ohmic and ohmic": standard_machine(driven_density=Ohmic(gamma=0.05), static_density=Ohmic(gamma=0.5)),
    "independent": standard_machine(driven_density=Ohmic(gamma=0.05), wiring="independent"),
    "strongly coupled": standard_machine(driven_density=DrudeLorentz(gamma=0.3, cutoff=12.0)),
}
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in list(MACHINES)[2:]]


@cache
def cumulants(name):
    return work_cumulants(MACHINES[name], LIMIT)


@cache
def steady(name):
    return periodic_steady_state(MACHINES[name])


@pytest.mark.parametrize("name", ["lorentzian", "ohmic", *SLOW])
def test_growth_of_the_variance_is_the_fluctuation(name):
    found, exact = cumulants(name), steady(name)
    cnumber = np.append(exact["fluctuation_cnumber"], exact["power_fluctuation_cnumber"])
    quantum = np.append(exact["fluctuation_quantum"], exact["power_fluctuation_quantum"])
    period = MACHINES[name].period
    # a reservoir without memory exerts noise beyond the band of the kernels
    tolerance = 2e-5 if name == "ohmic and ohmic" else 1e-6
    for part, target in (("cnumber", cnumber), ("commutator", quantum - cnumber), ("quantum", quantum)):
        variance = found[f"variance_{part}"].values
        slope = (variance[2] - variance[1]) / (LIMIT[2] - LIMIT[1]) / period
        np.testing.assert_allclose(slope, target, atol=tolerance * np.abs(cnumber).max(), err_msg=part)
        # the difference falls like 1/n
        gap = variance / np.array(LIMIT)[:, None] / period - target
        np.testing.assert_allclose(
            gap[1], 2 * gap[2], atol=2 * tolerance * np.abs(cnumber).max(), err_msg=part
        )
        assert np.all(np.abs(gap[2]) < np.abs(gap[0])), part


@pytest.mark.parametrize("name", ["lorentzian", "ohmic", *SLOW])
def test_mean_is_the_local_power(name):
    powers = steady(name)["local_power"].values
    expected = np.outer(LIMIT, np.append(powers, powers.sum())) * MACHINES[name].period
    np.testing.assert_allclose(cumulants(name)["mean"], expected, rtol=1e-6)


def correlations(machine, times, reach=200.0, spacing=0.01, harmonics=6):
    """S and A of positions, then the driven force, at pairs of times: (later, earlier, output, output)."""
    responses, period = Responses(machine, harmonics), machine.period
    turn = 2 * np.pi / period
    outputs = len(machine.omega) + 1
    found = np.zeros((2, len(times), len(times), outputs, outputs))
    omega_all = spacing * (np.arange(int(reach / spacing)) + 0.5)
    for omega in np.array_split(omega_all, 40):
        x, _, force = responses.solve(omega)
        waves = np.concatenate([x[..., harmonics], force[:, :, :1, :, harmonics]], axis=2)
        n = np.arange(-harmonics, harmonics + 1)
        angles = (omega[:, None] + n * turn)[:, :, None] * times
        over_time = np.einsum("bcon,bnt->bcot", waves, np.exp(-1j * angles))
        for c, contact in enumerate(machine.contacts):
            flat = over_time[:, c].reshape(len(omega), -1)
            for index, weight in enumerate(
                (contact.noise_power_spectrum(omega), contact.spectral_density(omega))
            ):
                pairs = (flat * weight[:, None]).T @ flat.conj() * spacing / np.pi
                pairs = (pairs.imag if index else pairs.real).reshape(outputs, len(times), outputs, -1)
                found[index] += pairs.transpose(1, 3, 0, 2)
    return found


def brute_force(machine, periods, points=40):
    """Variances of W by Wick's theorem on a double Gauss-Legendre grid: (part, channel)."""
    nodes, weights = np.polynomial.legendre.leggauss(points * periods)
    times, weights = 0.5 * periods * machine.period * np.array([nodes + 1, weights])
    bodies = len(machine.omega)
    rates = machine.contacts[0].coupling_rates(times)
    parts = []
    for sign, both in zip((1, -1), correlations(machine, times), strict=True):
        xx, ff = both[..., :bodies, :bodies], both[..., bodies:, bodies:]
        xf, fx = both[..., :bodies, bodies:], both[..., bodies:, :bodies]
        wick = sign * (xx * ff + xf * fx)
        matrix = np.einsum("t,s,tm,sl,tsml->ml", weights, weights, rates, rates, wick)
        parts.append(np.append(np.diag(matrix), matrix.sum()))
    return np.array(parts)


@pytest.mark.parametrize("periods", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_double_quadrature_over_time(periods):
    machine = MACHINES["lorentzian"]
    found = cumulants("lorentzian") if periods == 1 else work_cumulants(machine, periods)
    expected = brute_force(machine, periods)
    for part, values in zip(("cnumber", "commutator"), expected, strict=True):
        np.testing.assert_allclose(
            found[f"variance_{part}"].values[0], values, atol=2e-4 * np.abs(expected).max(), err_msg=part
        )
    # the commutator part is large enough to be seen
    assert np.all(np.abs(expected[1]) > 0.01 * expected[0])


def test_nothing_driven_does_no_work():
    machine = Machine(
        frequencies={"A": 1.0, "B": 0.6}, reservoirs=(static(SOFT, 0.3), static(LORENTZIAN, 0.2, name="two"))
    )
    found = work_cumulants(machine, [1, 5])
    for name in ("mean", "variance_cnumber", "variance_commutator", "variance_quantum"):
        assert not np.any(found[name].values), name


def test_a_static_coupling_beside_a_driven_one_does_no_work():
    coupling = {"A": Drive.cosine(), "B": Drive.constant(0.5)}
    machine = Machine(
        frequencies={"A": 1.0, "B": 0.6},
        drive_frequency=1.3,
        reservoirs=(driven(LORENTZIAN, 0.5, coupling), static(SOFT, 0.2)),
    )
    found = work_cumulants(machine, 1)
    np.testing.assert_allclose(found["variance_cnumber"].sel(channel="B"), 0.0, atol=1e-12)
    np.testing.assert_allclose(
        found["variance_cnumber"].sel(channel="total"), found["variance_cnumber"].sel(channel="A"), rtol=1e-9
    )


def test_classical_limit():
    cold, hot = (
        work_cumulants(single_machine(driven_density=LORENTZIAN, static_density=SOFT, temperatures=(T, T)), 1)
        for T in (500.0, 1000.0)
    )
    # classical work scales with the temperature, its quantum corrections do not
    np.testing.assert_allclose(hot["variance_cnumber"], 4 * cold["variance_cnumber"], rtol=1e-4)
    np.testing.assert_allclose(hot["variance_commutator"], cold["variance_commutator"], rtol=1e-6)
    assert np.all(np.abs(hot["variance_commutator"]) < 1e-5 * hot["variance_cnumber"])


def test_errors_are_small_and_reported():
    found = cumulants("lorentzian")
    for part in ("cnumber", "commutator", "quantum"):
        error = found[f"variance_{part}_error"].values
        assert np.all(error > 0), part
        assert np.all(error < 1e-3 * found["variance_cnumber"].values), part


@pytest.mark.parametrize("periods", [0, -1, 1.5, [1, 0], []])
def test_refuses_periods_that_are_none(periods):
    with pytest.raises(InputError, match="positive whole"):
        work_cumulants(MACHINES["lorentzian"], periods)


def test_refuses_machines_that_are_not_periodic():
    machine = standard_machine(coupling=cosines(0.0, 1.0)).model_copy(
        update={"modulation": {"A": Drive.cosine(0.1)}}
    )
    with pytest.raises(InputError, match="modulation"):
        work_cumulants(machine, 1)
