"""Envelopes: value, slope and integral agree; events, settling, and machines before and after a protocol."""

from itertools import pairwise

import numpy as np
import pytest
from helpers.machines import DRUDE, QUARTER, driven, standard_machine, static
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from langevin_qtm.errors import InputError
from langevin_qtm.physics.drive import Clock, Drive
from langevin_qtm.physics.envelope import Burst, Chirp, Profile, Pulse, Ramp, Smooth, Step, Transition
from langevin_qtm.physics.machine import Machine

PERIOD = 2.0
TIMES = np.linspace(-2.0, 12.0, 57) + 0.013  # off every event below
ENVELOPES = {
    "ramp": Ramp(start=1.0, duration=3.0, before=0.5, after=-0.25),
    "smooth": Smooth(start=1.0, duration=3.0, before=-1.0, after=2.0),
    "step": Step(time=1.0, before=0.3, after=1.5),
    "pulse": Pulse(start=1.0, duration=4.0, height=1.7),
    "burst": Burst(start=1.0, cycles=4.0, rise=1.5),
    "burst without rise": Burst(start=1.0, cycles=2.0, rise=0.0),
    "burst of rise and fall alone": Burst(start=1.0, cycles=2.0, rise=1.0),
    "chirp": Chirp(start=1.0, duration=3.0, frequency=2.5),
    "smooth chirp": Chirp(start=1.0, duration=3.0, frequency=0.5, curve="smooth"),
    "jump of the frequency": Chirp(start=1.0, duration=0.0, frequency=2.5),
}
every_envelope = pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES.keys())


def jump_size(profile, time):
    """How much the value changes at a time."""
    before, after = profile.value(np.array([np.nextafter(time, -np.inf), time]))
    return after - before


@every_envelope
def test_slope_is_the_derivative_of_the_value(envelope):
    profile, h = envelope.profile(PERIOD), 1e-5
    difference = (profile.value(TIMES + h) - profile.value(TIMES - h)) / (2 * h)
    np.testing.assert_allclose(profile.slope(TIMES), difference, rtol=0, atol=1e-9)  # discretisation: h²


@every_envelope
def test_integral_is_that_of_the_value_from_zero(envelope):
    profile = envelope.profile(PERIOD)
    for t in (-1.5, 0.0, 0.7, 1.0, 2.2, 4.0, 11.0):
        expected, _ = quad(
            lambda s: profile.value(np.array([s]))[0], 0, t, points=profile.events, epsabs=1e-12
        )
        assert profile.integral(np.array([t]))[0] == pytest.approx(expected, abs=1e-10)  # quadrature


@every_envelope
def test_value_changes_by_its_slope_and_its_jumps(envelope):
    profile = envelope.profile(PERIOD)
    edges = [-2.0, *profile.events, 12.0]
    smooth = sum(
        quad(lambda s: profile.slope(np.array([s]))[0], a, b, epsabs=1e-12)[0] for a, b in pairwise(edges)
    )
    jumps = sum(jump_size(profile, event) for event in profile.events)
    assert smooth + jumps == pytest.approx(profile.after - profile.before, abs=1e-10)


@every_envelope
def test_nothing_happens_outside_its_events(envelope):
    profile = envelope.profile(PERIOD)
    first, last = profile.events[0], profile.events[-1]
    assert profile.settles == last
    np.testing.assert_array_equal(profile.value(np.array([-9.0, first - 1e-9])), profile.before)
    np.testing.assert_allclose(profile.value(np.array([last, last + 9.0])), profile.after, atol=1e-15)
    assert profile.slope(np.array([first - 1e-9, last, last + 9.0])) == pytest.approx(0.0, abs=0)


@pytest.mark.parametrize(
    ("name", "events", "before", "after"),
    [
        ("ramp", (1.0, 4.0), 0.5, -0.25),
        ("smooth", (1.0, 4.0), -1.0, 2.0),
        ("step", (1.0,), 0.3, 1.5),
        ("pulse", (1.0, 3.0, 5.0), 0.0, 0.0),
        ("burst", (1.0, 4.0, 6.0, 9.0), 0.0, 0.0),
        ("burst without rise", (1.0, 5.0), 0.0, 0.0),
        ("burst of rise and fall alone", (1.0, 3.0, 5.0), 0.0, 0.0),
        ("chirp", (1.0, 4.0), PERIOD, 2.5),
    ],
)
def test_events_and_levels_are_the_ones_that_were_asked_for(name, events, before, after):
    profile = ENVELOPES[name].profile(PERIOD)
    assert profile.events == pytest.approx(events, abs=1e-15)
    assert (profile.before, profile.after) == (before, after)


def test_values_half_way():
    ramp, smooth, pulse, burst = (
        ENVELOPES[name].profile(PERIOD) for name in ("ramp", "smooth", "pulse", "burst")
    )
    assert ramp.value(np.array([2.5]))[0] == pytest.approx(0.125)
    assert smooth.value(np.array([2.5]))[0] == pytest.approx(0.5)
    np.testing.assert_allclose(pulse.value(np.array([2.0, 3.0, 4.0])), [0.85, 1.7, 0.85], atol=1e-15)
    np.testing.assert_allclose(burst.value(np.array([2.5, 5.0, 7.5])), [0.5, 1.0, 0.5], atol=1e-15)


def test_a_jump_has_its_later_value_and_no_slope():
    profile = ENVELOPES["step"].profile(PERIOD)
    assert profile.value(np.array([1.0]))[0] == 1.5
    assert profile.slope(np.array([1.0]))[0] == 0.0


def test_a_smooth_transition_has_two_continuous_derivatives():
    profile, h = ENVELOPES["smooth"].profile(PERIOD), 1e-4
    for event in profile.events:
        around = event + h * np.arange(-3, 4)
        assert np.abs(profile.slope(around)).max() < 1e-4
        assert np.abs(np.diff(profile.slope(around)) / h).max() < 0.05  # the third derivative, times 3h


def test_without_envelope_everything_is_one_always():
    profile = Profile(1.0)
    assert (profile.events, profile.settles, profile.after) == ((), -np.inf, 1.0)
    np.testing.assert_array_equal(profile.integral(TIMES), TIMES)


# ------------------------------------------------------------------------------------------- couplings


@every_envelope
@given(angle=st.floats(-3.0, 3.0), mean=st.floats(-1.0, 1.0))
@settings(derandomize=True, max_examples=5, deadline=None)
def test_rate_of_a_coupling_is_its_derivative(envelope, angle, mean):
    if isinstance(envelope, Chirp):
        clock, drive = Clock(envelope.profile(np.pi)), Drive.cosine(phase=angle, mean=mean)
    else:
        clock, drive = Clock(Profile(np.pi)), Drive.cosine(phase=angle, mean=mean, envelope=envelope)
    h = 1e-5
    difference = (drive.at(TIMES + h, clock) - drive.at(TIMES - h, clock)) / (2 * h)
    np.testing.assert_allclose(drive.rate(TIMES, clock), difference, rtol=0, atol=1e-7)  # discretisation: h²


def test_an_envelope_multiplies_the_series():
    clock = Clock(Profile(np.pi))
    drive = Drive.cosine(2.0, 0.4, 0.3, envelope=ENVELOPES["ramp"])
    expected = (0.3 + 2 * np.cos(np.pi * TIMES + 0.4)) * ENVELOPES["ramp"].profile(2.0).value(TIMES)
    np.testing.assert_allclose(drive.at(TIMES, clock), expected, rtol=0, atol=1e-13)


def test_a_function_without_slope_is_differentiated():
    drive, clock = Drive.of_time(lambda t: np.exp(-(t**2)) * np.sin(3 * t)), Clock(Profile(1.0))
    t = np.linspace(-2.0, 2.0, 41)
    slope = np.exp(-(t**2)) * (3 * np.cos(3 * t) - 2 * t * np.sin(3 * t))
    np.testing.assert_allclose(drive.rate(t, clock), slope, rtol=0, atol=1e-8)  # discretisation


def over_time(envelope=None, chirp=None, **drive):
    """The standard machine with an envelope on its couplings, or a chirp."""
    coupling = {
        "A": Drive.cosine(envelope=envelope, **drive),
        "B": Drive.cosine(phase=QUARTER, envelope=envelope, **drive),
    }
    return Machine(
        frequencies={"A": 1.0, "B": 0.6},
        drive_frequency=1.3,
        chirp=chirp,
        reservoirs=(driven(DRUDE, 0.5, coupling), static(DRUDE, 0.2)),
    )


@pytest.mark.parametrize(
    "machine",
    [
        over_time(ENVELOPES["ramp"], mean=0.2),
        over_time(ENVELOPES["smooth"]),
        over_time(ENVELOPES["step"]),
        over_time(chirp=ENVELOPES["chirp"]),
        over_time(ENVELOPES["ramp"], chirp=ENVELOPES["smooth chirp"]),
        over_time(ENVELOPES["step"], chirp=ENVELOPES["jump of the frequency"]),
    ],
)
def test_the_machine_after_a_protocol_continues_its_couplings(machine):
    after, t = machine.after(), machine.settles + np.linspace(0.0, 20.0, 41)
    after.require_bare_period("periodic_steady_state")
    assert machine.settles == 4.0 or machine.settles == 1.0
    for contact, later in zip(machine.contacts, after.contacts, strict=True):
        np.testing.assert_allclose(later.couplings(t), contact.couplings(t), rtol=0, atol=1e-13)
        np.testing.assert_allclose(later.coupling_rates(t), contact.coupling_rates(t), rtol=0, atol=1e-12)


def test_modulation_and_force_end_with_their_envelopes():
    machine = Machine(
        frequencies={"A": 1.0},
        drive_frequency=1.3,
        reservoirs=(static(DRUDE, 0.2),),
        modulation={"A": Drive.constant(0.5, Step(time=3.0))},
        force={"A": Drive.cosine(0.4, envelope=Pulse(start=1.0, duration=4.0))},
    )
    after = machine.after()
    assert machine.events == (1.0, 3.0, 5.0)
    assert machine.settles == 5.0
    assert after.squared_frequencies(np.array([0.0])).item() == pytest.approx(2.25)
    assert np.all(after.forces(TIMES) == 0.0)


def test_static_couplings_are_those_before_the_protocol():
    machine = over_time()
    quenched = Machine(
        frequencies=machine.frequencies,
        drive_frequency=1.3,
        reservoirs=(
            machine.reservoirs[0],
            driven(DRUDE, 0.2, {"A": Drive.constant(2.0, Step(time=1.0, before=0.3))}, name="static"),
        ),
    )
    turning, rest = quenched.static_couplings()
    np.testing.assert_array_equal(turning, [0.0, 0.0])
    np.testing.assert_allclose(rest, [0.6, 0.0])


def test_a_function_of_time_without_an_end_has_no_machine_after_it():
    coupling = {"A": Drive.of_time(np.cos)}
    machine = Machine(frequencies={"A": 1.0}, reservoirs=(driven(DRUDE, 0.5, coupling), static(DRUDE, 0.2)))
    with pytest.raises(InputError, match="a function of time without `settles`; state when it is over"):
        machine.after()


# ---------------------------------------------------------------------------------------------- refused

REFUSED = {
    "rise too long": (
        lambda: Burst(cycles=2.0, rise=1.5),
        "`rise` = 1.5 is more than half of `cycles` = 2: lower it.",
    ),
    "no duration": (
        lambda: Ramp(duration=0.0),
        "`duration` = 0.0 is not allowed: it must be greater than 0.",
    ),
    "no end": (
        lambda: Smooth(duration=np.inf),
        "`duration` = inf is not allowed: it must be a finite number.",
    ),
    "no cycles": (lambda: Burst(cycles=-1.0), "`cycles` = -1.0 is not allowed: it must be greater than 0."),
    "level not finite": (
        lambda: Step(after=np.nan),
        "`after` = nan is not allowed: it must be a finite number.",
    ),
    "chirp to rest": (
        lambda: Chirp(duration=1.0, frequency=0.0),
        "`frequency` = 0.0 is not allowed: it must be greater than 0.",
    ),
    "chirp without drive frequency": (
        lambda: Machine(
            frequencies={"A": 1.0},
            reservoirs=(static(DRUDE, 0.2),),
            chirp=Chirp(duration=1.0, frequency=2.0),
        ),
        "`drive.frequency` is missing, but a coupling is driven; add it.",
    ),
    "burst without drive frequency": (
        lambda: Machine(
            frequencies={"A": 1.0},
            reservoirs=(driven(DRUDE, 0.2, {"A": Drive.constant(1.0, Burst(cycles=2.0))}),),
        ),
        "`drive.frequency` is missing, but a coupling is driven; add it.",
    ),
    "modulated stranger": (
        lambda: Machine(
            frequencies={"A": 1.0}, reservoirs=(static(DRUDE, 0.2),), modulation={"C": Drive.constant(0.1)}
        ),
        "`medium.modulation` names oscillator 'C', which is not one of ['A']; correct the name.",
    ),
    "pushed stranger": (
        lambda: Machine(
            frequencies={"A": 1.0}, reservoirs=(static(DRUDE, 0.2),), force={"C": Drive.constant(0.1)}
        ),
        "`medium.force` names oscillator 'C', which is not one of ['A']; correct the name.",
    ),
}


@pytest.mark.parametrize(("build", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_makes_no_sense_is_refused_in_one_sentence(build, sentence):
    with pytest.raises(InputError) as caught:
        build()
    assert str(caught.value) == sentence


@pytest.mark.parametrize("key", ["envelope", "drive.chirp"])
def test_where_periodic_couplings_alone_are_known_the_key_is_named(key):
    machine = over_time(ENVELOPES["ramp"]) if key == "envelope" else over_time(chirp=ENVELOPES["chirp"])
    with pytest.raises(InputError, match=f"`{key}` is out of reach of 'second_order'"):
        machine.require_bare_period("second_order")
    standard_machine().require_bare_period("second_order")


def test_transitions_follow_each_other_from_level_to_level():
    profile = Profile(1.0, (Transition(0.0, 1.0, 3.0, "linear"), Transition(2.0, 2.0, 0.0, "linear")))
    t = np.array([-1.0, 0.5, 1.5, 3.0, 9.0])
    np.testing.assert_allclose(profile.value(t), [1.0, 2.0, 3.0, 1.5, 0.0])
    np.testing.assert_allclose(profile.slope(t), [0.0, 2.0, 0.0, -1.5, 0.0])
    assert profile.integral(np.array([4.0]))[0] == pytest.approx(2.0 + 3.0 + 3.0)
