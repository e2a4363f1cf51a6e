"""Axes of sweeps: forms, names, points, seeds, hashes; what is refused and in which words."""

import json
import re

import numpy as np
import pytest
from helpers.runfiles import TEXT, document

from langevin_qtm.data.axes import dim_of
from langevin_qtm.data.runfile import Run, load_run, parse_override
from langevin_qtm.data.sweep import Sweep, load_file, load_sweep
from langevin_qtm.errors import InputError


@pytest.fixture
def load(tmp_path):
    """Load the run file of the helpers with a table `[sweep]`."""

    def loaded(lines, overrides=None, text=TEXT):
        path = tmp_path / "sweep.toml"
        path.write_text(f"{text}\n[sweep]\n{lines}\n")
        return load_file(path, overrides)

    return loaded


def values(sweep):
    """Values along each axis."""
    return {axis.dim: [row[0] for row in axis.rows] for axis in sweep.axes}


# ------------------------------------------------------------------------------------- forms of an axis


FORMS = {
    "list": ('"drive.frequency" = [0.1, 0.2]', [0.1, 0.2]),
    "not quoted": ("drive.frequency = [0.1, 0.2]", [0.1, 0.2]),
    "linear": ('"drive.frequency" = { start = 0.1, stop = 0.3, num = 3 }', np.linspace(0.1, 0.3, 3)),
    "whole numbers": ('"drive.frequency" = { start = 1, stop = 3, num = 3 }', [1, 2, 3]),
    "log": (
        'drive.frequency = { start = 0.01, stop = 100, num = 41, scale = "log" }',
        np.geomspace(0.01, 100, 41),
    ),
    "downwards": ("drive.frequency = { start = 2.0, stop = 1.0, num = 2 }", [2.0, 1.0]),
    "one value": ("drive.frequency = { start = 2.0, stop = 1.0, num = 1 }", [2.0]),
    "values": ('"drive.frequency" = { values = [0.5] }', [0.5]),
}


@pytest.mark.parametrize(("line", "expected"), FORMS.values(), ids=FORMS.keys())
def test_forms_of_an_axis(load, line, expected):
    sweep = load(line)
    assert (sweep.dims, sweep.shape) == (("drive_frequency",), (len(expected),))
    assert values(sweep)["drive_frequency"] == list(expected)
    assert [run.machine.drive_frequency for run in sweep.runs] == list(expected)


def test_logarithmic_ends_are_exact(load):
    (axis,) = load('drive.frequency = { start = 0.1, stop = 30, num = 7, scale = "log" }').axes
    assert (axis.rows[0], axis.rows[-1]) == ((0.1,), (30.0,))


def test_a_named_axis_sets_several_keys_to_one_value(load):
    sweep = load(
        'temperature = { keys = ["reservoir.driven.temperature", "reservoir.1.temperature"], '
        "values = [1, 2] }"
    )
    assert sweep.dims == ("temperature",)
    assert [list(run.machine.temperatures) for run in sweep.runs] == [[1, 1], [2, 2]]
    coordinate = sweep.coordinates()["temperature"]
    assert coordinate.dtype == float
    assert coordinate.attrs == {
        "units": "omega_A",
        "long_name": "temperature",
        "keys": "reservoir.driven.temperature, reservoir.static.temperature",
    }


def test_a_zipped_axis_gives_each_key_its_own_value(load):
    sweep = load(
        '[sweep.pair]\nkeys = ["drive.frequency", "medium.wiring"]\n'
        'values = [[1, "joint"], [2, "independent"]]'
    )
    assert [(run.machine.drive_frequency, run.machine.wiring) for run in sweep.runs] == [
        (1, "joint"),
        (2, "independent"),
    ]
    coordinates = sweep.coordinates()
    assert {name: variable.dims for name, variable in coordinates.items()} == {
        "pair": ("pair",),
        "drive_frequency": ("pair",),
        "wiring": ("pair",),
    }
    assert list(coordinates["pair"].values) == [0, 1]
    assert list(coordinates["wiring"].values) == ["joint", "independent"]


def test_axes_form_the_product_in_the_order_of_the_file(load):
    sweep = load('"solver.trajectories" = [128, 64]\n"drive.frequency" = [0.1, 0.2, 0.3]')
    assert (sweep.dims, sweep.shape, sweep.size) == (("trajectories", "drive_frequency"), (2, 3), 6)
    found = [(run.solver.trajectories, run.machine.drive_frequency) for run in sweep.runs]
    assert found == [(n, f) for n in (128, 64) for f in (0.1, 0.2, 0.3)]
    assert [point.index for point in sweep.points()] == list(np.ndindex(2, 3))


def test_a_swept_key_need_not_be_in_the_file(load):
    sweep = load("drive.frequency = [0.1]", text=TEXT.replace("[drive]\nfrequency = 0.3", ""))
    assert sweep.first.machine.drive_frequency == 0.1


# ------------------------------------------------------------------------------------------------- names


NAMES = {
    "drive.frequency": "drive_frequency",
    "drive.chirp.duration": "drive_chirp_duration",
    "medium.wiring": "wiring",
    "medium.frequencies.B": "frequency_B",
    'medium.frequencies."b.1"': "frequency_b_1",
    "reservoir.driven.temperature": "driven_temperature",
    "reservoir.static.spectral_density.gamma": "static_gamma",
    'reservoir."hot bath".spectral_density.cutoff': "hot_bath_cutoff",
    "reservoir.driven.coupling.B.phase": "driven_B_phase",
    "reservoir.driven.coupling.A": "driven_coupling_A",
    "solver.seed": "seed",
    "solver.start.temperature": "start_temperature",
}


@pytest.mark.parametrize(("key", "dim"), NAMES.items(), ids=NAMES.values())
def test_names_of_dims(key, dim):
    assert dim_of(key) == dim


@pytest.mark.parametrize(
    ("line", "units", "long_name", "kind"),
    [
        ("drive.frequency = [1, 2]", "omega_A", "drive frequency", "f"),
        ("medium.frequencies.B = [1, 2]", "omega_A", "frequency of oscillator B", "f"),
        ("reservoir.static.spectral_density.gamma = [1]", "omega_A", "gamma of reservoir static", "f"),
        (
            "reservoir.driven.coupling.B.phase = [1]",
            "rad",
            "coupling phase of oscillator B to reservoir driven",
            "f",
        ),
        ('medium.wiring = ["joint"]', "1", "wiring", "O"),
        ("solver.seed = [1, 2]", "1", "seed", "i"),
    ],
    ids=["drive", "oscillator", "reservoir", "coupling", "text", "solver"],
)
def test_coordinates_say_what_they_are(load, line, units, long_name, kind):
    ((_, coordinate),) = load(line).coordinates().items()
    assert coordinate.attrs["units"] == units
    assert coordinate.attrs["long_name"] == long_name
    assert coordinate.dtype.kind == kind


# --------------------------------------------------------------------------------------- seeds and hashes


def seeds(sweep):
    return {point.run.machine.drive_frequency: point.run.solver.seed for point in sweep.points()}


def test_seeds_do_not_depend_on_order_or_on_other_points(load):
    few, more = load("drive.frequency = [0.1, 0.2]"), load("drive.frequency = [0.5, 0.2, 0.1]")
    assert seeds(few).items() <= seeds(more).items()
    assert len(set(seeds(more).values())) == 3
    assert all(0 <= seed < 2**63 for seed in seeds(more).values())


def test_seeds_depend_on_the_seed_of_the_file_and_on_nothing_else_of_the_solver(load):
    lines = "drive.frequency = [0.1]"
    assert seeds(load(lines)) != seeds(load(lines, {"solver.seed": 8}))
    assert seeds(load(lines)) == seeds(load(lines, {"solver.trajectories": 128, "title": "other"}))


def test_hashes_of_points_ignore_title_and_threads_and_other_points(load):
    def hashes(lines, overrides=None):
        return {point.sha256 for point in load(lines, overrides).points()}

    few = hashes("drive.frequency = [0.1, 0.2]")
    assert few < hashes("drive.frequency = [0.3, 0.2, 0.1]")
    assert few == hashes("drive.frequency = [0.1, 0.2]", {"title": "other", "solver.threads": 2})
    assert few.isdisjoint(hashes("drive.frequency = [0.1, 0.2]", {"solver.trajectories": 128}))


@pytest.mark.parametrize(
    "lines",
    [
        "drive.frequency = [0.1, 0.2]",
        "reservoir.driven.coupling.B.phase = [0.0, 1.0]\nmedium.wiring = ['joint', 'independent']",
        't = { keys = ["drive.frequency", "reservoir.driven.coupling.A.amplitude"], '
        "values = [[1, 2], [3, 4]] }",
        "reservoir.driven.coupling.A = { start = 0.5, stop = 1.0, num = 3 }",
    ],
    ids=["list", "phases", "zipped", "static coupling"],
)
def test_resolved_configuration_is_a_run_file_of_the_same_sweep(load, tmp_path, lines):
    sweep = load(lines)
    path = tmp_path / "again.toml"
    path.write_text(document(json.loads(sweep.config_json)))
    again = load_sweep(path)
    assert again.axes == sweep.axes
    assert again.runs == sweep.runs
    assert again.config_json == sweep.config_json
    assert again.config_sha256 != load("drive.frequency = [0.7]").config_sha256


# ----------------------------------------------------------------------------------------------- overrides


TWO_AXES = 'drive.frequency = [0.1, 0.2]\n"medium.frequencies.B" = { start = 0.3, stop = 0.9, num = 3 }'


@pytest.mark.parametrize(
    ("text", "dims", "shape"),
    [
        ("sweep.drive.frequency=[1, 2, 3]", ("drive_frequency", "frequency_B"), (3, 3)),
        (
            'sweep."drive.frequency"={start = 1, stop = 2, num = 5}',
            ("drive_frequency", "frequency_B"),
            (5, 3),
        ),
        ("sweep.medium.frequencies.B.num=7", ("drive_frequency", "frequency_B"), (2, 7)),
        (
            "sweep.medium.wiring=['joint', 'independent']",
            ("drive_frequency", "frequency_B", "wiring"),
            (2, 3, 2),
        ),
        ("drive.frequency=0.5", ("frequency_B",), (3,)),
        ("sweep={ 'drive.frequency' = [1] }", ("drive_frequency",), (1,)),
    ],
    ids=["list", "quoted", "entry", "new", "pinned", "whole"],
)
def test_overrides_of_axes(load, text, dims, shape):
    sweep = load(TWO_AXES, dict([parse_override(text)]))
    assert (sweep.dims, sweep.shape) == (dims, shape)


def test_the_last_override_counts(load):
    axis = {"sweep.drive.frequency": [1, 2, 3]}
    assert load(TWO_AXES, {"drive.frequency": 0.5} | axis).shape == (3, 3)
    assert load(TWO_AXES, axis | {"drive.frequency": 0.5}).shape == (3,)


def test_all_axes_pinned_leave_a_run(load):
    run = load("drive.frequency = [0.1, 0.2]", {"drive.frequency": 0.2})
    assert isinstance(run, Run)
    assert run.machine.drive_frequency == 0.2


def test_a_plain_file_becomes_a_sweep_by_override(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(TEXT)
    assert isinstance(load_file(path), Run)
    assert isinstance(load_file(path, {"sweep.drive.frequency": [0.1]}), Sweep)
    with pytest.raises(InputError, match=r"has no `\[sweep\]`; read it by `load_run`, or add the table\.$"):
        load_sweep(path)
    path.write_text(TEXT + "[sweep]\ndrive.frequency = [1.0]\n")
    with pytest.raises(InputError, match=r"^`sweep` makes many runs of a file; read it by `load_sweep`"):
        load_run(path)


# ------------------------------------------------------------------------------------------------ refusals


REFUSED = {
    "number": (
        "drive.frequency = 1",
        "`sweep.drive.frequency` = 1 is not allowed: it must be a list of values",
    ),
    "empty list": (
        "drive.frequency = []",
        "`sweep.drive.frequency` = [] is not allowed: it must be a list of at",
    ),
    "empty table": ("drive.frequency = {}", "`sweep.drive.frequency.start` is missing; add it."),
    "no num": (
        "drive.frequency = { start = 1, stop = 2 }",
        "`sweep.drive.frequency.num` is missing; add it.",
    ),
    "num 0": (
        "drive.frequency = { start = 1, stop = 2, num = 0 }",
        "`sweep.drive.frequency.num` = 0 is not allowed: it must be greater than or equal to 1.",
    ),
    "too many": (
        "drive.frequency = { start = 1, stop = 2, num = 100000 }\n"
        "medium.frequencies.B = { start = 1, stop = 2, num = 99 }",
        "`sweep` asks for 9900000 points, but may have 1000000; shorten an axis.",
    ),
    "log of zero": (
        'drive.frequency = { start = 0, stop = 2, num = 3, scale = "log" }',
        "`sweep.drive.frequency.start` = 0.0 is not allowed: a logarithmic scale needs > 0; use",
    ),
    "scale": (
        'drive.frequency = { start = 1, stop = 2, num = 3, scale = "cubic" }',
        "`sweep.drive.frequency.scale` = 'cubic' is not allowed: it must be 'linear' or 'log'",
    ),
    "unknown entry": (
        "drive.frequency = { start = 1, stop = 2, num = 3, step = 1 }",
        "`sweep.drive.frequency.step` = 1 is not a known key",
    ),
    "values and range": (
        "drive.frequency = { values = [1], num = 3 }",
        "`sweep.drive.frequency` has `values`, and `num` besides; remove one of them.",
    ),
    "mixture": (
        'drive.frequency = [1, "fast"]',
        "`sweep.drive.frequency` mixes numbers, strings or booleans",
    ),
    "twice": ("drive.frequency = [1, 2, 1.0]", "`sweep.drive.frequency` has 1 more than once; remove it"),
    "infinite": (
        "drive.frequency = [1, inf]",
        "`sweep.drive.frequency`: inf is not allowed as a value of an axis",
    ),
    "table": ("drive.frequency = [{ a = 1 }]", "`sweep.drive.frequency`: {'a': 1} is not allowed as a value"),
    "no key": ("temperature = [1, 2]", "`sweep.temperature` names no key: write a dotted one, or add `keys`"),
    "title": ('"title" = ["a", "b"]', "`sweep.title` names no key"),
    "unknown key": (
        "drvie.frequency = [1]",
        "`sweep.drvie.frequency`: `drvie.frequency` is not a known key; begin",
    ),
    "unknown inner key": ("drive.frequenzy = [1]", "`drive.frequenzy` = 1 is not a known key; remove it"),
    "unknown reservoir": (
        "reservoir.hot.temperature = [1]",
        "has no item 'hot'; use one of ['driven', 'static']",
    ),
    "whole table": (
        "medium.frequencies = [1]",
        "`sweep.medium.frequencies`: `medium.frequencies` is a table",
    ),
    "method": (
        'solver.method = ["simulate"]',
        "`solver.method` cannot be swept, since methods have different",
    ),
    "phases": (
        "solver.phases = [8]",
        "`solver.phases` cannot be swept, since points would have different dims.",
    ),
    "recording": (
        "solver.recording.periods = [8]",
        "`solver.recording.periods` cannot be swept, since recordings",
    ),
    "name": (
        'reservoir.driven.name = ["a"]',
        "`reservoir.driven.name` cannot be swept, since it names a coordinate",
    ),
    "unphysical": (
        "reservoir.driven.temperature = [1, -1]",
        "`reservoir.driven.temperature` = -1 is not allowed: it must be greater than or equal to 0.",
    ),
    "not an integer": (
        "solver.seed = [0.5]",
        "`solver.seed` = 0.5 is not allowed: it must be a valid integer",
    ),
    "not the method's": ("solver.tolerance = [0.5]", "`solver.tolerance` = 0.5 is not a known key"),
    "empty": ("", "`sweep` is empty; add an axis"),
    "keys": (
        "t = { keys = 3, values = [1] }",
        "`sweep.t.keys` = 3 is not allowed: it must be a list of dotted keys.",
    ),
    "name of an axis": (
        '"my-axis" = { keys = ["drive.frequency"], values = [1] }',
        "`sweep.my-axis`: the name of an axis has letters, digits and _ alone; rename it.",
    ),
    "row": (
        't = { keys = ["drive.frequency", "medium.frequencies.B"], values = [[1, 2], [3]] }',
        "`sweep.t.values`: row [3] has 1 values for 2 keys; give one each.",
    ),
    "key twice": (
        't = { keys = ["reservoir.0.temperature"], values = [1] }\nreservoir.driven.temperature = [2]',
        "`sweep` sets `reservoir.driven.temperature` twice; remove it from one of the axes.",
    ),
    "clash with a variable": (
        'power = { keys = ["drive.frequency"], values = [1] }',
        "`sweep.power`: its name `power` is that of a dim or variable of every dataset; give it another",
    ),
    "clash with a dim": (
        'time = { keys = ["drive.frequency"], values = [1] }',
        "`sweep.time`: its name `time` is that of a dim or variable of every dataset",
    ),
    "clash of axes": (
        'Wiring = { keys = ["drive.frequency"], values = [1] }\nmedium.wiring = ["joint"]',
        "`sweep.medium.wiring`: its name `wiring` is that of `sweep.Wiring`; give it another",
    ),
}


@pytest.mark.parametrize(("lines", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_wrong_sweeps_are_refused(load, lines, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        load(lines)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_sweep_is_a_table(load):
    with pytest.raises(InputError, match=r"^`sweep` = 3 is not allowed: it must be a table"):
        load("drive.frequency = [1]", {"sweep": 3})


def test_a_key_swept_with_others_cannot_be_pinned(load):
    with pytest.raises(
        InputError, match=r"is swept together with others by `sweep\.t`; set `sweep\.t` instead\.$"
    ):
        load(
            't = { keys = ["drive.frequency", "medium.frequencies.B"], values = [1] }',
            {"drive.frequency": 1.0},
        )


def test_a_new_method_drops_the_settings_of_the_old_one_from_the_axes(load):
    lines = '"solver.seed" = [1, 2]\n[sweep.point]\nkeys = ["drive.frequency", "solver.periods"]\n'
    lines += "values = [[0.1, 64], [0.2, 128]]"
    sweep = load(lines, {"solver": {"method": "second_order"}})
    assert [(axis.dim, axis.keys, axis.rows) for axis in sweep.axes] == [
        ("point", ("drive.frequency",), ((0.1,), (0.2,)))
    ]
    assert [run.solver.method for run in sweep.runs] == ["second_order"] * 2
    assert load(lines, {"solver.method": "periodic_steady_state"}).runs[1].machine == sweep.runs[1].machine
    kept = load(lines, {"solver.method": "simulate"})
    assert [axis.keys for axis in kept.axes] == [("solver.seed",), ("drive.frequency", "solver.periods")]


def test_a_new_method_leaves_axes_of_the_machine_whatever_they_are_called(load):
    text = TEXT.replace('name = "driven"', 'name = "seed"')
    assert text != TEXT
    lines = '"reservoir.seed.temperature" = [0.1, 0.2]\n"solver.seed" = [1, 2]'
    sweep = load(lines, {"solver": {"method": "second_order"}}, text)
    assert [axis.keys for axis in sweep.axes] == [("reservoir.seed.temperature",)]
