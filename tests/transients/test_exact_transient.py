"""Exact transients: unitary dynamics of finite baths, responses by frequency, steady states, first law."""

import numpy as np
import pytest
from helpers import frequency_transient
from helpers.finite_bath import Drude, FiniteBath
from helpers.machines import (
    BROAD_DRUDE,
    LORENTZIAN,
    QUARTER,
    converter,
    driven,
    standard_machine,
    static,
    static_machine,
)
from protocols import CASES, COLD, OMEGA, PERIOD, TIMES, TURN, machine

from langevin_qtm.errors import InputError, UnstableMachineError
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.exact.second_order import second_order
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.envelope import Burst, Smooth, Step
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz, Lorentzian
from langevin_qtm.physics.start import Equilibrated, Factorised, OscillatorState
from langevin_qtm.schema import FINAL
from langevin_qtm.transients.sweep import _Prefix
from langevin_qtm.transients.transient import transient

# discretisation: finite bath, cut at w = 150 and 300 and extrapolated; 3e-6 measured where B starts hot
CUT = 1e-5
FIRST_LAW = 1e-6  # discretisation: of time integrals, relative to the energies exchanged; 7e-7 measured
ENGINE = standard_machine(
    drive_frequency=0.4,
    driven_density=Lorentzian(strength=1e-3, frequency=0.4, gamma=0.01),
    static_density=DrudeLorentz(gamma=10.0, cutoff=100.0),
    temperatures=(0.5, 0.1),
)


def assert_close(values, expected, atol, name=""):
    np.testing.assert_allclose(values, expected, rtol=0, atol=atol, err_msg=name)


def assert_same(one, two, tolerance=1e-7, integrals=1e-5):
    """All variables agree, relative to the largest of each; integrals less closely."""
    done = {"work", "heat", "modulation_work", "force_work", "reservoir_energy", "entropy_produced"}
    for name in one.data_vars.keys() - FINAL.keys():  # weights of the noise kernel magnify rounding
        size = max(float(np.abs(two[name]).max()), 1e-3)
        if name != "energy_residual":
            assert_close(one[name], two[name], size * (integrals if name in done else tolerance), name)


def exchanged(dataset):
    """Largest energy that has passed to or from anything."""
    names = ("work", "heat", "modulation_work", "force_work", "system_energy")
    return max(float(np.abs(dataset[name]).max()) for name in names)


def by_reservoir(values, copies):
    """Sum over the copies of each reservoir, dims (time, reservoir)."""
    total = np.zeros((len(values), max(copies) + 1))
    for index, reservoir in enumerate(copies):
        total[:, reservoir] += values[:, index]
    return total


# ------------------------------------------------------------------------------------------ finite baths


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_unitary_dynamics_of_finite_baths_is_met(case):
    expected, _ = case.reference()
    dataset = transient(case.machine, case.times, case.start)
    x, v = slice(0, 2), slice(2, 4)
    for name, values in {
        "position_mean": expected.mean[:, x],
        "velocity_mean": expected.mean[:, v],
        "position_covariance": expected.covariance[:, x, x],
        "velocity_covariance": expected.covariance[:, v, v],
        "position_velocity_covariance": expected.covariance[:, x, v],
        "local_power": expected.local_power,
        "modulation_power": expected.modulation_power,
        "heat_current": by_reservoir(expected.heat_current, case.copies),
        "interaction_energy": by_reservoir(expected.interaction_energy, case.copies),
    }.items():
        assert_close(dataset[name], values, CUT, name)
    assert_close(dataset.system_energy.sum("oscillator"), expected.system_energy, CUT, "system_energy")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_first_law_holds_at_all_times(case):
    dataset = transient(case.machine, case.times, case.start)
    assert float(np.abs(dataset.energy_residual).max()) < FIRST_LAW * exchanged(dataset)


@pytest.mark.parametrize("name", ["squeezed", "chirp", "modulation"])
def test_work_and_heat_are_the_integrals_of_the_finite_baths_powers_and_currents(name):
    case = CASES[name]
    x, weights = np.polynomial.legendre.leggauss(12)
    pieces = [(1.0, 2.5), (2.5, 4.0)]  # smooth there, and past the fast beginning
    nodes = np.concatenate([a + 0.5 * (b - a) * (1 + x) for a, b in pieces])
    weights = np.concatenate([0.5 * (b - a) * weights for a, b in pieces])
    expected, _ = case.reference(nodes)
    dataset = transient(case.machine, [1.0, 4.0], case.start)
    for done, rate in (
        ("work", "local_power"),
        ("heat", "heat_current"),
        ("modulation_work", "modulation_power"),
    ):
        assert_close(dataset[done].diff("time")[0], weights @ getattr(expected, rate), CUT, done)


def test_a_jump_of_the_coupling_does_the_work_that_the_finite_bath_asks_for():
    case, moment = CASES["quench of the drive"], 2 - 1e-6
    before, _ = case.reference(np.array([moment]))
    second = before.covariance[0, :2, :2] + np.outer(before.mean[0, :2], before.mean[0, :2])
    change, kernel = 0.8 * turning(TURN)[0](2.0), 0.2 * 3.0  # Δg, and γ(0)
    # -Δg <x F>, F the mean of before and after the slip by -γ(0) Δg x
    expected = -change * before.position_force[0, :, 0] + 0.5 * kernel * change * (second @ change)
    dataset = transient(case.machine, [moment, 2 + 1e-6], case.start)
    assert_close(dataset.work.diff("time")[0], expected, CUT)
    assert abs(expected).min() > 0.01


def test_energies_of_the_bare_reservoirs_are_those_of_the_finite_bath():
    soft = DrudeLorentz(gamma=0.3, cutoff=1.0)
    chosen = machine(density=soft)
    chosen = Machine(
        frequencies=chosen.frequencies,
        drive_frequency=TURN,
        reservoirs=(chosen.reservoirs[0], static(soft, 0.2)),
    )
    times, found = np.array([0.0, 1.0, 3.0]), []
    for reach in (10.0, 20.0):
        reservoirs = [Drude(0.3, 1.0, 0.5, *turning(TURN)), Drude(0.3, 1.0, 0.2, one)]
        found.append(FiniteBath(OMEGA, reservoirs, 3.0, reach, 0.1).energies(times, COLD).bare)
    coarse, fine = (bare - bare[0] for bare in found)
    dataset = transient(chosen, times, Factorised())
    assert_close(dataset.reservoir_energy, fine, 0.025)  # discretisation: the cut, to first order in 1/w
    assert_close(dataset.reservoir_energy, 2 * fine - coarse, 2e-3)  # and to second order
    assert float(dataset.reservoir_energy.min()) == 0.0
    assert float(dataset.reservoir_energy.max()) > 0.2


# ------------------------------------------------------------------------------------- frequency by frequency


def turning(frequency):
    """Couplings cos Ωt and cos(Ωt + pi/2) with their rates."""
    phases = np.array([0.0, QUARTER])
    return (
        lambda t: np.cos(frequency * t + phases),
        lambda t: -frequency * np.sin(frequency * t + phases),
    )


def one(t):  # noqa: ARG001
    """Static couplings."""
    return np.ones(2)


BY_FREQUENCY = {
    "strictly Ohmic, strong": (
        converter(),
        [
            frequency_transient.Drude(0.01, 12.0, 0.1, *turning(0.3)),
            frequency_transient.Ohmic(100.0, 0.1, one),
        ],
    ),
    "structured, and a static reservoir at zero temperature": (
        standard_machine(driven_density=LORENTZIAN, drive_frequency=0.7, temperatures=(0.5, 0.0)),
        [
            frequency_transient.Lorentzian(0.1, 1.2, 0.3, 0.5, *turning(0.7)),
            frequency_transient.Drude(0.5, 60.0, 0.0, one),
        ],
    ),
}


@pytest.mark.parametrize(("chosen", "reservoirs"), BY_FREQUENCY.values(), ids=BY_FREQUENCY.keys())
def test_responses_to_every_noise_frequency_add_up_to_the_same_moments(chosen, reservoirs):
    times = np.array([0.2, 1.0, 4.0])
    expected = frequency_transient.FrequencyTransient((1.0, 0.6), reservoirs, coupled=[1]).moments(times)
    dataset = transient(chosen, times)
    x, v = slice(0, 2), slice(2, 4)
    for name, values in {
        "position_covariance": expected.covariance[:, x, x],
        "velocity_covariance": expected.covariance[:, v, v],
        "position_velocity_covariance": expected.covariance[:, x, v],
        "local_power": expected.local_power,
        "heat_current": expected.heat_current,
    }.items():
        finite = np.isfinite(values)  # strictly Ohmic: some grow with the band
        # noise kernel: 1e-8 of the largest term, and velocities see w² of it
        atol = 3e-7 if name == "velocity_covariance" else 2e-8
        assert_close(dataset[name].values[finite], values[finite], atol, name)


# ------------------------------------------------------------------------------------------ late times


@pytest.mark.parametrize(
    ("chosen", "late"),
    [(converter(), 1e5), (standard_machine(), 1e3), (ENGINE, 1e5)],
    ids=["converter", "reference point", "structured engine"],
)
def test_late_times_are_the_periodic_steady_state_phase_by_phase(chosen, late):
    steady = periodic_steady_state(chosen, phases=8)
    whole = np.ceil(late / chosen.period)
    dataset = transient(chosen, (whole + steady.phase.values) * chosen.period)
    for name in ("local_power", "heat_current", "position_covariance", "pearson", "power"):
        if name == "heat_current" and chosen == converter():
            continue  # strictly Ohmic: a small difference of terms that grow with the band
        expected = steady[f"{name}_phase"].transpose("phase", ...).values
        # tolerance of the steady state, relative to the largest
        assert_close(dataset[name], expected, 1e-6 * np.abs(expected).max(), name)


def test_a_run_over_one_period_of_the_steady_state_does_the_work_of_its_averages():
    chosen = standard_machine()
    steady = periodic_steady_state(chosen, phases=8)
    dataset = transient(chosen, 200 * chosen.period + np.array([0.0, chosen.period]))
    for done, mean in (("work", "local_power"), ("heat", "heat_current")):
        # rounding of work summed over 200 periods, and the relaxation that is left
        assert_close(dataset[done].diff("time")[0] / chosen.period, steady[mean], 1e-9, done)


def test_a_protocol_that_is_over_ends_in_the_steady_state_of_what_is_left():
    chosen = machine(Smooth(start=1.0, duration=3.0, before=0.2, after=0.7))
    left = chosen.after()
    steady = periodic_steady_state(left, phases=8)
    dataset = transient(chosen, (60 + steady.phase.values) * PERIOD)
    expected = steady.local_power_phase.transpose("phase", ...).values
    assert_close(dataset.local_power, expected, 1e-6 * np.abs(expected).max())


# --------------------------------------------------------------------------------- cost, and ways to the same


@pytest.fixture
def steps(monkeypatch):
    """Steps that the kernel makes, one number for each call."""
    counted, advance = [], _Prefix.advance

    def counting(self, left, right, count):
        counted.append(count)
        advance(self, left, right, count)

    monkeypatch.setattr(_Prefix, "advance", counting)
    return counted


def test_cost_does_not_grow_with_the_horizon(steps):
    transient(machine(), [10.25 * PERIOD])
    few = sum(steps)
    assert few > 0
    for periods in (100.25, 1e7 + 0.25):
        steps.clear()
        transient(machine(), [periods * PERIOD])
        assert sum(steps) <= few + 8  # a rounding of the phase may cost a group of steps


def test_cost_of_a_protocol_grows_with_its_length_alone(steps):
    made = []
    for duration, end in ((20.0, 1e2), (20.0, 1e6), (80.0, 1e2)):
        steps.clear()
        transient(machine(Smooth(duration=duration)), [end])
        made.append(sum(steps))
    assert made[1] <= made[0] + 8
    assert made[2] > 1.5 * made[0]


@pytest.mark.parametrize("chosen", [machine(), ENGINE], ids=["soft", "structured engine"])
def test_powers_of_the_period_map_do_the_same_as_steps_all_the_way(chosen):
    frequency = chosen.angular_frequency
    names = {
        name: Drive.of_time(
            lambda t, phase=phase: np.cos(frequency * t + phase),
            lambda t, phase=phase: -frequency * np.sin(frequency * t + phase),
        )
        for name, phase in zip("AB", (0.0, QUARTER), strict=True)
    }
    first, second = chosen.reservoirs
    # a function that never settles is followed step by step
    stepped = Machine(
        frequencies=chosen.frequencies,
        drive_frequency=frequency,
        reservoirs=(driven(first.spectral_density, first.temperature, names), second),
    )
    times = chosen.period * np.array([0.3, 1.0, 4.6, 9.2])
    start = Factorised(oscillators={"A": OscillatorState(position=1.0)})
    assert_same(transient(chosen, times, start), transient(stepped, times, start))  # discretisation


@pytest.mark.parametrize(
    "envelope", [None, Burst(cycles=1.5), Step(time=2.0)], ids=["periodic", "burst", "step"]
)
def test_times_asked_for_in_between_change_nothing(envelope):
    chosen, start = machine(envelope), Factorised()
    times = np.linspace(0.0, 4 * PERIOD, 23)
    dense = transient(chosen, times, start).isel(time=[5, -1])
    sparse = transient(chosen, times[[5, -1]], start)
    assert_same(dense, sparse)  # discretisation: other steps


def test_a_later_start_time_with_the_same_drive_angle_gives_the_same():
    chosen = machine()
    early = transient(chosen, TIMES)
    late = transient(chosen, TIMES + 3 * PERIOD, start_time=3 * PERIOD)
    assert_same(late.assign_coords(time=early.time), early, 1e-8, 1e-8)  # rounding of the times


# ------------------------------------------------------------------------------------- stability and balance


def parametric_machine(mean=1.0):
    """One oscillator whose stiffness the counterterm of a slow driven reservoir modulates, unstable."""
    return Machine(
        frequencies={"A": 1.0},
        drive_frequency=3.0,
        reservoirs=(
            driven(DrudeLorentz(gamma=20.0, cutoff=0.05), 0.1, {"A": Drive.cosine(0.5, mean=mean)}),
            static(DrudeLorentz(gamma=0.01, cutoff=20.0), 0.1),
        ),
    )


def test_variances_of_an_unstable_machine_grow_with_its_largest_multiplier():
    chosen = parametric_machine()
    largest = Embedding(chosen).max_multiplier
    assert largest > 1.05
    dataset = transient(chosen, chosen.period * np.array([100.0, 101.0]))
    growth = np.log(dataset.position_covariance.values).ravel()
    # discretisation: of the multiplier, and transients that have died down
    assert growth[1] - growth[0] == pytest.approx(2 * np.log(largest), rel=1e-6)


def test_an_unstable_machine_has_no_steady_start():
    with pytest.raises(UnstableMachineError):
        transient(parametric_machine(), [1.0], "steady")


ENTROPIC = {
    "soft": machine(),
    "cold start": machine(temperatures=(0.5, 0.05)),
    "burst": machine(Burst(cycles=1.5)),
    "structured": machine(density=LORENTZIAN),
    "reference point": standard_machine(),
    "independent": machine(wiring="independent"),
}


@pytest.mark.parametrize("start", [Factorised(), Factorised(temperature=0.0), CASES["squeezed"].start])
@pytest.mark.parametrize("chosen", ENTROPIC.values(), ids=ENTROPIC.keys())
def test_entropy_is_produced_from_every_factorised_start(chosen, start):
    dataset = transient(chosen, [0.0, 1e-3, 1e-2, 0.1, 0.5, 1.0, 2.0, 5.0, 50.0], start)
    assert float(dataset.entropy_produced.min()) > -1e-6  # discretisation: first law over temperature 0.05
    assert float(dataset.entropy_produced[0]) == pytest.approx(0.0, abs=1e-12)
    assert float(dataset.entropy_produced[-1]) > 0.01


def test_a_steady_start_stays_periodic():
    chosen = standard_machine()
    periods = np.array([0.0, 0.3, 0.8])
    dataset = transient(chosen, np.concatenate([periods, 40 + periods]) * chosen.period, "steady")
    for name in (
        "position_covariance",
        "velocity_covariance",
        "local_power",
        "heat_current",
        "system_energy",
    ):
        first, last = dataset[name].values[:3], dataset[name].values[3:]
        assert_close(last, first, 1e-9 * np.abs(first).max() + 1e-12, name)  # rounding


def test_a_steady_start_before_a_step_is_the_steady_state_of_what_was():
    chosen = machine(Step(time=2.0, before=0.5))
    before = standard_machine(
        driven_density=machine().reservoirs[0].spectral_density,
        static_density=machine().reservoirs[1].spectral_density,
        coupling={"A": Drive.cosine(0.5), "B": Drive.cosine(0.5, phase=QUARTER)},
    )
    steady = periodic_steady_state(before, phases=8)
    dataset = transient(chosen, steady.phase.values[:3] * PERIOD, "steady")
    expected = steady.local_power_phase.transpose("phase", ...).values[:3]
    assert_close(dataset.local_power, expected, 1e-7 * np.abs(expected).max())
    late = transient(chosen, [PERIOD], "steady", start_time=PERIOD)  # a start after the step: still what was
    positions = steady.position_covariance_phase.transpose("phase", ...).values[0]
    assert_close(late.position_covariance[0], positions, 1e-7)  # tolerance of the steady state


@pytest.mark.parametrize("wiring", ["joint", "independent"])
@pytest.mark.parametrize("temperature", [0.0, 0.2, 5.0])
def test_equilibrium_at_one_temperature_does_not_move(wiring, temperature):
    chosen = static_machine(
        densities=(BROAD_DRUDE, LORENTZIAN), temperatures=(temperature, temperature), wiring=wiring
    )
    dataset = transient(chosen, [0.0, 0.01, 1.0, 30.0])
    for name in ("position_covariance", "velocity_covariance", "system_energy", "interaction_energy"):
        values = dataset[name].values
        assert_close(values, values[:1] + 0 * values, 1e-7 * np.abs(values).max(), name)  # discretisation
    for name in ("heat", "work", "heat_current", "local_power", "position_velocity_covariance"):
        values = dataset[name].values
        if name == "position_velocity_covariance":
            values = np.diagonal(values, axis1=1, axis2=2)
        assert_close(values, 0.0, 1e-6, name)


# ------------------------------------------------------------------------------------------------ refused

ODD = [[1.0, 0.0, 0.2, 0.0], [0.0, 1.0, 0.0, 0.0], [0.1, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
REFUSED = {
    "narrow": (
        {"start": Factorised(covariance=(0.3 * np.eye(4)).tolist())},
        "violates the uncertainty relation",
    ),
    "skew": ({"start": Factorised(covariance=ODD)}, "is not symmetric; mirror it"),
    "small": ({"start": Factorised(covariance=np.eye(2).tolist())}, "has 2 rows, but must have 4"),
    "unknown oscillator": (
        {"start": Factorised(oscillators={"C": OscillatorState()})},
        r"names oscillator 'C', which is not one of \['A', 'B'\]; correct the name",
    ),
    "unknown oscillator, equilibrated": (
        {"start": Equilibrated(oscillators={"C": OscillatorState(position=1.0)})},
        r"names oscillator 'C', which is not one of \['A', 'B'\]; correct the name",
    ),
    "unknown start": ({"start": "asleep"}, "`start.kind` = 'asleep' is not known"),
    "early": ({"times": [-1.0, 1.0]}, "`times` begin at -1, before the start at 0; leave them out"),
    "before a later start": ({"start_time": 2.0}, "`times` begin at 0.5, before the start at 2"),
    "unsorted": ({"times": [1.0, 0.5]}, "`times` are not in order: 1 is followed by 0.5; sort them"),
    "not a number": ({"times": [0.0, np.nan]}, "`times` must be a list of finite numbers, at least one"),
    "endless": ({"times": [0.0, np.inf]}, "`times` must be a list of finite numbers, at least one"),
    "no times": ({"times": []}, "`times` must be a list of finite numbers, at least one"),
    "table of times": ({"times": [[0.0], [1.0]]}, "`times` must be a list of finite numbers"),
}


@pytest.mark.parametrize(("arguments", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_input_is_refused_in_one_sentence(arguments, words):
    with pytest.raises(InputError, match=words) as caught:
        transient(**{"machine": machine(), "times": [0.5], **arguments})
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["coupling", "modulation", "force"])
def test_a_function_of_time_that_is_not_finite_is_refused(where, bad):
    broken = Drive.of_time(lambda t: np.where(t < 1.0, 0.0, bad), lambda t: 0.0 * t)
    parts = {"coupling": {"A": broken}} if where == "coupling" else {where: {"A": broken}}
    with pytest.raises(InputError, match=r"is not finite at t = "):
        transient(machine(**parts), [3.0])


def test_an_equilibrated_start_needs_static_reservoirs_that_damp_every_mode():
    undamped = Machine(
        frequencies={"A": 1.0, "B": 0.6},
        drive_frequency=1.3,
        reservoirs=(
            driven(BROAD_DRUDE, 0.5, {"A": Drive.cosine(), "B": Drive.cosine()}),
            static(BROAD_DRUDE, 0.2, {"A": 1.0}),
        ),
    )
    with pytest.raises(InputError, match="needs static reservoirs that damp every mode; use 'steady' or"):
        transient(undamped, [1.0])
    transient(undamped, [1.0], "factorised")


OVER_TIME = {
    "envelope": machine(Step(time=2.0)),
    "drive.chirp": CASES["chirp"].machine,
    "medium.modulation": CASES["modulation"].machine,
    "medium.force": CASES["force"].machine,
}


@pytest.mark.parametrize("solver", [periodic_steady_state, second_order])
@pytest.mark.parametrize("key", OVER_TIME)
def test_solvers_of_the_steady_state_refuse_machines_over_time(solver, key):
    sentence = rf"`{key}` is out of reach of '{solver.__name__}', which knows periodic couplings alone; use"
    with pytest.raises(InputError, match=sentence):
        solver(OVER_TIME[key])
