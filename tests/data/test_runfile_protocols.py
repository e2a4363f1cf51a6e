"""Run files of machines over time: envelopes, chirps, modulation, forces, starts and times; and one run."""

import json
import re

import numpy as np
import pytest
import xarray as xr
from helpers.runfiles import load_text, toml

from langevin_qtm.cli import main
from langevin_qtm.data.runfile import Run, TransientSettings
from langevin_qtm.errors import InputError
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.envelope import Burst, Chirp, Pulse, Ramp, Smooth, Step
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.start import Equilibrated, Factorised, OscillatorState, Steady

TEXT = """
title = "over time"
[medium]
frequencies = { A = 1.0, B = 0.6 }
#medium
[drive]
frequency = 1.3
#drive
[[reservoir]]
name = "driven"
temperature = 0.5
spectral_density = { kind = "drude", gamma = 0.2, cutoff = 3.0 }
coupling = { A = { amplitude = 1.0 }, B = { amplitude = 1.0, phase = 1.5 } }
[[reservoir]]
name = "static"
temperature = 0.2
spectral_density = { kind = "drude", gamma = 0.5, cutoff = 4.0 }
[solver]
method = "transient"
duration = 5.0
#solver
"""
PLAIN = "{ amplitude = 1.0 }"


@pytest.fixture
def load(tmp_path):
    """Write a text and load it as a run file."""
    return lambda text, overrides=None: load_text(tmp_path / "run.toml", text, overrides)


def with_envelope(table):
    """The run file with an envelope on the coupling of A to the driven reservoir."""
    return TEXT.replace(PLAIN, f"{{ amplitude = 1.0, envelope = {toml(table)} }}", 1)


ENVELOPES = {
    "ramp": (
        {"kind": "ramp", "start": 1.0, "duration": 2.0, "before": 0.5},
        Ramp(start=1.0, duration=2.0, before=0.5),
    ),
    "smooth": ({"kind": "smooth", "duration": 2, "after": 0.25}, Smooth(duration=2.0, after=0.25)),
    "step": (
        {"kind": "step", "time": 1.5, "before": 1.0, "after": 0.0},
        Step(time=1.5, before=1.0, after=0.0),
    ),
    "pulse": ({"kind": "pulse", "start": 1.0, "duration": 3.0}, Pulse(start=1.0, duration=3.0)),
    "burst": ({"kind": "burst", "cycles": 3, "rise": 1.0}, Burst(cycles=3.0, rise=1.0)),
}


@pytest.mark.parametrize(("table", "envelope"), ENVELOPES.values(), ids=ENVELOPES.keys())
def test_envelopes_are_read(load, table, envelope):
    coupling = load(with_envelope(table)).machine.reservoirs[0].coupling
    assert coupling["A"] == Drive.cosine(envelope=envelope)
    assert coupling["B"].envelope is None


def test_an_envelope_fits_every_form_of_a_coupling(load):
    step = '{ kind = "step" }'
    for form, drive in {
        f"{{ mean = 0.5, envelope = {step} }}": Drive.constant(0.5, Step()),
        f"{{ harmonics = [[2, 0.1, 0.2]], envelope = {step} }}": Drive(
            harmonics=((2, 0.1, 0.2),), envelope=Step()
        ),
    }.items():
        assert load(TEXT.replace(PLAIN, form, 1)).machine.reservoirs[0].coupling["A"] == drive


def test_chirp_modulation_and_force_are_read(load):
    text = TEXT.replace(
        "#drive", "chirp = { start = 1.0, duration = 2.0, frequency = 2.0, curve = 'smooth' }"
    )
    text = text.replace("#medium", "modulation = { B = { amplitude = 0.1 } }\nforce = { A = 0.5 }")
    machine = load(text).machine
    assert machine.chirp == Chirp(start=1.0, duration=2.0, frequency=2.0, curve="smooth")
    assert machine.modulation == {"B": Drive.cosine(0.1)}
    assert machine.force == {"A": Drive.constant(0.5)}


STARTS = {
    "by name": ('"steady"', Steady()),
    "factorised": (
        '{ kind = "factorised", temperature = 0.0, oscillators = { A = { squeezing = 0.5, angle = 0.3 } } }',
        Factorised(temperature=0.0, oscillators={"A": OscillatorState(squeezing=0.5, angle=0.3)}),
    ),
    "covariance": (
        f'{{ kind = "factorised", covariance = {np.eye(4).tolist()} }}',
        Factorised(covariance=np.eye(4).tolist()),
    ),
    "displaced": (
        '{ kind = "equilibrated", oscillators = { B = { position = 1.0, velocity = -1.0 } } }',
        Equilibrated(oscillators={"B": OscillatorState(position=1.0, velocity=-1.0)}),
    ),
}


@pytest.mark.parametrize(("written", "start"), STARTS.values(), ids=STARTS.keys())
def test_starts_are_read(load, written, start):
    assert load(TEXT.replace("#solver", f"start = {written}")).solver.start == start


def test_without_a_start_it_is_equilibrium(load):
    assert load(TEXT).solver == TransientSettings(start=Equilibrated(), duration=5.0, points=201)


def test_times_are_points_over_the_duration_or_a_list(load):
    spread = load(TEXT.replace("#solver", "points = 6\nstart_time = 2.0")).solver
    np.testing.assert_allclose(spread.resolved_times(), [2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    listed = load(TEXT.replace("duration = 5.0", "times = [0.0, 0.5, 4]")).solver
    np.testing.assert_array_equal(listed.resolved_times(), [0.0, 0.5, 4.0])


EVERYTHING = (
    with_envelope(ENVELOPES["ramp"][0])
    .replace("#drive", "chirp = { duration = 2.0, frequency = 2.0 }")
    .replace("#medium", "modulation = { B = { amplitude = 0.1 }, A = 0.2 }\nforce = { B = 0.1, A = 0.5 }")
    .replace("#solver", f"start = {STARTS['factorised'][0]}")
)


@pytest.mark.parametrize("text", [EVERYTHING, *(with_envelope(t) for t, _ in ENVELOPES.values())])
def test_the_resolved_configuration_is_a_run_file_of_the_same_run_and_hash(load, text):
    run = load(text)
    again = load("\n".join(f"{key} = {toml(value)}" for key, value in json.loads(run.config_json).items()))
    assert again == run
    assert again.config_sha256 == run.config_sha256
    assert Machine.model_validate_json(run.machine.model_dump_json()) == run.machine


def test_the_hash_does_not_depend_on_the_order_of_keys(load):
    swapped = EVERYTHING.replace(
        "modulation = { B = { amplitude = 0.1 }, A = 0.2 }",
        "modulation = { A = 0.2, B = { amplitude = 0.1 } }",
    ).replace("force = { B = 0.1, A = 0.5 }", "force = { A = 0.5, B = 0.1 }")
    assert swapped != EVERYTHING
    assert load(swapped).config_sha256 == load(EVERYTHING).config_sha256


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("before = 0.5", "before = 0.4"),
        ("frequency = 2.0", "frequency = 2.1"),
        ("amplitude = 0.1", "amplitude = 0.11"),
        ("A = 0.5", "A = 0.51"),
        ("angle = 0.3", "angle = 0.31"),
        ("duration = 5.0", "duration = 5.1"),
    ],
)
def test_the_hash_depends_on_every_part_of_the_protocol(load, old, new):
    text = EVERYTHING.replace('"before": 0.5', "before = 0.5").replace('"before" = 0.5', "before = 0.5")
    assert old in text
    assert load(text.replace(old, new)).config_sha256 != load(text).config_sha256


def test_old_run_files_keep_their_configuration(load):
    config = json.loads(load(TEXT).config_json)
    assert set(config["medium"]) == {"frequencies", "wiring"}
    assert config["drive"] == {"frequency": 1.3}
    assert "envelope" not in json.dumps(config)


# ------------------------------------------------------------------------------------------ refused

NEEDED = "`solver.duration` or `times` must be given, and not both; choose one of them."
REFUSED = {
    "rise too long": (
        with_envelope({"kind": "burst", "cycles": 2, "rise": 1.5}),
        "`reservoir.driven.coupling.A.envelope.rise` = 1.5 is more than half of `cycles` = 2: lower it.",
    ),
    "unknown kind": (
        with_envelope({"kind": "bump"}),
        "`reservoir.driven.coupling.A.envelope.kind` = 'bump' is not known; use one of 'ramp', 'smooth', "
        "'step', 'pulse', 'burst'.",
    ),
    "no kind": (
        with_envelope({"duration": 1.0}),
        "`reservoir.driven.coupling.A.envelope.kind` is missing; add it.",
    ),
    "unknown key": (
        with_envelope({"kind": "step", "when": 1.0}),
        "`reservoir.driven.coupling.A.envelope.when` = 1.0 is not a known key; remove it or correct its "
        "spelling.",
    ),
    "no duration": (
        with_envelope({"kind": "ramp"}),
        "`reservoir.driven.coupling.A.envelope.duration` is missing; add it.",
    ),
    "chirp to rest": (
        TEXT.replace("#drive", "chirp = { duration = 1.0, frequency = 0.0 }"),
        "`drive.chirp.frequency` = 0.0 is not allowed: it must be greater than 0.",
    ),
    "chirp without frequency": (
        TEXT.replace("frequency = 1.3", "chirp = { duration = 1.0, frequency = 2.0 }"),
        "`drive.frequency` is missing; add it.",
    ),
    "burst without drive": (
        TEXT.replace("[drive]\nfrequency = 1.3\n", "")
        .replace("{ amplitude = 1.0, phase = 1.5 }", "1.0")
        .replace(PLAIN, '{ mean = 1.0, envelope = { kind = "burst", cycles = 2 } }', 1),
        "`drive.frequency` is missing, but a coupling is driven; add it.",
    ),
    "modulated stranger": (
        TEXT.replace("#medium", "modulation = { C = 0.1 }"),
        "`medium.modulation` names oscillator 'C', which is not one of ['A', 'B']; correct the name.",
    ),
    "pushed stranger": (
        TEXT.replace("#medium", "force = { C = 0.1 }"),
        "`medium.force` names oscillator 'C', which is not one of ['A', 'B']; correct the name.",
    ),
    "infinite force": (
        TEXT.replace("#medium", "force = { A = inf }"),
        "`medium.force.A.mean` = inf is not allowed: it must be a finite number.",
    ),
    "covariance and temperature": (
        TEXT.replace(
            "#solver",
            'start = { kind = "factorised", covariance = [[1.0, 0.0], [0.0, 1.0]], temperature = 1 }',
        ),
        "`solver.start.covariance` already fixes the widths: remove `temperature` and `squeezing`, or it.",
    ),
    "ragged covariance": (
        TEXT.replace("#solver", 'start = { kind = "factorised", covariance = [[1.0, 0.0], [0.0]] }'),
        "`solver.start.covariance` is not square: give one row and column for each variable.",
    ),
    "squeezed equilibrium": (
        TEXT.replace("#solver", 'start = { kind = "equilibrated", oscillators = { A = { squeezing = 1 } } }'),
        "`solver.start.oscillators.A` has `temperature` or `squeezing`, but the state is that of "
        "equilibrium; remove them, or use `kind` = 'factorised'.",
    ),
    "both kinds of times": (TEXT.replace("#solver", "times = [0.0, 1.0]"), NEEDED),
    "no times": (TEXT.replace("duration = 5.0", ""), NEEDED),
    "time that is none": (
        TEXT.replace("duration = 5.0", "times = [0.0, nan]"),
        "`solver.times.1` = nan is not allowed: it must be a finite number.",
    ),
    "one point": (
        TEXT.replace("#solver", "points = 1"),
        "`solver.points` = 1 is not allowed: it must be greater than or equal to 2.",
    ),
    "duration of nothing": (
        TEXT.replace("duration = 5.0", "duration = 0.0"),
        "`solver.duration` = 0.0 is not allowed: it must be greater than 0.",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_a_protocol_that_makes_no_sense_is_refused_in_the_words_of_the_file(load, text, sentence):
    with pytest.raises(InputError) as caught:
        load(text)
    assert str(caught.value) == sentence


def test_an_unknown_start_is_refused_with_the_known_ones(load):
    with pytest.raises(
        InputError, match=r"^`solver.start.kind` = 'asleep' is not known; use one of 'factorised'"
    ):
        load(TEXT.replace("#solver", 'start = "asleep"'))


def test_a_function_of_time_does_not_come_back_from_a_file():
    machine = Machine(
        frequencies={"A": 1.0},
        reservoirs=({"name": "r", "temperature": 0.1, "spectral_density": {"kind": "ohmic", "gamma": 1.0}},),
        force={"A": Drive.of_time(np.sin)},
    )
    config = Run(machine=machine, solver=TransientSettings(duration=1.0)).config_json
    assert "sin" in config
    with pytest.raises(Exception, match="was a Python function, which no file can hold; pass the machine"):
        Machine.model_validate_json(machine.model_dump_json())


# ------------------------------------------------------------------------------------------ run


@pytest.fixture
def run_file(tmp_path, monkeypatch):
    """A small run file, alone in the current directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "burst.toml"
    text = with_envelope(ENVELOPES["burst"][0]).replace("#solver", 'points = 6\nstart = "factorised"')
    path.write_text(text)
    return path


def test_run_of_a_transient_writes_its_dataset(run_file):
    assert main(["run", str(run_file)]) == 0
    (path,) = run_file.parent.rglob("*.nc")
    with xr.open_dataset(path) as dataset:
        np.testing.assert_allclose(dataset.time, np.linspace(0.0, 5.0, 6))
        assert dataset.attrs["method"] == "transient"
        assert json.loads(dataset.attrs["start"]) == {"kind": "factorised", "oscillators": {}}
        assert np.all(np.isfinite(dataset.position_covariance))
        assert float(np.abs(dataset.energy_residual).max()) < 1e-6
        assert re.search(r'"burst"', dataset.attrs["machine"])


def test_steady_state_of_a_protocol_is_refused_by_the_command_line(run_file, capsys):
    arguments = ["run", str(run_file), "--set", "solver.method=periodic_steady_state"]
    assert main(arguments) != 0
    assert "`envelope` is out of reach of 'periodic_steady_state'" in " ".join(
        capsys.readouterr().err.split()
    )
    assert not list(run_file.parent.rglob("*.nc"))
