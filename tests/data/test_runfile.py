"""Run files: what is read, what is refused and in which words, and what the hash depends on."""

import hashlib
import json
import math
import re
from pathlib import Path

import pytest
from helpers.runfiles import TEXT, document, load_text

from langevin_qtm.data.runfile import (
    PeriodicSteadyStateSettings,
    Run,
    SecondOrderSettings,
    load_run,
    parse_override,
)
from langevin_qtm.data.sweep import Sweep, load_file
from langevin_qtm.errors import InputError
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz, Ohmic, Reservoir
from langevin_qtm.sampling.settings import Recording, SimulateSettings

RUNS = Path(__file__).parents[2] / "runs"


@pytest.fixture
def load(tmp_path):
    """Write a text and load it as a run file."""
    return lambda text, overrides=None: load_text(tmp_path / "run.toml", text, overrides)


# -------------------------------------------------------------------------------------- what is read


def test_reads_machine_and_settings(load):
    run = load(TEXT)
    assert run.title == "test"
    assert run.machine == Machine(
        frequencies={"A": 1.0, "B": 0.6},
        drive_frequency=0.3,
        reservoirs=[
            Reservoir(
                name="driven",
                temperature=0.1,
                spectral_density=DrudeLorentz(gamma=0.01, cutoff=12.0),
                coupling={"A": Drive.cosine(), "B": Drive.cosine(phase=1.5)},
            ),
            Reservoir(name="static", temperature=0.2, spectral_density=Ohmic(gamma=100.0)),
        ],
    )
    assert run.solver == SimulateSettings(trajectories=64, seed=7)


def test_keeps_the_order_of_oscillators(load):
    swapped = TEXT.replace("{ A = 1.0, B = 0.6 }", "{ B = 0.6, A = 1.0 }")
    assert load(swapped).machine.oscillators == ("B", "A")


def test_ohmic_with_cutoff_is_drude(load):
    run = load(TEXT.replace("gamma = 100.0 }", "gamma = 100.0, cutoff = 9.0 }"))
    assert run.machine.reservoirs[1].spectral_density == DrudeLorentz(gamma=100.0, cutoff=9.0)


def test_static_machine_needs_no_drive(load):
    text = TEXT.replace("[drive]\nfrequency = 0.3", "").replace("{ amplitude = 1.0 }", "1.0")
    run = load(text.replace("{ amplitude = 1.0, phase = 1.5 }", "0.5"))
    assert run.machine.drive_frequency is None
    assert "drive" not in json.loads(run.config_json)


def test_byte_order_mark_and_windows_line_ends_are_accepted(load):
    assert load(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode()) == load(TEXT)


def test_is_frozen(load):
    with pytest.raises(ValueError, match="frozen"):
        load(TEXT).title = "other"


@pytest.mark.parametrize("path", sorted(RUNS.glob("**/*.toml")), ids=lambda path: path.stem)
def test_every_run_file_of_the_project_loads(path):
    assert isinstance(load_file(path), Run | Sweep)


def test_the_work_converter_is_the_isothermal_one():
    run = load_run(RUNS / "work_converter.toml")
    driven, static = run.machine.reservoirs
    assert dict(run.machine.frequencies) == {"A": 1.0, "B": 0.6}
    assert (run.machine.drive_frequency, run.machine.wiring) == (0.3, "joint")
    assert driven.temperature == static.temperature == 0.1
    assert driven.spectral_density == DrudeLorentz(gamma=0.01, cutoff=12.0)
    assert driven.coupling == {"A": Drive.cosine(), "B": Drive.cosine(phase=math.pi / 2)}
    assert (static.spectral_density, static.coupling) == (Ohmic(gamma=100.0), None)
    assert run.solver == SimulateSettings(
        trajectories=256,
        seed=1,
        start="equilibrated",
        periods=12000,
        time_limit=45,
        recording=Recording(work_periods=100),
    )


# ------------------------------------------------------------------------------------------ the hash


def test_hash_is_that_of_the_stored_text(load):
    run = load(TEXT)
    assert run.config_sha256 == hashlib.sha256(run.config_json.encode()).hexdigest()


def reordered(value, reverse):
    """Copy of nested tables with keys in another order, those of `frequencies` excepted."""
    if isinstance(value, dict):
        keys = sorted(value, reverse=reverse)
        return {key: value[key] if key == "frequencies" else reordered(value[key], reverse) for key in keys}
    return [reordered(item, reverse) for item in value] if isinstance(value, list) else value


def test_hash_does_not_depend_on_the_order_of_keys(load):
    run = load(TEXT)
    tables = json.loads(run.config_json)
    hashes = {load(document(reordered(tables, reverse))).config_sha256 for reverse in (False, True)}
    assert hashes == {run.config_sha256}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("frequency = 0.3", "frequency = 0.31"),
        ("seed = 7", "seed = 8"),
        ("{ A = 1.0, B = 0.6 }", "{ B = 0.6, A = 1.0 }"),
        ('"simulate"\ntrajectories = 64\nseed = 7', '"second_order"'),
    ],
    ids=["drive", "seed", "oscillator order", "method"],
)
def test_hash_depends_on_what_counts(load, old, new):
    assert load(TEXT.replace(old, new)).config_sha256 != load(TEXT).config_sha256


def test_hash_does_not_depend_on_how_a_value_is_written(load):
    same = TEXT.replace("temperature = 0.1", "temperature = 1e-1").replace("gamma = 100.0", "gamma = 100")
    assert load(same.replace('wiring = "joint"\n', "")).config_sha256 == load(TEXT).config_sha256


def test_resolved_configuration_is_a_run_file_of_the_same_run(load):
    run = load(TEXT)
    again = load(document(json.loads(run.config_json)))
    assert again == run
    assert again.config_json == run.config_json


# ----------------------------------------------------------------------------------------- overrides


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("drive.frequency=0.5", ("drive.frequency", 0.5)),
        ("solver.seed = 3", ("solver.seed", 3)),
        ('solver.method="second_order"', ("solver.method", "second_order")),
        ("solver.method=second_order", ("solver.method", "second_order")),
        ("a.b={ x = [1, 2] }", ("a.b", {"x": [1, 2]})),
        ("title=a = b", ("title", "a = b")),
        ("title=", ("title", "")),
        ("title=1\nother = 2", ("title", "1\nother = 2")),
    ],
    ids=["float", "int", "quoted", "unquoted", "table", "equals sign", "empty", "two lines"],
)
def test_override_is_a_key_and_a_value(text, expected):
    assert parse_override(text) == expected


@pytest.mark.parametrize(
    "text", ["drive.frequency", "=3", " = 3"], ids=["no equals sign", "no key", "blank key"]
)
def test_override_without_key_or_value_is_refused(text):
    with pytest.raises(InputError, match=r"^`--set .*` is not an assignment; write key=value"):
        parse_override(text)


@pytest.mark.parametrize("key", ["driven", "0", '"driven"'])
def test_override_addresses_a_reservoir_by_name_or_index(load, key):
    run = load(TEXT, {f"reservoir.{key}.spectral_density.gamma": 0.02})
    assert run.machine.reservoirs[0].spectral_density == DrudeLorentz(gamma=0.02, cutoff=12.0)


def test_override_reaches_into_names_with_dots(load):
    text = TEXT.replace("A = ", '"a.1" = ')
    assert load(text, {'medium.frequencies."a.1"': 2.0}).machine.frequencies["a.1"] == 2.0


def test_override_makes_missing_tables(load):
    text = TEXT.replace("[drive]\nfrequency = 0.3", "")
    assert load(text, {"drive.frequency": 0.5}).machine.drive_frequency == 0.5


def test_override_of_the_method_drops_the_keys_of_the_old_one(load):
    assert load(TEXT, {"solver.method": "second_order"}).solver == SecondOrderSettings(tolerance=1e-6)
    chosen = load(TEXT, {"solver.phases": 16, "solver.method": "periodic_steady_state"}).solver
    assert chosen == PeriodicSteadyStateSettings(phases=16)


def test_overrides_do_not_change_what_was_passed(load):
    given = {"reservoir.driven.coupling": {"A": 1.0}, "reservoir.driven.coupling.A": 2.0}
    load(TEXT, given)
    assert given["reservoir.driven.coupling"] == {"A": 1.0}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"solver.method": "second_order", "solver.seed": 1}, "`solver.seed` = 1 is not a known key"),
        ({"solver.method": "simulate", "solver.phases": 8}, "`solver.phases` = 8 is not a known key"),
        ({"solver.method": "exact"}, "`solver.method` = 'exact' is not known; use one of 'simulate'"),
        ({"reservoir.hot.temperature": 1.0}, "has no item 'hot'; use one of ['driven', 'static']"),
        ({"reservoir.2.temperature": 1.0}, "has no item '2'; use one of ['driven', 'static']"),
        (
            {"medium.frequencies.A.x": 1.0},
            "`medium.frequencies.A` = 1.0 is not a table; set `medium.frequencies.A`",
        ),
        ({"drvie.frequency": 1.0}, "`drvie` = {'frequency': 1.0} is not a known key"),
        ({"drive.frequency": "fast"}, "`drive.frequency` = 'fast' is not allowed: it must be a valid number"),
        (
            {"reservoir.driven.temperature": -1},
            "`reservoir.driven.temperature` = -1 is not allowed: it must be",
        ),
        ({"": 1}, "is not a known key"),
        ({".": 1}, "is not a known key"),
    ],
    ids=lambda value: next(iter(value)) or "empty" if isinstance(value, dict) else "",
)
def test_wrong_override_is_refused(load, overrides, message):
    with pytest.raises(InputError, match=re.escape(message)):
        load(TEXT, overrides)


def test_typing_errors_survive_a_change_of_method(load):
    with pytest.raises(InputError, match=r"`solver\.sede` = 7 is not a known key"):
        load(TEXT.replace("seed = 7", "sede = 7"), {"solver.method": "second_order"})
