"""Run files: what is read, what is refused and in which words, and what the hash depends on."""

import hashlib
import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langevin_qtm.data.runfile import (
    PeriodicSteadyStateSettings,
    Run,
    SecondOrderSettings,
    load_run,
    parse_override,
)
from langevin_qtm.errors import InputError
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz, Ohmic, Reservoir
from langevin_qtm.sampling.settings import SimulateSettings

RUNS = Path(__file__).parents[2] / "runs"

TEXT = """
title = "test"
[medium]
frequencies = { A = 1.0, B = 0.6 }
wiring = "joint"
[drive]
frequency = 0.3
[[reservoir]]
name = "driven"
temperature = 0.1
spectral_density = { kind = "drude", gamma = 0.01, cutoff = 12.0 }
coupling = { A = { amplitude = 1.0 }, B = { amplitude = 1.0, phase = 1.5 } }
[[reservoir]]
name = "static"
temperature = 0.2
spectral_density = { kind = "ohmic", gamma = 100.0 }
[solver]
method = "simulate"
trajectories = 64
seed = 7
"""


@pytest.fixture
def load(tmp_path):
    """Write a text and load it as a run file."""

    def load_text(text, overrides=None):
        path = tmp_path / "run.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_run(path, overrides)

    return load_text


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
    assert isinstance(load_run(path), Run)


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
        trajectories=256, seed=1, start="equilibrated", target_error=0.005, time_limit=60
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


def toml(value):
    """Inline TOML of a value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return {"True": "true", "False": "false"}.get(str(value), repr(value))


def document(tables):
    """TOML of a whole file, each table inline."""
    return "\n".join(f"{json.dumps(key, ensure_ascii=False)} = {toml(item)}" for key, item in tables.items())


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
    assert load(TEXT, {"solver.method": "second_order"}).solver == SecondOrderSettings()
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


# ----------------------------------------------------------------------------------- what is refused

NUMBER = "is not allowed: it must be a valid number"
REFUSED = {
    "unknown top-level key": ('title = "test"', "tilte = 1", "`tilte` = 1 is not a known key; remove it or"),
    "unknown medium key": ('wiring = "joint"', 'mass = "x"', "`medium.mass` = 'x' is not a known key"),
    "unknown reservoir key": (
        "temperature = 0.1",
        "T = 0.1",
        "`reservoir.driven.temperature` is missing; add it",
    ),
    "unknown density key": (
        "cutoff = 12.0",
        "cut = 1",
        "`reservoir.driven.spectral_density.cutoff` is missing",
    ),
    "extra density key": (
        "gamma = 100.0",
        "gamma = 100.0, width = 2",
        "`reservoir.static.spectral_density.width` = 2 is not a known key",
    ),
    "unknown coupling key": (
        "{ amplitude = 1.0 }",
        "{ amplitud = 1.0 }",
        "`reservoir.driven.coupling.A`: {'amplitud': 1.0} is not a coupling: it must be a number, a table",
    ),
    "unknown solver key": ("seed = 7", "sede = 7", "`solver.sede` = 7 is not a known key"),
    "title is a number": (
        'title = "test"',
        "title = 3",
        "`title` = 3 is not allowed: it must be a valid string",
    ),
    "temperature is text": (
        "temperature = 0.1",
        'temperature = "hot"',
        f"`reservoir.driven.temperature` = 'hot' {NUMBER}",
    ),
    "temperature is a date": (
        "temperature = 0.1",
        "temperature = 2020-01-01",
        f"datetime.date(2020, 1, 1) {NUMBER}",
    ),
    "frequency is a boolean": ("A = 1.0,", "A = true,", f"`medium.frequencies.A` = True {NUMBER}"),
    "seed is a float": (
        "seed = 7",
        "seed = 7.5",
        "`solver.seed` = 7.5 is not allowed: it must be a valid integer",
    ),
    "medium is a number": (
        TEXT[: TEXT.index("[drive]")],
        "medium = 3\n",
        "`medium` = 3 is not allowed: it must be a table",
    ),
    "frequencies is a list": (
        "{ A = 1.0, B = 0.6 }",
        "[1.0]",
        "`medium.frequencies` = [1.0] is not allowed: it must be a table",
    ),
    "no oscillators": (
        "{ A = 1.0, B = 0.6 }",
        "{}",
        "`medium.frequencies` = {} is not allowed: it must have at least 1 item",
    ),
    "density is text": (
        '{ kind = "ohmic", gamma = 100.0 }',
        '"ohmic"',
        "`reservoir.static.spectral_density` = 'ohmic' is not allowed: it must be a table",
    ),
    "coupling is text": (
        "{ amplitude = 1.0 }",
        '"on"',
        "`reservoir.driven.coupling.A`: 'on' is not a coupling",
    ),
    "harmonics is a number": (
        "{ amplitude = 1.0 }",
        "{ harmonics = 1 }",
        "`reservoir.driven.coupling.A.harmonics` = 1 is not allowed: it must be a list",
    ),
    "negative temperature": (
        "temperature = 0.1",
        "temperature = -0.1",
        "`reservoir.driven.temperature` = -0.1 is not allowed: it must be greater than or equal to 0",
    ),
    "infinite temperature": (
        "temperature = 0.2",
        "temperature = inf",
        "`reservoir.static.temperature` = inf is not allowed: it must be a finite number",
    ),
    "frequency is not a number": (
        "A = 1.0,",
        "A = nan,",
        "`medium.frequencies.A` = nan is not allowed: it must be a finite number",
    ),
    "negative gamma": (
        "gamma = 100.0",
        "gamma = -100.0",
        "`reservoir.static.spectral_density.gamma` = -100.0 is not allowed: it must be greater than 0",
    ),
    "infinite amplitude": (
        "{ amplitude = 1.0 }",
        "{ amplitude = -inf }",
        "`reservoir.driven.coupling.A.amplitude` = -inf is not allowed: it must be a finite number",
    ),
    "zero drive frequency": (
        "frequency = 0.3",
        "frequency = 0",
        "`drive.frequency` = 0 is not allowed: it must be greater than 0",
    ),
    "negative drive frequency": (
        "frequency = 0.3",
        "frequency = -0.3",
        "`drive.frequency` = -0.3 is not allowed: it must be greater than 0",
    ),
    "no drive frequency": ("frequency = 0.3", "", "`drive.frequency` is missing; add it"),
    "no drive": (
        "[drive]\nfrequency = 0.3",
        "",
        "`drive.frequency` is missing, but a coupling is driven; add it",
    ),
    "unknown oscillator": (
        "B = { amplitude",
        "C = { amplitude",
        "`reservoir.driven.coupling` names oscillator 'C', which is not one of ['A', 'B']; correct the name",
    ),
    "unknown wiring": (
        '"joint"',
        '"serial"',
        "`medium.wiring` = 'serial' is not allowed: it must be 'joint' or 'independent'",
    ),
    "unknown density": (
        '"drude"',
        '"debye"',
        "`reservoir.driven.spectral_density.kind` = 'debye' is not known; use one of",
    ),
    "density without kind": (
        'kind = "ohmic", ',
        "",
        "`reservoir.static.spectral_density.kind` is missing; add it",
    ),
    "unknown method": (
        '"simulate"',
        '"magic"',
        "`solver.method` = 'magic' is not known; use one of 'simulate', 'periodic",
    ),
    "no method": ('method = "simulate"', "", "`solver.method` is missing; add it"),
    "no solver": (TEXT[TEXT.index("[solver]") :], "", "`solver` is missing; add it"),
    "nameless reservoir": ('name = "static"\n', "", "`reservoir.1.name` is missing; add it"),
    "one name twice": (
        '"static"',
        '"driven"',
        "`reservoir` names ['driven', 'driven'] are not unique: rename one",
    ),
    "reservoir is a table": (
        TEXT[TEXT.index("[[reservoir]]") : TEXT.index("[solver]")],
        "[reservoir]\n",
        "`reservoir` = {} is not allowed: it must be a list",
    ),
    "trajectories not in groups": (
        "trajectories = 64",
        "trajectories = 100",
        "`solver.trajectories` = 100 is not allowed: it must be a multiple of 64",
    ),
    "integer beyond 64 bits": (
        "seed = 7",
        "seed = 99999999999999999999",
        "`solver.seed` is an integer of more than 64 bits",
    ),
    "amplitude beyond floats": (
        "{ amplitude = 1.0 }",
        f"1{'0' * 400}",
        "`reservoir.driven.coupling.A` is an integer of more than 64 bits",
    ),
    "transient": (
        '"simulate"',
        '"transient"',
        "`solver.method` = 'transient' is not supported by this version; use one",
    ),
    "sweep": ("[solver]", "[sweep]\n[solver]", "`sweep` is not supported by this version; remove it"),
    "envelope": (
        "{ amplitude = 1.0 }",
        '{ amplitude = 1.0, envelope = { kind = "ramp" } }',
        "`reservoir.driven.coupling.A.envelope` is not supported by this version; remove it",
    ),
    "table density": (
        'kind = "ohmic", gamma = 100.0',
        'kind = "table", file = "j.csv"',
        "`reservoir.static.spectral_density.kind` = 'table' is not supported by this version; use one",
    ),
    "broken TOML": ("[medium]", "[medium", "is not valid TOML: "),
    "key twice": ("seed = 7", "seed = 7\nseed = 8", "is not valid TOML: "),
    "too deep": ('title = "test"', f"title = {'[' * 5000}", "is nested too deeply; flatten its tables"),
    "deep dotted key": ('title = "test"', "a." * 5000 + "a = 1", "is nested too deeply; flatten its tables"),
}


@pytest.mark.parametrize(("old", "new", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_wrong_file_is_refused_in_one_sentence(load, old, new, message):
    assert old in TEXT
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        load(TEXT.replace(old, new, 1))
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 300
    assert not re.search(r"`[^`]*\.(ohmic|drude|lorentzian|simulate)\.", sentence)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"^Run file `.*nothing\.toml` does not exist; check the path\.$"):
        load_run(tmp_path / "nothing.toml")


def test_directory_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"^Run file `.*` cannot be read: Is a directory\.$"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; it needs `[medium]`, `[[reservoir]]` and `[solver]`"),
        (b"# nothing\n", "is empty; it needs"),
        (b"title = \xff", "is not UTF-8 text; give a TOML file"),
        (bytes(range(256)), "is not UTF-8 text"),
        (b"\x00", "is not valid TOML"),
        (b"medium", "is not valid TOML"),
    ],
    ids=["empty", "only comments", "latin-1", "binary", "null byte", "no value"],
)
def test_file_that_is_no_run_file_is_refused(load, content, message):
    with pytest.raises(InputError, match=re.escape(message)):
        load(content)


# ------------------------------------------------------------------------------------- mutated files

LEAVES = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.text(max_size=8),
    st.sampled_from(["ohmic", "drude", "table", "transient", "second_order", "A", "driven", "envelope"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=4) | st.sampled_from(["kind", "gamma", "A"]), inner, max_size=3),
    ),
    max_leaves=6,
)


def paths(value, path=()):
    """Every path into nested tables and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


@st.composite
def mutated_files(draw):
    """A valid file with a few values replaced, removed or renamed, then perhaps a few characters cut."""
    tables = json.loads(json.dumps(MUTABLE))
    for _ in range(draw(st.integers(0, 3))):
        candidates = list(paths(tables))
        if not candidates:
            break
        *parents, last = draw(st.sampled_from(candidates))
        node = tables
        for key in parents:
            node = node[key]
        action = draw(st.sampled_from(["replace", "remove", "rename"]))
        if action == "replace" or (action == "rename" and isinstance(node, list)):
            node[last] = draw(VALUES)
        else:
            value = node.pop(last)
            if action == "rename":
                node[draw(st.text(max_size=6))] = value
    text = document(tables)
    if draw(st.booleans()):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(st.text(max_size=3)) + text[start + draw(st.integers(0, 3)) :]
    return text


MUTABLE = {
    "title": "test",
    "medium": {"frequencies": {"A": 1.0, "B": 0.6}, "wiring": "joint"},
    "drive": {"frequency": 0.3},
    "reservoir": [
        {
            "name": "driven",
            "temperature": 0.1,
            "spectral_density": {"kind": "lorentzian", "strength": 1.0, "frequency": 2.0, "gamma": 0.1},
            "coupling": {"A": {"harmonics": [[1, 0.5, 0.0], [2, 0.1, 0.2]]}, "B": 0.5},
        },
        {
            "name": "static",
            "temperature": 0.2,
            "spectral_density": {"kind": "ohmic", "gamma": 1.0, "cutoff": 9.0},
        },
    ],
    "solver": {"method": "simulate", "trajectories": 64, "recording": {"trajectories": 2, "periods": 3}},
}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("mutated") / "run.toml"


@settings(max_examples=200, derandomize=True, deadline=None)
@given(text=mutated_files())
def test_mutated_file_gives_a_run_or_a_sentence(scratch, text):
    scratch.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        run = load_run(scratch)
    except InputError:
        return
    assert isinstance(run, Run)
    assert len(run.config_sha256) == 64


def test_the_file_to_mutate_is_valid(load):
    assert load(document(MUTABLE)).machine.oscillators == ("A", "B")
