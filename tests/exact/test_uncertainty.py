"""Uncertainty relations of periodic drives and of engines, against second order of the weighted machines.

Tolerances: `ROUNDING`, of averages that are bounded by 1e-10; derivatives as far as their own error says, and
1e-8 against the derivative of a Chebyshev interpolant, which knows nothing of differences.
"""

import numpy as np
import pytest
from helpers.machines import DRUDE, OHMIC, converter, cosines, single_machine, standard_machine
from numpy.polynomial import Chebyshev
from numpy.testing import assert_allclose

from langevin_qtm.errors import InputError
from langevin_qtm.exact.second_order import second_order, second_order_map
from langevin_qtm.exact.uncertainty import koyuk_seifert_ratio, power_tradeoff
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import Lorentzian, Ohmic

ROUNDING = 1e-9
OMEGA = np.array([0.05, 0.3, 1.3, 7.0])
MACHINES = {
    "reference point": standard_machine(),
    "converter": converter(temperature=0.1),
    "independent": standard_machine(wiring="independent"),
    "three oscillators": standard_machine(omega=(1.0, 0.6, 0.8), coupling=cosines(0.0, 1.0, 2.0)),
    "harmonics": standard_machine(
        coupling={"A": Drive.cosine(mean=0.3), "B": Drive(harmonics=((1, 0.2, 0.1), (2, 0.1, -0.3)))}
    ),
}


def weighted(machine, omega, weights, reference):
    """The machine at Ω with its drives multiplied by (Ω/w_0)^r."""
    own = {}
    for name, drive in machine.reservoirs[0].coupling.items():
        factor = (omega / reference) ** weights.get(name, 0)
        own[name] = Drive(harmonics=tuple((n, factor * a, factor * b) for n, a, b in drive.harmonics))
    reservoirs = (machine.reservoirs[0].with_coupling(own), *machine.reservoirs[1:])
    return Machine(
        frequencies=machine.frequencies,
        reservoirs=reservoirs,
        drive_frequency=float(omega),
        wiring=machine.wiring,
    )


@pytest.mark.parametrize("weights", [{}, {"B": 1.0}, {"A": -0.5, "B": 2.0}], ids=str)
@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_averages_are_second_order_of_the_weighted_machine(machine, weights):
    found = koyuk_seifert_ratio(machine, OMEGA, weights=weights, reference=1.7)
    for index, omega in enumerate(OMEGA):
        one = second_order(weighted(machine, omega, weights, 1.7))
        for name in ("local_power", "entropy_production", "fluctuation_quantum", "heat_current"):
            scale = np.abs(one[name]).max().item()
            assert_allclose(found[name][index], one[name], rtol=0, atol=ROUNDING * scale)


@pytest.mark.parametrize("weights", [{}, {"B": 1.0}], ids=str)
@pytest.mark.parametrize("name", ["reference point", "converter", "three oscillators"])
def test_response_is_the_derivative_of_a_chebyshev_interpolant(name, weights):
    machine, center, width = MACHINES[name], np.log(0.3), 0.2

    def powers(u):
        machines = [weighted(machine, np.exp(one), weights, 2.0) for one in u]
        return np.array([second_order(one).local_power.values for one in machines])

    nodes = np.polynomial.chebyshev.chebpts1(24)
    values = powers(center + width * nodes)
    found = koyuk_seifert_ratio(machine, 0.3, weights=weights, reference=2.0)
    for l, power in enumerate(values.T):
        fit = Chebyshev.fit(nodes, power, 23, domain=(-1, 1))
        slope = fit.deriv()(0.0) / width
        scale = np.abs(values).max()
        assert_allclose(found.local_power_response[0, l], slope, rtol=1e-8, atol=1e-9 * scale)


def test_stated_error_covers_plain_differences():
    machine, step = MACHINES["converter"], 1e-3
    found = koyuk_seifert_ratio(machine, OMEGA)
    ends = [
        second_order_map(machine, drive_frequency=OMEGA * np.exp(s * step)).local_power.values
        for s in (-2, -1, 1, 2)
    ]
    plain = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * step)
    # discretization of the fourth-order rule: step⁴ times a fifth derivative
    assert_allclose(found.local_power_response, plain, rtol=1e-7)
    assert np.all(found.local_power_response_error < 1e-8 * np.abs(found.local_power_response))


def test_definition_of_the_ratio():
    found = koyuk_seifert_ratio(standard_machine(), OMEGA, weights={"B": 1.0}, reference=3.0)
    cost = found.entropy_production * found.fluctuation_quantum
    expected = cost / (found.local_power - found.local_power_response) ** 2
    assert_allclose(
        found.koyuk_seifert_ratio, expected.transpose("drive_frequency", "oscillator"), rtol=1e-14
    )
    total = found.local_power.sum("oscillator") - found.local_power_response.sum("oscillator")
    cost = found.entropy_production * found.power_fluctuation_quantum
    assert_allclose(found.power_koyuk_seifert_ratio, cost / total**2, rtol=1e-12)
    assert np.all(found.koyuk_seifert_ratio_error < 1e-6 * found.koyuk_seifert_ratio)


def test_error_of_the_ratio_is_that_of_its_parts():
    found = koyuk_seifert_ratio(MACHINES["converter"], OMEGA)
    lost = 2 * (found.local_power_error + found.local_power_response_error)
    relative = lost / np.abs(found.local_power - found.local_power_response)
    for name in ("entropy_production", "fluctuation_quantum"):
        relative = relative + found[f"{name}_error"] / np.abs(found[name])
    expected = found.koyuk_seifert_ratio * relative
    shown = found.koyuk_seifert_ratio_error
    assert_allclose(shown, expected.transpose(*shown.dims), rtol=1e-12)
    assert np.all(shown > 0)


def test_slow_drive_turns_the_sign_of_the_current_only():
    """P ~ Ω² of one oscillator driven slowly: P - Ω P' = -P, so that both ratios are one."""
    found = koyuk_seifert_ratio(single_machine(), [1e-4])
    assert_allclose(found.koyuk_seifert_ratio, found.tur_ratio, rtol=1e-5)


def test_weight_multiplies_the_power_of_a_single_oscillator():
    """P -> W² P: Ω ∂(W² P)/∂Ω = W² (2r P + Ω ∂P/∂Ω)."""
    plain, heavy = (
        koyuk_seifert_ratio(single_machine(), OMEGA, weights={"A": r}, reference=2.0) for r in (0.0, 1.5)
    )
    squared = (OMEGA[:, None] / 2.0) ** 3
    expected = squared * (3.0 * plain.local_power + plain.local_power_response)
    assert_allclose(heavy.local_power_response, expected, rtol=1e-7)


def test_classical_markovian_machine_keeps_the_bound():
    hot = {"temperatures": (50.0, 50.0), "static_density": OHMIC, "driven_density": DRUDE.model_copy()}
    found = koyuk_seifert_ratio(standard_machine(**hot, phase=0.0), np.geomspace(0.05, 20.0, 12))
    assert np.all(found.koyuk_seifert_ratio > 2 * (1 - 1e-6))
    assert np.all(found.power_koyuk_seifert_ratio > 2 * (1 - 1e-6))


def test_tradeoff_is_the_reciprocal_uncertainty_ratio_of_the_total_power():
    line = Lorentzian(strength=1e-3, frequency=1.29, gamma=0.05)
    engine = standard_machine(
        driven_density=line, static_density=Ohmic(gamma=100.0), temperatures=(1.0, 0.1), phase=np.pi
    )
    found = second_order_map(engine, drive_frequency=[0.3, 0.46, 0.7, 1.5])
    again = koyuk_seifert_ratio(engine, found.drive_frequency)
    assert_allclose(again.efficiency, found.efficiency, rtol=ROUNDING)
    tradeoff = power_tradeoff(
        found.power, found.efficiency, found.power_fluctuation_quantum, hot=1.0, cold=0.1
    )
    runs = found.power < 0
    assert runs.any()
    assert not runs.all()
    assert_allclose(tradeoff.where(runs), (1 / found.power_tur_ratio).where(runs), rtol=1e-8)
    assert np.isnan(tradeoff.where(~runs)).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"drive_frequency": [0.1, 0.0]}, "`drive_frequency`"),
        ({"drive_frequency": []}, "`drive_frequency`"),
        ({"reference": 0.0}, "`reference`"),
        ({"weights": {"C": 1.0}}, "oscillator 'C'"),
        ({"weights": {"A": np.inf}}, "`weights.A`"),
    ],
    ids=str,
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(InputError, match=words):
        koyuk_seifert_ratio(standard_machine(), **arguments)


def test_cold_must_be_colder():
    with pytest.raises(InputError, match="`hot`"):
        power_tradeoff(-0.1, 0.2, 0.1, hot=0.1, cold=0.1)
