"""Validation: correct data pass, wrong data fail, and what cannot be judged is left alone."""

import math

import numpy as np
import pytest
import xarray as xr
from helpers.datasets import sampled
from helpers.machines import BROAD_DRUDE, OHMIC, driven, standard_machine, static
from rich.console import Console
from scipy import stats

from langevin_qtm import validation
from langevin_qtm.errors import InputError, NotConvergedError
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.exact.second_order import second_order
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.report import error_number, number
from langevin_qtm.validation import FALSE_ALARM, validate

SHIFT = 6.0  # standard errors: beyond the limit (about 4.2) by enough to fail whatever the noise
REPLICAS = 300


@pytest.fixture(scope="module")
def machine():
    return standard_machine()


@pytest.fixture(scope="module")
def exact(machine):
    return periodic_steady_state(machine)


@pytest.fixture(scope="module")
def perturbative(machine):
    return second_order(machine)


@pytest.fixture
def known(monkeypatch, exact, perturbative):
    """References computed once."""
    monkeypatch.setattr(validation, "periodic_steady_state", lambda _: exact)
    monkeypatch.setattr(validation, "second_order", lambda _: perturbative)


@pytest.fixture
def dataset(machine, exact):
    return sampled(machine, exact)


def row(result, label):
    """The row of one number."""
    return next(row for row in result.rows if row.label == label)


# ------------------------------------------------------------------------------------------- sampled


def test_perfect_sampler_agrees(dataset):
    result = validate(dataset)
    assert result.agrees
    assert result.is_sampled


@pytest.mark.usefixtures("known")
def test_deviations_are_those_of_the_definition(dataset, exact, perturbative):
    shown = row(validate(dataset), "local_power[B]")
    reference, error = float(exact.local_power[1]), float(exact.local_power_error[1])
    se = float(dataset.local_power_se[1])
    assert (shown.value, shown.se, shown.exact) == (float(dataset.local_power[1]), se, reference)
    assert shown.second_order == float(perturbative.local_power[1])
    assert shown.z == (shown.value - reference) / math.hypot(se, error)


@pytest.mark.parametrize("attribute", ["step_error", "noise_fit_error"])
def test_bias_of_the_run_is_allowed_for_relative_to_the_largest_of_a_kind(
    dataset, exact, monkeypatch, attribute
):
    """Small currents are differences of large ones, of any name; entropy production has their errors / T."""
    exact = exact.copy(deep=True)
    exact["heat_current"][0] = -7.0  # the largest current
    monkeypatch.setattr(validation, "periodic_steady_state", lambda _: exact)
    monkeypatch.setattr(validation, "second_order", lambda _: exact)
    dataset.attrs[attribute] = bias = 0.01
    coldest = 0.2
    covariances = np.abs(exact.position_covariance).max().item()
    scales = {"local_power[A]": 7.0, "power": 7.0, "heat_current[static]": 7.0}
    scales |= {"entropy_production": 7.0 / coldest, "position_covariance[A,B]": covariances}
    result = validate(dataset)
    for label, scale in scales.items():
        one = row(result, label)
        name, _, index = label.rstrip("]").partition("[")
        where = dict(zip(exact[name].dims, index.split(","), strict=True)) if index else {}
        error = float(exact[f"{name}_error"].sel(where))
        allowed = math.hypot(one.se, error, bias * scale)
        assert one.z == pytest.approx((one.value - one.exact) / allowed, rel=1e-12), label


@pytest.mark.usefixtures("known")
def test_limit_is_shared_among_all_numbers(dataset):
    result = validate(dataset)
    tail = FALSE_ALARM / (2 * len(result.judged))
    assert result.threshold == stats.t.isf(tail, 255)
    assert result.threshold > stats.norm.isf(tail)


@pytest.mark.usefixtures("known")
def test_correct_data_are_refused_no_more_often_than_promised(machine, exact):
    results = [validate(sampled(machine, exact, seed)) for seed in range(REPLICAS)]
    refused = sum(not result.agrees for result in results)
    assert stats.binom.sf(refused - 1, REPLICAS, FALSE_ALARM) > 1e-3
    z = np.array([row.z for result in results for row in result.judged])
    assert stats.kstest(z, "norm").pvalue > 1e-3


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("local_power", (0,)),
        ("heat_current", (1,)),
        ("position_covariance", (0, 1)),
        ("power", ()),
        ("pearson", ()),
        ("fluctuation_quantum", (1,)),
    ],
)
def test_one_wrong_number_is_found(dataset, exact, name, index, sign):
    dataset[name].values[index] = (
        exact[name].values[index] + sign * SHIFT * dataset[f"{name}_se"].values[index]
    )
    result = validate(dataset)
    assert not result.agrees
    assert result.worst.name == name
    assert result.worst.z * sign > result.threshold


@pytest.mark.usefixtures("known")
def test_standard_errors_that_are_too_small_are_found(dataset):
    for name in list(dataset.data_vars):
        if str(name).endswith("_se"):
            dataset[name] = dataset[name] / 4
    assert not validate(dataset).agrees


@pytest.mark.usefixtures("known")
def test_a_symmetric_pair_is_judged_once(dataset):
    labels = [row.label for row in validate(dataset).rows]
    assert "position_covariance[A,B]" in labels
    assert "position_covariance[B,A]" not in labels
    assert "position_velocity_covariance[B,A]" in labels
    assert len(labels) == len(set(labels))


@pytest.mark.usefixtures("known")
def test_what_depends_on_the_band_is_not_judged(dataset):
    dataset.velocity_covariance.attrs["uv_sensitive"] = "grows with the band"
    dataset.velocity_covariance.values[:] = 1e3
    result = validate(dataset)
    assert result.agrees
    assert math.isnan(row(result, "velocity_covariance[A,A]").z)


@pytest.mark.usefixtures("known")
def test_number_that_is_undefined_is_not_judged(dataset):
    dataset.tur_ratio.values[0] = np.nan
    dataset.tur_ratio.attrs["undefined"] = "needs more periods"
    result = validate(dataset)
    assert result.agrees
    assert math.isnan(row(result, "tur_ratio[A]").z)


@pytest.mark.usefixtures("known")
def test_ratio_to_a_power_that_is_not_resolved_is_not_judged(dataset):
    dataset["tur_ratio"][0] *= 100.0
    assert not validate(dataset).agrees
    dataset["local_power_se"][0] = abs(dataset["local_power"][0]) / 4.0
    assert math.isnan(row(validate(dataset), "tur_ratio[A]").z)
    assert not math.isnan(row(validate(dataset), "tur_ratio[B]").z)


@pytest.mark.parametrize(
    ("measured", "true", "is_judged"),
    [((-1.0, 1.0), (-1.0, 1.0), True), ((-1.0, 0.3), (-1.0, 1.0), False), ((-1.0, 1.0), (-1.0, 0.3), False)],
    ids=["resolved", "not as sampled", "not in truth"],
)
def test_efficiency_relative_to_a_power_that_is_not_resolved_is_not_judged(measured, true, is_judged):
    powers = xr.Dataset({"local_power": ("oscillator", list(measured))})
    powers["local_power_se"] = 0.0 * powers["local_power"] + 0.1
    reference = xr.Dataset({"local_power": ("oscillator", list(true))})
    assert validation._has_divisor("conversion_efficiency", powers, reference) == is_judged
    assert validation._has_divisor("pearson", powers, reference)


@pytest.mark.usefixtures("known")
def test_number_that_is_lost_without_a_reason_is_wrong(dataset):
    dataset.power.values[()] = np.nan
    result = validate(dataset)
    assert not result.agrees
    assert (result.worst.name, result.worst.z) == ("power", math.inf)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(("offset", "z"), [(0.0, math.nan), (1e-4, math.inf), (-1e-4, -math.inf)])
def test_number_without_standard_error_must_be_exact(dataset, exact, offset, z):
    dataset.power_se.values[()] = 0.0
    dataset.power.values[()] = float(exact.power) + offset
    result = validate(dataset)
    np.testing.assert_equal(row(result, "power").z, z)
    assert result.agrees == math.isnan(z)


def test_second_order_may_not_exist():
    coupling = {"A": Drive.cosine(0.3, mean=1.0)}
    machine = Machine(
        frequencies={"A": 1.0}, drive_frequency=1.3, reservoirs=[driven(BROAD_DRUDE, 0.5, coupling)]
    )
    result = validate(sampled(machine, periodic_steady_state(machine)))
    assert result.agrees
    assert all(math.isnan(row.second_order) for row in result.rows)


def test_missing_exact_values_are_not_hidden(dataset, monkeypatch):
    def fails(_):
        raise NotConvergedError("Harmonics", 1.0, 1e-9, "loosen `tolerance`")

    monkeypatch.setattr(validation, "periodic_steady_state", fails)
    with pytest.raises(NotConvergedError, match="Harmonics did not converge"):
        validate(dataset)


# ---------------------------------------------------------------------------------------- integrated


@pytest.mark.parametrize("solver", [periodic_steady_state, second_order])
def test_integrated_numbers_agree_with_themselves(machine, solver):
    result = validate(solver(machine))
    assert result.agrees
    assert not result.is_sampled
    assert result.threshold == 1.0


@pytest.mark.parametrize("solver", [periodic_steady_state, second_order])
def test_a_coarser_tolerance_agrees_within_its_own_errors(machine, solver):
    assert validate(solver(machine, tolerance=1e-4)).agrees


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("method", ["exact", "perturbative"])
@pytest.mark.parametrize("name", ["power", "pearson", "tur_ratio"])
def test_integrated_number_that_was_changed_is_found(request, method, name):
    dataset = request.getfixturevalue(method).copy(deep=True)
    dataset[name].values[...] *= 1 + 1e-6
    result = validate(dataset)
    assert not result.agrees
    assert {row.name for row in result.judged if abs(row.z) > 1} == {name}


@pytest.mark.usefixtures("known")
def test_second_order_is_not_blamed_for_strong_coupling(perturbative):
    result = validate(perturbative)
    power = row(result, "power")
    assert abs(power.exact / power.second_order - 1) > 0.01
    assert result.agrees


def test_second_order_stands_without_exact_values(perturbative, monkeypatch):
    def fails(_):
        raise NotConvergedError("Harmonics", 1.0, 1e-9, "loosen `tolerance`")

    monkeypatch.setattr(validation, "periodic_steady_state", fails)
    result = validate(perturbative)
    assert result.agrees
    assert all(math.isnan(row.exact) for row in result.rows)


def test_machine_at_rest_agrees_with_itself():
    machine = Machine(frequencies={"A": 1.0, "B": 0.6}, reservoirs=[static(OHMIC, 0.3)])
    for solver in (periodic_steady_state, second_order):
        assert validate(solver(machine)).agrees


# ------------------------------------------------------------------------------------------- refused


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "magic"}, r"method 'magic' is not known; it must be one of \['simulate'"),
        ({"method": None}, "method None is not known"),
        ({"method": "second_order"}, "no period average with an error that could be compared"),
        ({"trajectories": 1}, "`trajectories` must be an integer >= 2"),
        ({"machine": "{}"}, "does not describe a machine: `frequencies` is missing"),
    ],
    ids=["unknown method", "no method", "no errors", "one trajectory", "no machine"],
)
def test_dataset_that_cannot_be_judged_is_refused(dataset, change, message):
    dataset.attrs |= change
    with pytest.raises(InputError, match=message):
        validate(dataset)


# ------------------------------------------------------------------------------------- what is shown


def printed(table):
    """Plain text of a table at 100 columns, as in a pipe."""
    console = Console(width=100, no_color=True)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


@pytest.mark.usefixtures("known")
def test_table_has_a_line_for_each_number(dataset):
    result = validate(dataset)
    lines = printed(result.table()).splitlines()
    assert lines[0].split() == ["observable", "value", "std.", "error", "exact", "second", "order", "z"]
    shown = {line.split()[0] for line in lines[2:]}
    assert shown == {row.label for row in result.rows if not math.isnan(row.value)}
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in "".join(lines)


@pytest.mark.usefixtures("known")
def test_table_marks_what_disagrees(dataset, exact):
    dataset.power.values[()] = float(exact.power) + SHIFT * float(dataset.power_se)
    result = validate(dataset)
    marked = [line.split()[0] for line in printed(result.table()).splitlines() if line.rstrip().endswith("*")]
    assert marked == ["power"]
    assert str(result).startswith("Disagrees: 1 of ")
    assert "the farthest by 6.00 standard errors in power, limit 4." in str(result)


@pytest.mark.usefixtures("known")
def test_names_are_printed_as_they_are(dataset):
    table = validate(dataset.assign_coords(oscillator=["[red]x", ":smile:"])).table()
    assert "local_power[[red]x]" in printed(table)
    assert "local_power[:smile:]" in printed(table)


@pytest.mark.parametrize(
    ("value", "resolution", "text"),
    [
        (-5.75123e-4, 3.1e-7, "-5.7512e-04"),
        (1.0, 0.5, "1.00e+00"),
        (1.0, 30.0, "1.0e+00"),
        (0.33485637, 1e-12, "3.348564e-01"),
        (0.33485637, 0.0, "3.348564e-01"),
        (0.33485637, math.nan, "3.348564e-01"),
        (0.0, 1e-3, "0.0e+00"),
        (math.nan, 1e-3, "-"),
        (-math.inf, 1e-3, "-inf"),
        (1.0, math.inf, "1.000000e+00"),
    ],
)
def test_number_is_rounded_to_two_digits_of_its_error(value, resolution, text):
    assert number(value, resolution) == text


def test_error_has_two_digits():
    assert (error_number(3.14159e-7), error_number(math.nan)) == ("3.1e-07", "-")
