"""Derived observables: definitions, signs, and reasons where they are not defined."""

import numpy as np
import pytest
from helpers.machines import BROAD_DRUDE, single_machine, standard_machine, static_machine

from langevin_qtm.physics.thermodynamics import (
    BASE,
    conversion_efficiency,
    derive,
    efficiency,
    pearson,
    reasons,
)

ROUNDING = 1e-14  # rounding: a few operations


def base(power=(-0.3, 0.1), heat=(0.5, -0.3)):
    return {
        "local_power": np.array(power),
        "heat_current": np.array(heat),
        "position_covariance": np.array([[2.0, -0.5], [-0.5, 0.5]]),
        "fluctuation_cnumber": np.array([0.9, 0.4]),
        "fluctuation_quantum": np.array([0.6, 0.2]),
        "power_fluctuation_cnumber": np.array(1.5),
        "power_fluctuation_quantum": np.array(1.2),
    }


def test_engine_numbers_follow_their_definitions():
    derived = derive(standard_machine(), base())  # temperatures 0.5 and 0.2
    expected = {
        "power": -0.2,
        "balance_residual": 0.0,
        "entropy_production": -0.5 / 0.5 + 0.3 / 0.2,
        "efficiency": 0.2 / 0.5,
        "conversion_efficiency": 0.3 / 0.1,
        "pearson": -0.5,
        "tur_ratio": [0.5 * 0.6 / 0.09, 0.5 * 0.2 / 0.01],
        "tur_ratio_cnumber": [0.5 * 0.9 / 0.09, 0.5 * 0.4 / 0.01],
        "power_tur_ratio": 0.5 * 1.2 / 0.04,
    }
    assert derived.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(derived[name], value, rtol=ROUNDING, atol=1e-16, err_msg=name)
    assert set(base()) == set(BASE)


def test_efficiency_counts_the_heat_from_the_hottest_reservoirs_alone():
    machine = static_machine(omega=(1.0,), densities=(BROAD_DRUDE,) * 4, temperatures=(0.3, 0.9, 0.9, 0.1))
    heat = np.array([0.1, 0.4, 0.2, -0.5])
    assert efficiency(machine, np.array(-0.2), heat) == pytest.approx(0.2 / 0.6, rel=ROUNDING)


@pytest.mark.parametrize(
    ("power", "heat"),
    [(0.2, [0.5, -0.7]), (0.0, [0.5, -0.5]), (-0.1, [-0.2, 0.3])],
    ids=["work-supplied", "no-work", "heat-into-the-hot"],
)
def test_efficiency_is_undefined_where_the_machine_is_no_engine(power, heat):
    assert np.isnan(efficiency(standard_machine(), np.array(power), np.array(heat)))


def test_efficiency_is_undefined_at_one_temperature():
    machine = standard_machine(temperatures=(0.3, 0.3))
    assert np.isnan(efficiency(machine, np.array(-0.1), np.array([0.2, -0.1])))


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ((-0.3, 0.4), 0.75),
        ((0.4, -0.3), 0.75),
        ((-0.1, -0.1, 0.4), 0.5),
        ((0.1, 0.2), np.nan),
        ((-0.1, -0.2), np.nan),
    ],
    ids=["A-extracts", "B-extracts", "three", "only-supplied", "only-extracted"],
)
def test_conversion_efficiency_is_extracted_over_supplied_work(local, expected):
    value = conversion_efficiency(np.array(local))
    assert value == pytest.approx(expected, rel=ROUNDING, nan_ok=True)


def test_pearson_coefficient_is_normalised_and_needs_two_oscillators():
    assert pearson(np.array([[4.0, 2.0], [2.0, 1.0]])) == 1.0
    assert pearson(np.array([[4.0, -2.0], [-2.0, 1.0]])) == -1.0
    assert np.isnan(pearson(np.array([[4.0]])))


def test_replicas_along_leading_axes_are_derived_one_by_one():
    machine, rng = standard_machine(), np.random.default_rng(5)
    replicas = {name: value + 0.01 * rng.normal(size=(7, *value.shape)) for name, value in base().items()}
    together = derive(machine, replicas)
    for k in range(7):
        alone = derive(machine, {name: value[k] for name, value in replicas.items()})
        for name, value in alone.items():
            np.testing.assert_allclose(together[name][k], value, rtol=ROUNDING, err_msg=name)


def test_every_undefined_number_has_its_reason():
    engine = derive(standard_machine(), base())
    assert reasons(standard_machine(), engine) == {}
    cold = standard_machine(temperatures=(0.5, 0.0))
    derived = derive(cold, base(power=(0.1, 0.1), heat=(0.1, -0.3)))
    given = reasons(cold, derived)
    assert set(given) == {
        "entropy_production",
        "efficiency",
        "conversion_efficiency",
        "tur_ratio",
        "tur_ratio_cnumber",
        "power_tur_ratio",
    }
    assert "zero temperature" in given["entropy_production"]
    assert given["efficiency"] == "no work is extracted"
    isothermal = standard_machine(temperatures=(0.2, 0.2))
    assert "one temperature" in reasons(isothermal, derive(isothermal, base()))["efficiency"]
    single = {name: value[:1] if value.ndim == 1 else value for name, value in base().items()}
    single |= {"heat_current": np.array([0.3, 0.0]), "position_covariance": np.array([[1.0]])}
    assert reasons(single_machine(), derive(single_machine(), single))["pearson"] == "a single oscillator"
