"""Ensembles over time against the exact moments: any start, any protocol, z-scores like standard normals."""

import json

import numpy as np
import pytest
from helpers.judging import z_limit

from langevin_qtm import (
    AccuracyWarning,
    Burst,
    Chirp,
    Drive,
    DrudeLorentz,
    Equilibrated,
    Factorised,
    InputError,
    Machine,
    Ohmic,
    OscillatorState,
    Pulse,
    Reservoir,
    Smooth,
    Step,
    simulate,
    transient,
    validate,
)

COUNT = 1024
SQUEEZED = Factorised(
    temperature=0.3,
    oscillators={"A": OscillatorState(squeezing=0.5, position=1.0), "B": OscillatorState(velocity=-0.5)},
)
DISPLACED = Equilibrated(oscillators={"B": OscillatorState(position=1.0)})


def machine(envelope=None, static=None, static_coupling=None, wiring="joint", **protocol):
    return Machine(
        frequencies={"A": 1.0, "B": 0.6},
        drive_frequency=1.3,
        wiring=wiring,
        reservoirs=[
            Reservoir(
                name="driven",
                temperature=0.5,
                spectral_density=DrudeLorentz(gamma=0.2, cutoff=6.0),
                coupling={
                    "A": Drive.cosine(envelope=envelope),
                    "B": Drive.cosine(phase=np.pi / 2, envelope=envelope),
                },
            ),
            Reservoir(
                name="static",
                temperature=0.2,
                spectral_density=static or DrudeLorentz(gamma=0.3, cutoff=8.0),
                coupling=static_coupling,
            ),
        ],
        **protocol,
    )


WEAKER = Drive.constant(1.0, envelope=Step(time=3.3, before=1.0, after=0.4))
CASES = {
    "switched on, equilibrated": (machine(Smooth(start=1.0, duration=4.0)), "equilibrated"),
    "burst, squeezed and displaced": (machine(Burst(start=2.0, cycles=1.0)), SQUEEZED),
    "quench of the driven coupling, steady": (machine(Step(time=2.9, before=1.0, after=0.3)), "steady"),
    "quench of the static coupling, displaced": (
        machine(static_coupling={"A": WEAKER, "B": WEAKER}),
        DISPLACED,
    ),
    "chirp, factorised": (machine(chirp=Chirp(start=1.0, duration=4.0, frequency=0.7)), "factorised"),
    "frequency quench": (
        machine(modulation={"A": Drive.constant(0.3, envelope=Step(time=2.2))}),
        "equilibrated",
    ),
    "force": (machine(force={"B": Drive.cosine(0.5, envelope=Pulse(duration=6.0))}), "equilibrated"),
    "independent": (machine(Smooth(duration=3.0), wiring="independent"), "equilibrated"),
    "Ohmic": (machine(Smooth(duration=3.0), static=Ohmic(gamma=5.0)), "equilibrated"),
    "function of time": (
        machine(static_coupling={"A": 1.0, "B": Drive.of_time(lambda t: 1 / (1 + t**2))}),
        "factorised",
    ),
}
JUDGED = (
    "position_mean",
    "velocity_mean",
    "position_covariance",
    "position_velocity_covariance",
    "pearson",
    "local_power",
    "modulation_power",
    "force_power",
)
WITH_MEMORY = (*JUDGED, "velocity_covariance", "heat_current", "system_energy")


def scores(run, exact, names):
    """z of every number of the named variables that has an error."""
    z = []
    for name in names:
        error = run[f"{name}_se"].values
        kept = error > 0
        z.append(((run[name] - exact[name]).values[kept] / error[kept]).ravel())
    return np.concatenate(z)


@pytest.mark.parametrize("name", CASES)
def test_sampled_moments_are_the_exact_ones(name):
    system, start = CASES[name]
    run = simulate(system, duration=8.0, points=9, trajectories=COUNT, seed=7, start=start)
    exact = transient(system, run["time"], start)
    z = scores(run, exact, JUDGED if name == "Ohmic" else WITH_MEMORY)
    assert len(z) > 100
    assert np.abs(z).max() < z_limit(len(z), COUNT - 1)
    assert 0.5 < z.std() < 1.7  # some twenty independent numbers: the rest is correlated in time
    assert run.attrs["step_error"] < 1e-4


def test_exact_moments_of_another_start_are_refused():
    system, _ = CASES["chirp, factorised"]
    run = simulate(system, duration=8.0, points=9, trajectories=COUNT, seed=7, start="factorised")
    z = scores(run, transient(system, run["time"], "equilibrated"), WITH_MEMORY)
    assert np.abs(z).max() > 2 * z_limit(len(z), COUNT - 1)


def test_results_do_not_depend_on_threads():
    system, start = CASES["burst, squeezed and displaced"]
    one, two = (
        simulate(system, duration=3.0, points=4, trajectories=192, start=start, threads=threads)
        for threads in (1, 2)
    )
    assert one.drop_attrs().equals(two.drop_attrs())


def test_stored_trajectories_start_from_the_state_and_are_those_of_the_ensemble():
    system, _ = CASES["burst, squeezed and displaced"]
    run = simulate(
        system, duration=1.0, points=3, trajectories=64, start=SQUEEZED, recording={"trajectories": 64}
    )
    assert run["position"].dims == ("trajectory", "time", "oscillator")
    mean = run["position"].isel(time=0).mean("trajectory")
    np.testing.assert_allclose(mean, run["position_mean"].isel(time=0), rtol=0, atol=1e-12)


def test_ensemble_goes_on_where_an_earlier_one_ended():
    system, start = CASES["burst, squeezed and displaced"]
    first = simulate(system, duration=4.0, points=3, trajectories=64, start=start)
    rest = simulate(system, duration=4.0, points=5, trajectories=COUNT, start=first, seed=5)
    exact = transient(system, rest["time"], transient(system, [4.0], start))
    assert rest.attrs["start_time"] == 4.0
    z = scores(rest, exact, WITH_MEMORY)
    assert np.abs(z).max() < z_limit(len(z), COUNT - 1)


def test_sudden_strictly_ohmic_reservoir_warns_and_is_marked():
    system = machine(static=Ohmic(gamma=1.0))
    with pytest.warns(AccuracyWarning, match=r"\['static'\] are switched on suddenly"):
        run = simulate(system, duration=1.0, points=2, trajectories=64, start="factorised")
    assert "uv_sensitive" in run["position_covariance"].attrs
    assert "uv_sensitive" not in run["position_mean"].attrs


def test_ensembles_are_validated_at_every_time():
    system, start = CASES["quench of the driven coupling, steady"]
    run = simulate(system, duration=6.0, points=7, trajectories=COUNT, start=start, seed=2)
    outcome = validate(run)
    assert outcome.agrees
    assert outcome.compared > 100
    assert " at t = " in outcome.worst.label
    run["position_covariance"][-1, 0, 0] *= 1.5
    outcome = validate(run)
    assert not outcome.agrees
    assert outcome.worst.label == "position_covariance[A,A] at t = 6"


def test_start_is_stored_so_that_it_can_be_read_again():
    system, start = CASES["burst, squeezed and displaced"]
    run = simulate(system, duration=1.0, points=2, trajectories=64, start=start)
    assert Factorised(**json.loads(run.attrs["start"])) == start


@pytest.mark.parametrize(
    "protocol",
    [{"force": {"A": Drive.of_time(lambda t: 1 / (t - 1.0))}}, {"modulation": {"A": Drive.of_time(np.log)}}],
    ids=["force", "modulation"],
)
def test_protocol_that_is_not_finite_is_refused(protocol):
    with pytest.raises(InputError, match="is not finite at t = "):
        simulate(machine(**protocol), duration=2.0, points=3, trajectories=64)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"duration": 1.0, "periods": 3}, "`periods` does not go with `duration`"),
        ({"points": 3}, "`points` needs `duration`"),
        ({"duration": -1.0}, "`duration` = -1.0 is not allowed"),
        ({"duration": 1.0, "start": "continued"}, "`start` = 'continued' has no dataset"),
        ({"start": SQUEEZED, "periods": 1}, "averages over periods forget them"),
        ({"periods": 1}, "`envelope` is out of reach of 'simulate without `solver.duration`'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(InputError) as caught:
        simulate(machine(Smooth(duration=1.0)) if settings == {"periods": 1} else machine(), **settings)
    assert message in str(caught.value)
