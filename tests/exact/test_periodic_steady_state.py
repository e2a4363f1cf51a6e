"""Exact periodic steady state: brute-force numbers, limits, symmetries and laws of thermodynamics."""

import numpy as np
import pytest
from helpers.dense_responses import dense_integrands
from helpers.machines import (
    BROAD_DRUDE,
    DRUDE,
    LORENTZIAN,
    OHMIC,
    QUARTER,
    REFERENCE,
    converter,
    cosines,
    driven,
    single_machine,
    standard_machine,
    static,
    static_machine,
)
from helpers.published import equilibrium, landauer
from helpers.solved import AVERAGES, steady
from helpers.time_domain import ClassicalMoments
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from langevin_qtm.errors import NotConvergedError, UnstableMachineError
from langevin_qtm.exact.periodic_steady_state import _SteadyState, periodic_steady_state
from langevin_qtm.exact.second_order import second_order
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz, Lorentzian, Ohmic

QUADRATURE = 1e-7  # discretisation: ten times the tolerance that integrals are asked for
GENERIC = {
    "A": Drive(harmonics=((0, 0.5, 0.0), (1, 0.2, 0.3))),
    "B": Drive(harmonics=((0, -0.3, 0.0), (1, -0.1, 0.2), (2, 0.2, -0.1))),
}


def three_by_three(temperatures=(0.5, 0.3, 0.2)):
    """Three oscillators, a driven reservoir and two static ones, all with memory."""
    return Machine(
        frequencies={"A": 1.0, "B": 0.6, "C": 1.6},
        drive_frequency=1.1,
        reservoirs=(
            driven(DrudeLorentz(gamma=0.1, cutoff=5.0), temperatures[0], cosines(0.0, 1.0, 2.0)),
            static(LORENTZIAN, temperatures[1], {"A": 0.4, "C": -1.0}, name="structured"),
            static(DrudeLorentz(gamma=0.5, cutoff=4.0), temperatures[2]),
        ),
    )


MACHINES = {
    "reference-point": standard_machine(),
    "ohmic-static": standard_machine(static_density=OHMIC),
    "ohmic-driven": standard_machine(driven_density=Ohmic(gamma=0.1)),
    "lorentzian-driven": standard_machine(driven_density=LORENTZIAN, drive_frequency=0.7),
    "lorentzian-static": standard_machine(static_density=Lorentzian(strength=1.0, frequency=1.0, gamma=3.0)),
    "strong-driven": standard_machine(driven_density=DrudeLorentz(gamma=1.0, cutoff=12.0)),
    "strong-static": standard_machine(static_density=Ohmic(gamma=30.0)),
    "converter": converter(),
    "cold": standard_machine(temperatures=(0.0, 0.0)),
    "hot-static": standard_machine(temperatures=(0.1, 2.0)),
    "independent": standard_machine(wiring="independent"),
    "harmonics": standard_machine(coupling=GENERIC),
    "one": single_machine(drive=Drive.cosine(0.7, 0.2, mean=0.4)),
    "three-by-three": three_by_three(),
}
every_machine = pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES.keys())


def flow(dataset):
    """Largest of the powers and heat currents."""
    return max(float(np.abs(dataset[name]).max()) for name in ("local_power", "heat_current"))


def assert_same_averages(one, two, tolerance=QUADRATURE, factors=None, names=AVERAGES):
    """Averages of `one` are `factors` times those of `two`, relative to the largest of each variable."""
    for name in names:
        factor = (factors or {}).get(name, 1.0)
        expected = factor * two[name].values
        np.testing.assert_allclose(
            one[name].values, expected, rtol=0, atol=tolerance * np.abs(expected).max() + 1e-13, err_msg=name
        )


@pytest.mark.parametrize("harmonics", [3, 8])
@every_machine
def test_compiled_integrands_are_those_of_dense_inverses_and_array_expressions(machine, harmonics):
    omega = np.array([1e-3, 0.29, 0.83, 1.3, 4.1, 60.0])
    problem, dense = _SteadyState(machine, harmonics), dense_integrands(machine, harmonics, omega)
    values = problem.integrand(omega)
    for group in problem.layout.groups:
        scale = np.max([np.abs(dense[name]).max(axis=tuple(range(1, dense[name].ndim))) for name in group], 0)
        for name in group:
            found = values[:, problem.layout.slices[name]].reshape(len(omega), *problem.layout.shapes[name])
            found = found[..., 0] + 1j * found[..., 1] if np.iscomplexobj(dense[name]) else found
            worst = np.abs(found - dense[name]).reshape(len(omega), -1).max(axis=1)
            assert np.all(worst <= 1e-12 * scale), name  # rounding: of either inverse


# ------------------------------------------------------------------------------- brute force and second order


@pytest.mark.parametrize("name", REFERENCE.keys())
def test_reference_point_of_brute_force_dynamics_is_met_to_its_printed_digits(name):
    unit = 1e-5 if name == "velocity_covariance" else 1e-6
    # reference: two units of the last digit printed, which is uncertain
    np.testing.assert_allclose(steady(standard_machine())[name], REFERENCE[name], rtol=0, atol=2 * unit)


def test_commutator_parts_of_the_reference_point_are_met_too():
    dataset = steady(standard_machine())
    local = dataset.fluctuation_quantum - dataset.fluctuation_cnumber
    total = dataset.power_fluctuation_quantum - dataset.power_fluctuation_cnumber
    np.testing.assert_allclose(
        local, [-0.016749, -0.013433], rtol=0, atol=2e-6
    )  # reference: last digit printed
    np.testing.assert_allclose(total, -0.026883, rtol=0, atol=2e-6)  # reference: last digit printed


@pytest.mark.parametrize(
    ("density", "coupling", "wiring"),
    [
        (DrudeLorentz, None, "joint"),
        (DrudeLorentz, None, "independent"),
        (DrudeLorentz, GENERIC, "joint"),
        (Ohmic, None, "joint"),
    ],
    ids=["cosines", "independent", "harmonics", "ohmic"],
)
def test_second_order_is_the_limit_of_weak_driving_and_the_rest_is_linear(density, coupling, wiring):
    gammas = np.array([1e-5, 1e-4, 1e-3])
    names = [name for name in AVERAGES if name != "position_covariance"]
    deviations = {name: [] for name in names}
    for gamma in gammas:
        options = {"cutoff": 12.0} if density is DrudeLorentz else {}
        machine = standard_machine(
            driven_density=density(gamma=gamma, **options), coupling=coupling, wiring=wiring
        )
        exact, limit = steady(machine), second_order(machine)
        for name in names:
            deviations[name].append(np.atleast_1d(exact[name].values / limit[name].values - 1))
    for name in names:
        for element in np.array(deviations[name]).T:
            slope = np.polyfit(np.log(gammas), np.log(np.abs(element)), 1)[0]
            assert 0.9 < slope < 1.1, (name, slope)  # discretisation: measured order


def test_covariance_tends_to_that_of_the_undriven_machine():
    machine = standard_machine(driven_density=DrudeLorentz(gamma=1e-6, cutoff=12.0))
    exact, undriven = steady(machine), steady(machine.undriven())
    for name in ("position_covariance", "velocity_covariance"):
        # discretisation: linear in gamma_1 = 1e-6, with a factor of the order of 1/(damping of the mode)
        np.testing.assert_allclose(exact[name], undriven[name], rtol=0, atol=1e-4)


# --------------------------------------------------------------------------------------- first and second law


@every_machine
def test_energy_is_balanced(machine):
    dataset = steady(machine)
    assert abs(float(dataset.balance_residual)) <= 1e-8 * flow(dataset)  # discretisation
    total = float(dataset.heat_current.sum() + dataset.local_power.sum())
    assert abs(total) <= 1e-8 * flow(dataset)


@every_machine
def test_entropy_is_produced(machine):
    dataset = steady(machine)
    if np.all(machine.temperatures > 0):
        entropy = -(dataset.heat_current.values / machine.temperatures).sum()
        assert float(dataset.entropy_production) == pytest.approx(entropy, rel=1e-12)  # rounding
        assert entropy > 0


def densities(strongest):
    """Spectral densities with friction up to `strongest`."""
    drude = st.builds(DrudeLorentz, gamma=st.floats(0.02, strongest), cutoff=st.floats(0.5, 50.0))
    structured = st.builds(
        Lorentzian,
        strength=st.floats(0.02, strongest),
        frequency=st.floats(0.5, 2.0),
        gamma=st.floats(0.2, 5.0),
    )
    return st.one_of(drude, structured, st.builds(Ohmic, gamma=st.floats(0.02, strongest)))


RANDOM_MACHINES = st.builds(
    standard_machine,
    omega=st.tuples(st.just(1.0), st.floats(0.3, 0.9)),
    drive_frequency=st.floats(0.5, 4.0),
    phase=st.floats(-np.pi, np.pi),
    driven_density=densities(0.5),
    static_density=densities(5.0),
    temperatures=st.tuples(st.floats(0.05, 3.0), st.floats(0.05, 3.0)),
    wiring=st.sampled_from(["joint", "independent"]),
)


def assert_obeys_thermodynamics(machine):
    """First and second law, Carnot's bound, and positive variances."""
    try:
        dataset = periodic_steady_state(machine, tolerance=1e-6)
    except UnstableMachineError:
        return
    assert abs(float(dataset.balance_residual)) <= 1e-5 * flow(dataset)  # discretisation: ten tolerances
    assert float(dataset.entropy_production) >= -float(dataset.entropy_production_error)
    hot = int(np.argmax(machine.temperatures))
    carnot = 1 - machine.temperatures.min() / machine.temperatures.max()
    if float(dataset.power) < 0 < float(dataset.heat_current[hot]):
        assert float(dataset.efficiency) <= carnot + float(dataset.efficiency_error)
    assert np.linalg.eigvalsh(dataset.position_covariance.values).min() > 0
    for name in ("fluctuation_quantum", "power_fluctuation_quantum"):
        assert np.all(dataset[name].values >= -dataset[f"{name}_error"].values)


EXAMPLES = {"derandomize": True, "deadline": None, "database": None, "phases": [Phase.generate]}


@given(RANDOM_MACHINES)
@settings(max_examples=12, **EXAMPLES)
def test_no_machine_violates_a_law_of_thermodynamics(machine):
    assert_obeys_thermodynamics(machine)


@pytest.mark.slow
@given(RANDOM_MACHINES)
@settings(max_examples=400, **EXAMPLES)
def test_none_of_many_machines_violates_a_law_of_thermodynamics(machine):
    assert_obeys_thermodynamics(machine)


def test_an_engine_runs_below_carnot_and_says_so():
    machine = standard_machine(
        static_density=Ohmic(gamma=1.0),
        driven_density=Lorentzian(strength=0.01, frequency=1.2, gamma=0.02),
        temperatures=(3.0, 0.1),
        drive_frequency=0.3,
    )
    dataset = steady(machine)
    assert float(dataset.power) < 0
    assert 0 < float(dataset.efficiency) < 1 - 0.1 / 3.0
    assert float(dataset.efficiency) == pytest.approx(
        -float(dataset.power / dataset.heat_current[0]), rel=1e-12
    )


# -------------------------------------------------------------------------------------------- static machines


STATIC = {
    "drude": static_machine(),
    "drude-independent": static_machine(wiring="independent"),
    "lorentzian": static_machine(densities=(Lorentzian(strength=0.8, frequency=1.0, gamma=2.0),)),
    "cold": static_machine(temperatures=(0.0,)),
    "hot": static_machine(temperatures=(20.0,)),
    "two-reservoirs": static_machine(
        densities=(BROAD_DRUDE, DRUDE),
        temperatures=(0.3, 0.3),
        couplings=[{"A": 1.0, "B": -0.5}, {"A": 0.3, "B": 1.0}],
    ),
    "one-oscillator": static_machine(omega=(0.7,), densities=(DRUDE,)),
}


@pytest.mark.parametrize("machine", STATIC.values(), ids=STATIC.keys())
def test_static_machine_at_one_temperature_obeys_the_fluctuation_dissipation_theorem(machine):
    dataset = steady(machine)
    if machine.wiring == "independent":
        parts = [equilibrium(static_machine(omega=(w,))) for w in machine.omega]
        positions, velocities = (np.diag([part[k, 0, 0] for part in parts]) for k in range(2))
    else:
        positions, velocities = equilibrium(machine)
    # discretisation: of both quadratures; the velocities have the longer tail
    np.testing.assert_allclose(dataset.position_covariance, positions, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(dataset.velocity_covariance, velocities, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(dataset.position_velocity_covariance, 0.0, rtol=0, atol=1e-9)


def test_uncertainty_principle_holds_at_zero_temperature():
    dataset = steady(STATIC["cold"])
    for k in range(2):
        product = dataset.position_covariance[k, k] * dataset.velocity_covariance[k, k]
        assert float(product) > 0.25


@pytest.mark.parametrize("machine", STATIC.values(), ids=STATIC.keys())
def test_equal_temperatures_static_coupling_gives_no_current_and_no_power(machine):
    dataset = steady(machine)
    for name in ("local_power", "heat_current", "fluctuation_quantum", "power_fluctuation_cnumber"):
        np.testing.assert_allclose(dataset[name], 0.0, rtol=0, atol=1e-12, err_msg=name)  # rounding


@pytest.mark.parametrize("omega", [(1.0,), (1.0, 0.6)], ids=["one", "two"])
@pytest.mark.parametrize("temperatures", [(0.5, 0.1, 0.1), (0.0, 2.0, 0.3)], ids=["warm", "cold"])
def test_static_reservoirs_exchange_heat_by_the_landauer_formula(omega, temperatures):
    couplings = [
        None,
        {name: c for name, c in zip("AB", (0.5, -1.0), strict=False) if name in "AB"[: len(omega)]},
    ]
    machine = static_machine(
        omega=omega,
        densities=(DRUDE, LORENTZIAN, BROAD_DRUDE),
        temperatures=temperatures,
        couplings=[*couplings, None],
    )
    dataset, expected = steady(machine), landauer(machine)
    np.testing.assert_allclose(
        dataset.heat_current, expected, rtol=0, atol=QUADRATURE * np.abs(expected).max()
    )
    hot, cold = int(np.argmax(temperatures)), int(np.argmin(temperatures))
    assert float(dataset.heat_current[hot]) > 0 > float(dataset.heat_current[cold])
    assert float(dataset.power) == 0


def test_hot_reservoir_equipartitions_energy():
    temperature, machine = 1e4, static_machine(temperatures=(1e4,))
    dataset = steady(machine)
    # discretisation: quantum corrections, (w² + γ w_c)/(12 T²) relative
    correction = (1 + 0.5 * 60) / (12 * temperature**2)
    expected = np.diag(temperature / machine.omega**2)
    np.testing.assert_allclose(
        dataset.position_covariance, expected, rtol=0, atol=3 * temperature * QUADRATURE
    )
    np.testing.assert_allclose(
        dataset.velocity_covariance,
        temperature * np.eye(2),
        rtol=0,
        atol=temperature * (correction + QUADRATURE),
    )


# --------------------------------------------------------------------- the classical limit in the time domain


CLASSICAL = {
    "joint": standard_machine(
        driven_density=DrudeLorentz(gamma=0.3, cutoff=3.0),
        static_density=DrudeLorentz(gamma=0.5, cutoff=4.0),
        temperatures=(2e5, 1e5),
    ),
    "independent": standard_machine(
        driven_density=Lorentzian(strength=0.3, frequency=1.2, gamma=0.8),
        static_density=DrudeLorentz(gamma=0.5, cutoff=4.0),
        temperatures=(1e5, 3e5),
        wiring="independent",
    ),
    "harmonics": standard_machine(
        driven_density=DrudeLorentz(gamma=0.05, cutoff=3.0),
        static_density=Lorentzian(strength=2.0, frequency=1.5, gamma=2.0),
        temperatures=(2e5, 1e5),
        coupling=GENERIC,
    ),
    "three-by-three": three_by_three((3e5, 2e5, 1e5)),
}


def by_reservoir(machine, contact_values):
    """Sum of contact values (contact, …) over the copies of each reservoir."""
    owner = np.array([contact.reservoir for contact in machine.contacts])
    return np.array([contact_values[owner == index].sum(axis=0) for index in range(len(machine.reservoirs))])


@pytest.mark.parametrize("machine", CLASSICAL.values(), ids=CLASSICAL.keys())
def test_phase_resolved_moments_of_a_hot_machine_solve_the_moment_equations(machine):
    dataset, moments = steady(machine, 1e-7), ClassicalMoments(machine)
    expected = {
        "position_covariance_phase": moments.positions().transpose(1, 2, 0),
        "local_power_phase": moments.local_power(),
        "heat_current_phase": by_reservoir(machine, moments.heat_current()),
    }
    for name, values in expected.items():
        # discretisation: quadrature 1e-7, quantum corrections (w_c/T)² below 1e-8, harmonics left out
        np.testing.assert_allclose(
            dataset[name].values, values, rtol=0, atol=1e-5 * np.abs(values).max(), err_msg=name
        )
        mean = name.removesuffix("_phase")
        np.testing.assert_allclose(
            dataset[mean],
            values.mean(axis=-1),
            rtol=0,
            atol=10 * QUADRATURE * np.abs(values).max(),
            err_msg=mean,
        )
    np.testing.assert_allclose(dataset.power_phase, dataset.local_power_phase.sum("oscillator"), rtol=1e-12)
    count = machine.omega.size
    velocities = moments.covariance[:, count : 2 * count, count : 2 * count].mean(axis=0)
    np.testing.assert_allclose(
        dataset.velocity_covariance, velocities, rtol=0, atol=10 * QUADRATURE * velocities.max()
    )
    crossed = moments.covariance[:, :count, count : 2 * count].mean(axis=0)
    scale = float(np.abs(dataset.position_covariance).max())
    np.testing.assert_allclose(
        dataset.position_velocity_covariance, crossed, rtol=0, atol=10 * QUADRATURE * scale
    )


def test_fluctuations_of_a_hot_machine_are_the_integrals_of_two_time_correlations():
    machine = CLASSICAL["joint"]
    dataset, expected = steady(machine), ClassicalMoments(machine).fluctuations(24)
    actual = np.append(dataset.fluctuation_cnumber, dataset.power_fluctuation_cnumber)
    # discretisation: Simpson's rule at 64 points a period, fourth order
    np.testing.assert_allclose(actual, expected, rtol=2e-5)
    quantum = np.append(dataset.fluctuation_quantum, dataset.power_fluctuation_quantum)
    np.testing.assert_allclose(quantum, actual, rtol=1e-9)  # discretisation: commutator part of order 1/T²


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES.keys())
def test_phase_resolved_means_average_to_the_period_averages(machine):
    dataset = steady(machine)
    for name in ("local_power", "power", "heat_current", "position_covariance"):
        resolved = dataset[f"{name}_phase"]
        assert resolved.sizes["phase"] == 64
        defined = np.isfinite(resolved.mean("phase").values)
        if name in ("position_covariance", "power") and name != "power":
            assert np.all(defined)
        scale = np.abs(np.nan_to_num(resolved)).max()
        # rounding: Fourier sums of 64 points
        np.testing.assert_allclose(
            resolved.mean("phase").values[defined], dataset[name].values[defined], rtol=0, atol=1e-13 * scale
        )


def test_pearson_coefficient_over_the_period_is_that_of_the_covariances():
    dataset = steady(standard_machine())
    a, b = (dataset.position_covariance_phase[k, k] for k in range(2))
    expected = dataset.position_covariance_phase[0, 1] / np.sqrt(a * b)
    np.testing.assert_allclose(dataset.pearson_phase, expected, rtol=1e-12)  # rounding
    assert np.all(np.abs(dataset.pearson_phase) <= 1)


def test_energy_flows_between_the_phases_of_a_period():
    """First law at every instant: P(θ) + ΣJ(θ) is a time derivative; only its average vanishes."""
    dataset = steady(standard_machine())
    rate = dataset.power_phase + dataset.heat_current_phase.sum("reservoir")
    assert float(np.abs(rate).max()) > 1e-3
    assert abs(float(rate.mean())) < 1e-12  # rounding


def test_number_of_phases_is_free_and_changes_nothing_else():
    few, many = (periodic_steady_state(standard_machine(), 1e-6, phases=n) for n in (8, 32))
    np.testing.assert_allclose(few.local_power_phase, many.local_power_phase[:, ::4], rtol=1e-12)  # rounding
    np.testing.assert_array_equal(few.phase, np.arange(8) / 8)
    assert_same_averages(few, many, 0.0)


# ------------------------------------------------------------------------------------------------- symmetries


@pytest.mark.parametrize("phase", [QUARTER, 2.0])
def test_equal_oscillators_swap_their_roles_when_the_phase_lag_is_reversed(phase):
    """The driven reservoir damps the relative motion that the shared static one leaves alone."""
    options = {"omega": (1.0, 1.0), "driven_density": DrudeLorentz(gamma=0.3, cutoff=12.0)}
    ahead, behind = (steady(standard_machine(phase=sign * phase, **options)) for sign in (1, -1))
    assert abs(float(ahead.local_power[0] / ahead.local_power[1]) - 1) > 0.05
    for name in ("local_power", "fluctuation_quantum", "fluctuation_cnumber"):
        np.testing.assert_allclose(ahead[name], behind[name][::-1], rtol=1e-6, err_msg=name)  # discretisation
    for name in ("position_covariance", "velocity_covariance"):
        np.testing.assert_allclose(
            ahead[name], behind[name][::-1, ::-1], rtol=1e-6, atol=1e-8
        )  # discretisation
    for name in ("heat_current", "power_fluctuation_quantum", "pearson"):
        np.testing.assert_allclose(ahead[name], behind[name], rtol=1e-6, err_msg=name)  # discretisation


def test_names_of_oscillators_and_reservoirs_are_arbitrary():
    machine = MACHINES["harmonics"]
    swapped = Machine(
        frequencies={"B": 0.6, "A": 1.0}, drive_frequency=1.3, reservoirs=machine.reservoirs[::-1]
    )
    one, two = steady(machine), steady(swapped)
    for name in AVERAGES:
        aligned = two[name].sel({dim: one[dim] for dim in one[name].dims})
        scale = float(np.abs(one[name]).max())
        np.testing.assert_allclose(one[name], aligned, rtol=0, atol=QUADRATURE * scale, err_msg=name)


@pytest.mark.parametrize("steps", [1, 40])
def test_shift_of_the_clock_changes_no_average_and_shifts_the_phases(steps):
    machine = MACHINES["harmonics"]
    angle = 2 * np.pi * steps / 64

    def shifted(drive):
        waves = [(n, complex(re, im) * np.exp(-1j * n * angle)) for n, re, im in drive.harmonics]
        return Drive(harmonics=tuple((n, wave.real, wave.imag if n else 0.0) for n, wave in waves))

    later = standard_machine(
        coupling={name: shifted(drive) for name, drive in GENERIC.items()},
        driven_density=machine.reservoirs[0].spectral_density,
    )
    one, two = steady(machine), steady(later)
    assert_same_averages(two, one)
    for name in ("local_power_phase", "heat_current_phase", "position_covariance_phase"):
        rolled = np.roll(one[name].values, -steps, axis=-1)
        # discretisation: harmonics left out at 1e-9 of the largest integral, of up to ten harmonics
        scale = np.abs(rolled).max()
        np.testing.assert_allclose(two[name], rolled, rtol=0, atol=QUADRATURE * scale, err_msg=name)


@pytest.mark.parametrize("multiple", [2, 3])
def test_harmonic_n_of_a_slow_clock_is_the_fundamental_of_a_fast_one(multiple):
    fundamental = steady(single_machine())
    drive = Drive(harmonics=((multiple, 0.5, 0.0),))
    harmonic = steady(single_machine(drive=drive, drive_frequency=1.3 / multiple))
    assert_same_averages(harmonic, fundamental)


def test_units_of_energy_are_free():
    factor, machine = 3.0, standard_machine()
    scaled = standard_machine(
        omega=(factor, 0.6 * factor),
        drive_frequency=1.3 * factor,
        driven_density=DrudeLorentz(gamma=0.05 * factor, cutoff=12.0 * factor),
        static_density=DrudeLorentz(gamma=0.5 * factor, cutoff=60.0 * factor),
        temperatures=(0.5 * factor, 0.2 * factor),
    )
    factors = {name: factor**3 for name in AVERAGES if "fluctuation" in name}
    factors |= {"local_power": factor**2, "heat_current": factor**2, "position_covariance": 1 / factor}
    assert_same_averages(steady(scaled), steady(machine), factors=factors)


def test_coupling_twice_as_strong_is_a_reservoir_four_times_as_strong():
    double = {"A": Drive.cosine(2.0), "B": Drive.cosine(2.0, QUARTER)}
    stronger = standard_machine(driven_density=DrudeLorentz(gamma=0.2, cutoff=12.0))
    assert_same_averages(steady(standard_machine(coupling=double)), steady(stronger))


def test_reservoir_cut_into_two_halves_gives_the_same_machine():
    whole, half = standard_machine(), DrudeLorentz(gamma=0.025, cutoff=12.0)
    couplings = cosines(0.0, QUARTER)
    halves = Machine(
        frequencies=whole.frequencies,
        drive_frequency=1.3,
        reservoirs=(
            driven(half, 0.5, couplings, name="left"),
            driven(half, 0.5, couplings, name="right"),
            whole.reservoirs[1],
        ),
    )
    one, two = steady(whole), steady(halves)
    assert_same_averages(two, one, names=[name for name in AVERAGES if name != "heat_current"])
    heat = two.heat_current.values
    expected = one.heat_current.values
    # discretisation
    np.testing.assert_allclose([2 * heat[0], 2 * heat[1], heat[2]], expected[[0, 0, 1]], rtol=1e-6)


# ------------------------------------------------------------------------------ what wiring and memory can do


def test_oscillators_with_reservoirs_of_their_own_are_not_correlated():
    dataset = steady(MACHINES["independent"])
    assert float(dataset.pearson) == 0
    assert float(np.abs(dataset.pearson_phase).max()) == 0
    np.testing.assert_allclose(
        dataset.power_fluctuation_quantum, dataset.fluctuation_quantum.sum(), rtol=1e-9
    )  # discretisation


def test_independent_machine_is_two_machines_of_one_oscillator():
    pair = steady(MACHINES["independent"])
    for k, (omega, phase) in enumerate([(1.0, 0.0), (0.6, QUARTER)]):
        alone = steady(single_machine(omega=omega, drive=Drive.cosine(phase=phase)))
        for name in ("local_power", "fluctuation_quantum", "fluctuation_cnumber"):
            np.testing.assert_allclose(pair[name][k], alone[name][0], rtol=1e-6)  # discretisation
        np.testing.assert_allclose(
            pair.position_covariance[k, k], alone.position_covariance[0, 0], rtol=1e-7
        )  # discretisation


def test_joint_and_independent_wiring_agree_as_all_couplings_vanish():
    distances = []
    for gamma in (1e-2, 1e-3):
        joint, independent = (
            steady(
                standard_machine(
                    driven_density=DrudeLorentz(gamma=1e-3 * gamma, cutoff=12.0),
                    static_density=DrudeLorentz(gamma=gamma, cutoff=60.0),
                    wiring=wiring,
                ),
                1e-6,
            ).local_power.values
            for wiring in ("joint", "independent")
        )
        distances.append(np.abs(joint / independent - 1).max())
    assert distances[1] < 0.01
    assert 8 < distances[0] / distances[1] < 12.5  # discretisation: first order in the static damping


MARKOVIAN = {"ohmic": Ohmic(gamma=0.2), "drude": DrudeLorentz(gamma=0.2, cutoff=1e3)}


@pytest.mark.parametrize("density", MARKOVIAN.values(), ids=MARKOVIAN.keys())
@pytest.mark.parametrize("drive_frequency", [0.3, 0.8, 1.5, 4.0])
def test_one_oscillator_and_a_memoryless_driven_reservoir_never_make_an_engine(density, drive_frequency):
    machine = single_machine(
        driven_density=density,
        static_density=Ohmic(gamma=0.3),
        temperatures=(3.0, 0.1),
        drive_frequency=drive_frequency,
    )
    dataset = steady(machine, 1e-6)
    assert float(dataset.power) > 0


def test_one_oscillator_and_a_structured_driven_reservoir_do_make_an_engine():
    machine = single_machine(
        driven_density=Lorentzian(strength=0.01, frequency=1.5, gamma=0.05),
        static_density=Ohmic(gamma=0.5),
        temperatures=(3.0, 0.1),
        drive_frequency=0.5,
    )
    dataset = steady(machine, 1e-7)
    assert float(dataset.power) < -0.001
    assert 0 < float(dataset.efficiency) < 1 - 0.1 / 3.0


@pytest.mark.parametrize("drive_frequency", [0.4, 1.3, 3.0])
@pytest.mark.parametrize("temperature", [0.05, 1.0])
@pytest.mark.parametrize("phase", [0.0, QUARTER])
def test_total_power_of_an_isothermal_machine_obeys_the_uncertainty_relation(
    drive_frequency, temperature, phase
):
    machine = standard_machine(
        drive_frequency=drive_frequency, phase=phase, temperatures=(temperature, temperature)
    )
    assert float(steady(machine, 1e-5).power_tur_ratio) >= 2


# ---------------------------------------------------------------------------------------- errors and refusals


@pytest.mark.parametrize("name", ["reference-point", "converter", "harmonics", "ohmic-driven"])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-6], ids="{:.0e}".format)
def test_errors_bound_the_distance_to_a_tighter_run(name, tolerance):
    loose, tight = periodic_steady_state(MACHINES[name], tolerance), steady(MACHINES[name])
    for variable in (*AVERAGES, "power", "entropy_production", "pearson", "tur_ratio", "power_tur_ratio"):
        error = loose[f"{variable}_error"].values + tight[f"{variable}_error"].values
        distance = np.abs(loose[variable].values - tight[variable].values)
        assert np.all(distance <= 1.01 * error), variable
    for group in (("local_power", "heat_current"), ("fluctuation_quantum",), ("position_covariance",)):
        largest = max(float(np.abs(tight[name]).max()) for name in group)
        for variable in group:
            assert float(loose[f"{variable}_error"].max()) < 10 * tolerance * largest


def test_strictly_ohmic_reservoirs_leave_velocities_undefined_with_a_reason():
    dataset = steady(MACHINES["ohmic-static"])
    assert np.all(np.isnan(dataset.velocity_covariance))
    assert np.all(np.isnan(dataset.velocity_covariance_error))
    assert "logarithm of the band" in dataset.velocity_covariance.attrs["undefined"]
    assert "cutoff" in dataset.velocity_covariance.attrs["undefined"]
    for name in (*AVERAGES, "position_velocity_covariance", "local_power_phase", "heat_current_phase"):
        assert np.all(np.isfinite(dataset[name])), name


def test_driven_strictly_ohmic_reservoir_keeps_its_averages_but_not_its_instantaneous_flows():
    dataset = steady(MACHINES["ohmic-driven"])
    for name in AVERAGES:
        assert np.all(np.isfinite(dataset[name])), name
    for name in ("local_power_phase", "power_phase", "velocity_covariance"):
        assert np.all(np.isnan(dataset[name])), name
        assert "logarithm of the band" in dataset[name].attrs["undefined"]
    assert np.all(np.isnan(dataset.heat_current_phase[0]))
    assert np.all(np.isfinite(dataset.heat_current_phase[1]))


def test_growing_cutoff_tends_to_the_strictly_ohmic_averages():
    ohmic = steady(standard_machine(static_density=OHMIC))
    distances = []
    for cutoff in (1e2, 1e3, 1e4):
        drude = steady(standard_machine(static_density=DrudeLorentz(gamma=0.5, cutoff=cutoff)))
        distances.append(float(np.abs(drude.local_power - ohmic.local_power).max()))
    assert distances[0] > 5 * distances[1] > 25 * distances[2]
    assert distances[2] < 1e-5


def test_parametrically_unstable_machine_is_refused():
    machine = Machine(
        frequencies={"A": 1.0},
        drive_frequency=3.0,
        reservoirs=(
            driven(DrudeLorentz(gamma=20.0, cutoff=0.05), 0.1, {"A": Drive.cosine(0.5, mean=1.0)}),
            static(Ohmic(gamma=0.01), 0.1),
        ),
    )
    with pytest.raises(UnstableMachineError, match="no periodic steady state") as refusal:
        periodic_steady_state(machine)
    assert refusal.value.max_multiplier > 1.3


def test_undamped_mode_is_refused():
    with pytest.raises(UnstableMachineError, match="not damped by any reservoir"):
        periodic_steady_state(static_machine(omega=(1.0, 1.0)))


def test_more_harmonics_than_allowed_are_refused_with_the_error_reached(monkeypatch):
    monkeypatch.setattr("langevin_qtm.exact.convergence.MAX_HARMONICS", 4)
    with pytest.raises(NotConvergedError, match="Harmonics did not converge") as refusal:
        periodic_steady_state(MACHINES["strong-driven"])
    assert refusal.value.error > refusal.value.target == 1e-9


def test_attributes_state_stability_and_harmonics():
    dataset = steady(standard_machine())
    assert dataset.attrs["method"] == "periodic_steady_state"
    assert 0 < dataset.attrs["max_multiplier"] < 1
    period = 2 * np.pi / 1.3
    expected = -period / np.log(dataset.attrs["max_multiplier"])
    assert dataset.attrs["relaxation_time"] == pytest.approx(expected, rel=1e-12)  # rounding
    assert dataset.attrs["harmonics"] >= 3
    assert Machine.model_validate_json(dataset.attrs["machine"]) == standard_machine()
