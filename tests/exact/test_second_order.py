"""Second order in the driven couplings: the published formulas, integrated by independent routes."""

import numpy as np
import pytest
from helpers.machines import (
    BROAD_DRUDE,
    DRUDE,
    LORENTZIAN,
    OHMIC,
    converter,
    cosines,
    driven,
    single_machine,
    standard_machine,
    static,
    static_machine,
)
from helpers.published import Published
from helpers.second_order_quadrature import Quadrature

from langevin_qtm.errors import InputError, NotConvergedError
from langevin_qtm.exact import second_order as second_order_module
from langevin_qtm.exact import second_order_integrals
from langevin_qtm.exact.second_order import KINDS, second_order, second_order_averages, second_order_map
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz, Lorentzian, Ohmic

GENERIC = {
    "A": Drive(harmonics=((0, 0.5, 0.0), (1, 0.2, 0.3), (2, -0.1, 0.2))),
    "B": Drive(harmonics=((0, -0.3, 0.0), (2, 0.4, -0.1), (3, 0.1, 0.0))),
}
MACHINES = {
    "reference-point": standard_machine(),
    "weak-damping": standard_machine(static_density=Ohmic(gamma=1e-4), driven_density=LORENTZIAN),
    "moderate-damping": standard_machine(static_density=Ohmic(gamma=0.01), temperatures=(0.3, 0.8)),
    "damping-one": standard_machine(static_density=Ohmic(gamma=1.0), drive_frequency=0.4),
    "converter": converter(),
    "strong-damping-fast-drive": converter(drive_frequency=30.0, cutoff=700.0, temperature=0.03),
    "zero-temperature": standard_machine(temperatures=(0.0, 0.0)),
    "cold-driven": standard_machine(temperatures=(0.0, 0.4), static_density=OHMIC),
    "cold-static": standard_machine(temperatures=(0.4, 0.0), static_density=OHMIC, driven_density=LORENTZIAN),
    "engine": standard_machine(
        driven_density=Lorentzian(strength=0.01, frequency=0.8, gamma=0.02), temperatures=(2.0, 0.2)
    ),
    "overdamped-lorentzian": standard_machine(
        driven_density=Lorentzian(strength=1.0, frequency=1.0, gamma=9.0)
    ),
    "harmonics": standard_machine(coupling=GENERIC),
    "independent": standard_machine(wiring="independent", coupling=GENERIC),
    "independent-strong": standard_machine(wiring="independent", static_density=Ohmic(gamma=100.0)),
    "ohmic-driven": standard_machine(driven_density=Ohmic(gamma=0.01), static_density=OHMIC),
    "one": single_machine(drive=Drive.cosine(0.7, 0.2, mean=0.4)),
    "three-with-two-static": Machine(
        frequencies={"A": 1.0, "B": 0.6, "C": 1.4},
        drive_frequency=0.9,
        reservoirs=(
            driven(DRUDE, 0.5, cosines(0.0, 1.0, 2.5)),
            static(OHMIC, 0.2, {"A": 1.0, "B": -0.4, "C": 0.3}),
            static(BROAD_DRUDE, 0.7, {"C": 0.8}, name="hot"),
        ),
    ),
    "two-driven": Machine(
        frequencies={"A": 1.0, "B": 0.6},
        drive_frequency=0.9,
        reservoirs=(
            driven(DRUDE, 0.5, cosines(0.0, 1.0)),
            driven(LORENTZIAN, 0.1, GENERIC, name="second"),
            static(OHMIC, 0.2),
        ),
    ),
}
# discretisation: 1e-9 relative for each of the two integrations, on differences of larger terms
AGREEMENT = 1e-6
PROMISED = 1e-9  # rounding: error relative to the largest number of its kind


def assert_matches(actual, expected, group):
    """Within AGREEMENT of the largest number of the group."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=AGREEMENT * np.abs(group).max())
    large = np.abs(expected) > 1e-3 * np.abs(group).max()
    np.testing.assert_allclose(np.asarray(actual)[large], np.asarray(expected)[large], rtol=AGREEMENT)


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES.keys())
def test_every_number_is_that_of_the_published_formulas(machine):
    dataset, published = second_order(machine), Published(machine)
    flows = np.concatenate([published.local_power, published.heat_into_medium])
    assert_matches(dataset.local_power, published.local_power, flows)
    assert_matches(dataset.power, published.local_power.sum(), flows)
    into_medium, count = published.heat_into_medium.sum(), len(machine.driven_reservoirs)
    assert_matches(dataset.heat_current[:count].sum(), into_medium - published.local_power.sum(), flows)
    if len(machine.reservoirs) == count + 1:
        assert_matches(dataset.heat_current[-1], -into_medium, flows)
    assert_matches(dataset.position_covariance, published.covariance, published.covariance)
    fluctuations = np.concatenate([published.d_quantum, published.d_cnumber])
    assert_matches(dataset.fluctuation_quantum, published.d_quantum, fluctuations)
    assert_matches(dataset.fluctuation_cnumber, published.d_cnumber, fluctuations)
    assert_matches(dataset.power_fluctuation_quantum, published.total_quantum, fluctuations)
    assert_matches(dataset.power_fluctuation_cnumber, published.total_cnumber, fluctuations)


def test_reference_point_has_the_known_second_order_powers():
    dataset = second_order(MACHINES["reference-point"])
    # reference: half a unit of the last digit printed
    np.testing.assert_allclose(dataset.local_power, [0.009608, 0.026848], rtol=0, atol=5e-7)


def assert_bounded(machine, dataset, promised=PROMISED):
    """Every base number within the sum of its error and that of the quadrature, which are both small."""
    quadrature = Quadrature(machine)
    for kind in KINDS:
        largest = max(float(np.nanmax(np.abs(quadrature.averages[name]))) for name in kind)
        for name in kind:
            value, error = (dataset[label].values for label in (name, f"{name}_error"))
            reference, own = quadrature.averages[name], quadrature.errors[name]
            defined = np.isfinite(reference)
            slack = own + 1e-13 * largest  # rounding of the quadrature
            assert np.all((np.abs(value - reference) <= error + slack)[defined]), name
            assert np.all(error[defined] <= promised * largest), name


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES.keys())
def test_errors_are_small_and_bound_the_distance_to_a_quadrature(machine):
    assert_bounded(machine, second_order(machine))


@pytest.mark.parametrize("seed", range(8))
def test_random_machines_agree_with_a_quadrature(seed):
    rng = np.random.default_rng(seed)

    def log(low, high):
        return float(10 ** rng.uniform(np.log10(low), np.log10(high)))

    def density():
        kinds = (
            Ohmic(gamma=log(1e-2, 1e1)),
            DrudeLorentz(gamma=log(1e-2, 1e1), cutoff=log(1.0, 1e2)),
            Lorentzian(strength=log(1e-2, 1.0), frequency=log(0.3, 3.0), gamma=log(1e-1, 1e1)),
        )
        return kinds[rng.integers(3)]

    machine = standard_machine(
        omega=rng.uniform(0.3, 2.0, 3)[: seed % 3 + 1],
        drive_frequency=log(0.1, 10.0),
        driven_density=density(),
        static_density=density(),
        temperatures=(log(0.05, 10.0), log(0.05, 10.0)),
        wiring=("joint", "independent")[seed // 4],
        coupling=cosines(*rng.uniform(0, 6, seed % 3 + 1)),
    )
    assert_bounded(machine, second_order(machine))


def test_tolerance_beyond_rounding_is_refused_with_the_error_reached():
    with pytest.raises(NotConvergedError, match="rounding; loosen `tolerance`") as caught:
        second_order(MACHINES["converter"], 1e-15)
    assert 1e-15 < caught.value.error < PROMISED


def test_derived_numbers_follow_from_the_base_ones():
    dataset = second_order(MACHINES["engine"])
    power, heat = dataset.local_power.values, dataset.heat_current.values
    entropy = -(heat / [2.0, 0.2]).sum()
    covariance = dataset.position_covariance.values
    expected = {
        "power": power.sum(),
        "entropy_production": entropy,
        "pearson": covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]),
        "tur_ratio": entropy * dataset.fluctuation_quantum.values / power**2,
        "power_tur_ratio": entropy * float(dataset.power_fluctuation_quantum) / power.sum() ** 2,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(dataset[name], value, rtol=1e-13, err_msg=name)  # rounding


def test_dimensions_names_and_method_are_those_of_the_schema():
    dataset = second_order(MACHINES["reference-point"])
    assert dataset.local_power.dims == ("oscillator",)
    assert dataset.heat_current.dims == ("reservoir",)
    assert dataset.position_covariance.dims == ("oscillator", "oscillator_prime")
    assert list(dataset.reservoir.values) == ["driven", "static"]
    assert dataset.attrs["method"] == "second_order"
    assert Machine.model_validate_json(dataset.attrs["machine"]) == MACHINES["reference-point"]


def test_driven_strength_enters_linearly():
    weak, strong = (
        second_order(standard_machine(driven_density=DrudeLorentz(gamma=gamma, cutoff=12.0)))
        for gamma in (1e-6, 1.0)
    )
    for name in ("local_power", "heat_current", "fluctuation_quantum", "power_fluctuation_cnumber"):
        np.testing.assert_allclose(strong[name], 1e6 * weak[name], rtol=1e-12)  # rounding
    for name in ("position_covariance", "pearson"):
        np.testing.assert_allclose(strong[name], weak[name], rtol=1e-12)  # rounding


def test_covariance_is_that_of_the_undriven_machine_in_equilibrium():
    wide = second_order(standard_machine(temperatures=(3.0, 0.2))).position_covariance
    cold = second_order(standard_machine(temperatures=(0.0, 0.2))).position_covariance
    np.testing.assert_allclose(wide, cold, rtol=1e-9)  # discretisation: the meshes differ


def test_undriven_machine_exchanges_nothing():
    dataset = second_order(static_machine())
    for name in ("local_power", "heat_current", "fluctuation_quantum", "power_fluctuation_quantum"):
        assert np.all(dataset[name] == 0)


def test_joint_and_independent_wiring_agree_as_the_static_damping_vanishes():
    """The cross terms of χ are of first order in the static damping, and no resonance is shared."""
    gammas, differences = np.array([1e-5, 1e-4, 1e-3]), []
    for gamma in gammas:
        joint, independent = (
            second_order(standard_machine(static_density=Ohmic(gamma=gamma), wiring=wiring))
            for wiring in ("joint", "independent")
        )
        differences.append(float(np.abs(joint.local_power - independent.local_power).max()))
    slope = np.polyfit(np.log(gammas), np.log(differences), 1)[0]
    assert 0.9 < slope < 1.1  # discretisation: measured order
    assert differences[0] < 1e-5


def test_antisynchronisation_grows_with_damping_and_is_complete_when_cold():
    pearson = [
        float(second_order(standard_machine(static_density=Ohmic(gamma=g), temperatures=(0.1, 0.01))).pearson)
        for g in (1e-3, 1.0, 100.0)
    ]
    assert pearson[0] > -0.05
    assert pearson[0] > pearson[1] > pearson[2]
    assert pearson[2] < -0.8


def test_several_static_reservoirs_leave_their_heat_currents_undefined_with_a_reason():
    dataset = second_order(MACHINES["three-with-two-static"])
    assert np.isfinite(dataset.heat_current[0])
    assert np.all(np.isnan(dataset.heat_current[1:]))
    assert "several static reservoirs" in dataset.heat_current.attrs["undefined"]
    for name in ("balance_residual", "entropy_production", "tur_ratio"):
        assert np.all(np.isnan(dataset[name]))
        assert "undefined" in dataset[name].attrs


def test_zero_temperature_leaves_the_entropy_production_undefined_with_a_reason():
    dataset = second_order(MACHINES["zero-temperature"])
    for name in ("entropy_production", "tur_ratio", "power_tur_ratio"):
        assert np.all(np.isnan(dataset[name]))
        assert "undefined" in dataset[name].attrs


def test_machine_with_driven_reservoirs_alone_is_refused():
    machine = Machine(
        frequencies={"A": 1.0}, drive_frequency=1.0, reservoirs=(driven(DRUDE, 0.1, cosines(0.0)),)
    )
    with pytest.raises(InputError, match="all are driven"):
        second_order(machine)


def test_mode_that_the_static_reservoirs_do_not_damp_is_refused():
    with pytest.raises(InputError, match="damp every mode of the oscillators"):
        second_order(standard_machine(omega=(1.0, 1.0)))


def test_parametric_pumping_is_beyond_second_order_and_does_not_disturb_it():
    machine = Machine(
        frequencies={"A": 1.0},
        drive_frequency=3.0,
        reservoirs=(
            driven(DrudeLorentz(gamma=20.0, cutoff=0.05), 0.1, {"A": Drive.cosine(0.5, mean=1.0)}),
            static(Ohmic(gamma=0.01), 0.1),
        ),
    )
    dataset = second_order(machine)
    np.testing.assert_allclose(dataset.local_power, Published(machine).local_power, rtol=AGREEMENT)
    assert dataset.attrs["max_multiplier"] < 1


def assert_same(first, second, rtol=1e-9):
    """Every variable, NaN where NaN, relative to the largest of each."""
    for name in second:
        value, reference = np.asarray(first[name]), np.asarray(second[name])
        scale = np.abs(np.nan_to_num(reference)).max()
        if not name.endswith("_error"):
            np.testing.assert_allclose(value, reference, rtol=rtol, atol=1e-12 * scale, err_msg=name)


def test_map_is_second_order_at_every_point():
    machine = MACHINES["converter"]
    found = second_order_map(machine, drive_frequency=[0.1, 3.0], temperature=[0.0, 0.05, 4.0])
    assert found.local_power.dims == ("drive_frequency", "temperature", "oscillator")
    assert found.position_covariance.dims == (
        *("drive_frequency", "temperature"),
        *("oscillator", "oscillator_prime"),
    )
    for point in ((0.1, 0.0), (0.1, 4.0), (3.0, 0.05)):
        alone = second_order(converter(drive_frequency=point[0], temperature=point[1]))
        assert_same(found.sel(drive_frequency=point[0], temperature=point[1]), alone)
    assert found.attrs["method"] == "second_order"
    assert found.drive_frequency.attrs["units"] == found.temperature.attrs["units"] == "omega_A"
    assert "zero temperature" in found.entropy_production.attrs["undefined"]


def test_map_over_single_reservoirs_has_a_dimension_for_each():
    machine = standard_machine()
    found = second_order_map(machine, temperature={"static": [0.0, 0.2], "driven": [0.3, 0.5, 0.0]})
    assert found.heat_current.dims == ("temperature_static", "temperature_driven", "reservoir")
    for cold, hot in ((0.0, 0.3), (0.2, 0.5), (0.0, 0.0)):
        alone = second_order(standard_machine(temperatures=(hot, cold)))
        assert_same(found.sel(temperature_static=cold, temperature_driven=hot), alone)


def test_map_over_drive_frequency_alone_and_over_nothing():
    found = second_order_map(standard_machine(), drive_frequency=[0.4, 1.3])
    assert found.power.dims == ("drive_frequency",)
    assert_same(found.sel(drive_frequency=1.3), second_order(standard_machine()))
    assert_same(second_order_map(standard_machine()), second_order(standard_machine()))


def test_many_machines_at_once_are_what_each_is_alone():
    machines = [
        MACHINES[name] for name in MACHINES if name not in ("one", "three-with-two-static", "two-driven")
    ]
    variables, undefined = second_order_averages(machines)
    for index, machine in enumerate(machines):
        assert_same({name: value[index] for name, value in variables.items()}, second_order(machine))
    assert set(undefined) >= {"efficiency", "entropy_production"}


def test_points_of_a_stack_do_not_know_of_each_other(monkeypatch):
    machines = [standard_machine(temperatures=(t, 0.3)) for t in (0.0, 0.1, 0.3, 8.0)]
    together, _ = second_order_averages(machines)
    monkeypatch.setattr(second_order_module, "POINTS_PER_STACK", 1)
    alone, _ = second_order_averages(machines)
    assert_same(together, alone)
    monkeypatch.setattr(second_order_integrals, "ELEMENTS", 1)
    assert_same(second_order_averages(machines)[0], alone)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"drive_frequency": [0.0, 1.0]}, "`drive_frequency` = 0.0 is not allowed: it must be > 0"),
        ({"drive_frequency": []}, "`drive_frequency` = .* must be a list of finite numbers"),
        ({"temperature": 0.1}, "`temperature` = 0.1 is not allowed: it must be a list of finite numbers"),
        ({"temperature": {"hot": [0.1]}}, "names reservoir 'hot', which is not one of"),
        ({"temperature": [-0.1]}, "temperature"),
    ],
)
def test_axes_that_make_no_sense_are_refused(axes, message):
    with pytest.raises(InputError, match=message):
        second_order_map(standard_machine(), **axes)


@pytest.mark.parametrize("temperatures", [(0.5, 1e-59), (1e-59, 0.5), (1e-59, 1e-59), (1e-59, 0.0)])
def test_vanishing_temperature_is_zero_temperature(temperatures):
    cold = [t if t > 1e-50 else 0.0 for t in temperatures]
    almost, zero = (second_order(standard_machine(temperatures=tuple(t))) for t in (temperatures, cold))
    for kind in KINDS:
        for name in kind:
            np.testing.assert_allclose(almost[name], zero[name], rtol=1e-11, err_msg=name)  # rounding


@pytest.mark.parametrize("offset", [0.0, 1e-13, 1e-9, 1e-5, 1e-2])
def test_critical_damping_costs_no_more_than_half_the_digits(offset):
    """γ = 2 w: two rates of the medium coincide, and G has one eigenvector for both."""
    machine = single_machine(static_density=Ohmic(gamma=2.0 * (1 + offset)))
    assert_bounded(machine, second_order(machine, 1e-5), promised=1e-5)


@pytest.mark.parametrize("offset", [0.0, 1e-12, 1e-7, 1e-3])
def test_matsubara_frequency_at_a_rate_costs_nothing(offset):
    """A real rate of the medium, and the cut-off, at Matsubara frequencies of either reservoir."""
    rates = np.linalg.eigvals(np.array([[0.0, 1.0], [-1.0, -4.0]]))
    static_one = float(-rates.min() / (2 * np.pi * 3)) * (1 + offset)
    driven_one = 12.0 / (2 * np.pi * 2) * (1 - offset)
    machine = single_machine(static_density=Ohmic(gamma=4.0), temperatures=(driven_one, static_one))
    assert_bounded(machine, second_order(machine))
    swapped = single_machine(static_density=Ohmic(gamma=4.0), temperatures=(static_one, driven_one))
    assert_bounded(swapped, second_order(swapped))


def test_line_of_the_medium_at_one_of_the_driven_reservoir_costs_nothing():
    """Equal widths, and Ω the distance of the lines: poles of the medium and of the reservoir coincide."""
    gamma = 0.02
    line = Lorentzian(strength=0.01, frequency=2.0, gamma=gamma)
    distance = np.sqrt(4 - gamma**2 / 4) - np.sqrt(1 - gamma**2 / 4)
    machine = single_machine(
        drive_frequency=float(distance), driven_density=line, static_density=Ohmic(gamma=gamma)
    )
    assert_bounded(machine, second_order(machine))
