"""Run files that are refused: one sentence with key, value and remedy, and never another exception."""

import json
import re

import pytest
from helpers.runfiles import TEXT, document, load_text
from hypothesis import given, settings
from hypothesis import strategies as st

from langevin_qtm.data.runfile import Run, load_run
from langevin_qtm.errors import InputError


@pytest.fixture
def load(tmp_path):
    """Write a text and load it as a run file."""
    return lambda text, overrides=None: load_text(tmp_path / "run.toml", text, overrides)


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
        "`solver.method` = 'magic' is not known; use one of 'simulate', 'transient'",
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
        "`solver.trajectories` = 64 is not a known key; remove it",
    ),
    "sweep": ("[solver]", "[sweep]\n[solver]", "`sweep` makes many runs of a file; read it by `load_sweep`"),
    "envelope": (
        "{ amplitude = 1.0 }",
        '{ amplitude = 1.0, envelope = { kind = "ramp" } }',
        "`reservoir.driven.coupling.A.envelope.duration` is missing; add it",
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
