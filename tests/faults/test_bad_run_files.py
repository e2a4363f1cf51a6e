"""Run files that are wrong by the hundred: a run, or one sentence; never a traceback, a hang, or nonsense."""

import numpy as np
import pytest
from helpers.commands import INTERRUPTED, command, implausible
from helpers.fuzzing import VALID, bad_run, document
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langevin_qtm.cli import main
from langevin_qtm.data.files import open_dataset
from langevin_qtm.data.sweep import load_file
from langevin_qtm.errors import InputError

FAST, SLOW = range(120), range(1000, 3000)
HANG = 10.0  # seconds within which input is read and exact periodic methods answer
LARGE = 120.0  # the same for machines of up to six oscillators and five reservoirs
PATIENCE = 2.0  # seconds after which runs over time, long by right, are interrupted
PACK = 40  # cases in one test
METHODS = ("second_order", "periodic_steady_state")


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory):
    """Valid files, so that no case waits for the compiler."""
    folder = tmp_path_factory.mktemp("valid")
    for number, tables in enumerate(VALID[3:]):
        (folder / "run.toml").write_text(document(tables))
        assert main(["run", str(folder / "run.toml"), "-o", str(folder / f"{number}.nc"), "--quiet"]) == 0


def method_of(path, overrides):
    """Method that a file asks for; None if it is refused. Reading is part of the case."""
    from langevin_qtm.data.runfile import parse_override

    try:
        return load_file(path, dict(parse_override(text) for text in overrides)).solver.method
    except InputError:
        return None


def judge(folder, content, overrides, hang=HANG):
    """Run one case; what is wrong with the outcome, else None."""
    path, output = folder / "run.toml", folder / "out.nc"
    path.write_bytes(content)
    arguments = ["run", str(path), "-o", str(output), "--quiet"]
    for text in overrides:
        arguments += ["--set", text]
    method = method_of(path, overrides)
    outcome = command(arguments, hang if method in (None, *METHODS) else PATIENCE)
    kept = {"run.toml", "out.nc", "out.points"} | ({"out.nc.checkpoint"} if outcome.status == 130 else set())
    left = {each.name for each in folder.iterdir()} - kept
    try:
        if left:
            return f"left {left}"
        if outcome.status == 130 and method not in (None, *METHODS):
            import re

            if output.exists():
                open_dataset(output)  # complete: the interruption came after the file
            return None if re.fullmatch(INTERRUPTED, outcome.err) else f"interrupted: {outcome.err}"
        if outcome.status == 0:
            return "; ".join(implausible(open_dataset(output))) or None if method != "simulate" else None
        if outcome.status not in (1, 2) or not outcome.is_sentence:
            return f"status {outcome.status}: {outcome.err[:300]}"
        if output.exists() and "points failed" not in outcome.err:
            return "a file is left behind"
        return None
    finally:
        clear(folder)


def clear(folder):
    """Remove everything in a folder."""
    for each in folder.iterdir():
        if each.is_dir():
            clear(each)
            each.rmdir()
        else:
            each.unlink()


def complaints(folder, seeds):
    """What went wrong, by seed."""
    found = {}
    for seed in seeds:
        try:
            wrong = judge(folder, *bad_run(seed))
        except Exception as error:
            wrong = repr(error)
        if wrong:
            found[seed] = wrong
    return found


@pytest.mark.parametrize("first", FAST[::PACK])
def test_a_mutated_file_gives_a_run_or_a_sentence(tmp_path, first):
    assert complaints(tmp_path, range(first, first + PACK)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("first", SLOW[::PACK])
def test_two_thousand_mutated_files_give_a_run_or_a_sentence(tmp_path, first):
    assert complaints(tmp_path, range(first, first + PACK)) == {}


# --------------------------------------------------------------------------------------- legal machines


def sizes(low, high):
    """Numbers of any order of magnitude."""
    return st.floats(np.log10(low), np.log10(high)).map(lambda exponent: 10.0**exponent)


DENSITIES = st.one_of(
    st.fixed_dictionaries({"kind": st.just("ohmic"), "gamma": sizes(1e-12, 1e3)}),
    st.fixed_dictionaries({"kind": st.just("drude"), "gamma": sizes(1e-12, 1e3), "cutoff": sizes(1e-2, 1e3)}),
    st.fixed_dictionaries(
        {
            "kind": st.just("lorentzian"),
            "strength": sizes(1e-12, 10.0),
            "frequency": sizes(1e-2, 1e2),
            "gamma": sizes(1e-3, 1e2),
        }
    ),
)


@st.composite
def machines(draw):
    """Run files that are legal, with numbers of any size."""
    names = "ABCDEF"[: draw(st.integers(1, 6))]
    equal = draw(st.booleans())
    frequencies = {name: 1.0 if equal else draw(sizes(1e-2, 1e2)) for name in names}
    reservoirs = []
    for number in range(draw(st.integers(1, 5))):
        reservoir = {
            "name": f"r{number}",
            "temperature": draw(st.just(0.0) | sizes(1e-6, 1e3)),
            "spectral_density": draw(DENSITIES),
        }
        if draw(st.booleans()):
            drive = st.fixed_dictionaries({"amplitude": sizes(1e-3, 10.0), "phase": st.floats(-4, 4)})
            static = sizes(1e-3, 10.0)
            chosen = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
            reservoir["coupling"] = {name: draw(drive | static) for name in chosen}
        reservoirs.append(reservoir)
    return {
        "medium": {"frequencies": frequencies, "wiring": draw(st.sampled_from(["joint", "independent"]))},
        "drive": {"frequency": draw(sizes(1e-2, 1e2))},
        "reservoir": reservoirs,
        "solver": {"method": draw(st.sampled_from(METHODS))},
    }


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("legal")


def is_right(scratch, tables):
    """A legal file gives plausible numbers, or a sentence."""
    assert judge(scratch, document(tables).encode(), [], LARGE) is None


@settings(max_examples=12, derandomize=True, deadline=None)
@given(tables=machines())
def test_a_legal_machine_gives_plausible_numbers_or_a_sentence(scratch, tables):
    is_right(scratch, tables)


@pytest.mark.slow
@settings(
    max_examples=600,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=False,
)
@given(tables=machines())
def test_hundreds_of_legal_machines_give_plausible_numbers_or_a_sentence(scratch, tables):
    is_right(scratch, tables)


# ----------------------------------------------------------------------------- found by the tests above


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"self": 1}, "`self` = 1 is not a known key"),
        ({"solver": {"method": {"a": 1}}}, "`solver.method` = "),
        (
            {"drive": {"frequency": 1e300}},
            "`drive.frequency` = 1e+300 is not allowed: it must be at most 1e60",
        ),
        (
            {"drive": {"frequency": 1e-300}},
            "`drive.frequency` = 1e-300 is not allowed: it must be at least 1e-60",
        ),
        ({"drive": {"frequency": 1.0, "a" * 5000: 1}}, "...` = 1 is not a known key"),
    ],
    ids=["self", "method is a table", "huge", "tiny", "long key"],
)
def test_wrong_tables_are_refused_in_a_short_sentence(tmp_path, change, message):
    (tmp_path / "run.toml").write_text(document(VALID[0] | change))
    outcome = command(["run", str(tmp_path / "run.toml"), "-o", str(tmp_path / "out.nc")], HANG)
    assert outcome.status == 2
    assert outcome.is_sentence
    assert message in outcome.err


def test_a_method_that_is_a_list_is_refused_when_another_is_set(tmp_path):
    (tmp_path / "run.toml").write_text(document(VALID[0] | {"solver": {"method": ["simulate"]}}))
    (tmp_path / "two.toml").write_text(document(VALID[0]))
    one = command(["run", str(tmp_path / "run.toml"), "--set", "solver.method=second_order"], HANG)
    assert one.status in (0, 2)
    two = command(["run", str(tmp_path / "two.toml"), "--set", "solver={ method = [] }"], HANG)
    assert two.status == 2
    assert two.is_sentence


def test_overflow_on_the_way_is_a_sentence(tmp_path):
    density = VALID[0]["reservoir"][0]["spectral_density"] | {"frequency": 1e-48}
    reservoir = [VALID[0]["reservoir"][0] | {"spectral_density": density}, VALID[0]["reservoir"][1]]
    tables = VALID[0] | {"reservoir": reservoir}
    (tmp_path / "run.toml").write_text(document(tables))
    outcome = command(["run", str(tmp_path / "run.toml"), "-o", str(tmp_path / "out.nc"), "--quiet"], HANG)
    assert outcome.status == 1
    assert outcome.is_sentence
    assert not (tmp_path / "out.nc").exists()


TRANSIENT = next(tables for tables in VALID if "duration" in tables["solver"])


def test_endless_steps_are_refused(tmp_path):
    reservoir = [TRANSIENT["reservoir"][0] | {"coupling": {"B": 1e9}}, TRANSIENT["reservoir"][1]]
    (tmp_path / "run.toml").write_text(document(TRANSIENT | {"reservoir": reservoir}))
    outcome = command(["run", str(tmp_path / "run.toml"), "-o", str(tmp_path / "out.nc"), "--quiet"], HANG)
    assert outcome.status == 2
    assert "lower couplings and rates" in outcome.err


def test_variances_lost_beside_large_means_are_refused(tmp_path):
    medium = TRANSIENT["medium"] | {"force": {"B": {"mean": 1e9}}}
    (tmp_path / "run.toml").write_text(document(TRANSIENT | {"medium": medium}))
    outcome = command(["run", str(tmp_path / "run.toml"), "-o", str(tmp_path / "out.nc"), "--quiet"], HANG)
    assert outcome.status == 1
    assert "lower `medium.force` and displacements" in outcome.err


ENSEMBLE = VALID[-1]


def test_an_event_as_close_as_rounding_to_an_output_makes_no_more_outputs(tmp_path):
    burst = {"mean": 0.5, "envelope": {"kind": "burst", "start": 1e-50, "cycles": 1.0, "rise": 0.2}}
    reservoir = [ENSEMBLE["reservoir"][0] | {"coupling": {"B": burst}}, ENSEMBLE["reservoir"][1]]
    (tmp_path / "run.toml").write_text(document(ENSEMBLE | {"reservoir": reservoir}))
    arguments = ["run", str(tmp_path / "run.toml"), "-o", str(tmp_path / "out.nc"), "--quiet"]
    assert command(arguments, 60).status == 0
    assert open_dataset(tmp_path / "out.nc").sizes["time"] == ENSEMBLE["solver"]["points"]


def test_a_duration_too_short_for_its_points_is_refused(tmp_path):
    solver = ENSEMBLE["solver"] | {"start_time": 1e10, "duration": 1e-8}
    (tmp_path / "run.toml").write_text(document(ENSEMBLE | {"solver": solver}))
    outcome = command(["run", str(tmp_path / "run.toml"), "-o", str(tmp_path / "out.nc"), "--quiet"], 60)
    assert outcome.status == 2
    assert "has no room for 3 different times" in outcome.err
