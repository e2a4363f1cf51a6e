"""Sweeps: combined datasets, points on disk, resuming, failures, validation, and the command line."""

import json
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers.datasets import sampled

from langevin_qtm.cli import main
from langevin_qtm.data.files import open_dataset
from langevin_qtm.data.sweep import load_sweep, sweep_of
from langevin_qtm.errors import InputError, NotConvergedError
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.exact.second_order import second_order
from langevin_qtm.progress import Progress
from langevin_qtm.schema import COORDINATES, PERIOD_AVERAGES
from langevin_qtm.sweep import run_sweep
from langevin_qtm.sweep_validation import validate_sweep
from langevin_qtm.validation import validate

TEXT = """
title = "one oscillator"
medium.frequencies = { A = 1.0 }
drive.frequency = 0.7
[[reservoir]]
name = "driven"
temperature = 0.4
spectral_density = { kind = "drude", gamma = 0.02, cutoff = 5.0 }
coupling.A = { amplitude = 1.0 }
[[reservoir]]
name = "static"
temperature = 0.8
spectral_density = { kind = "drude", gamma = 0.5, cutoff = 20.0 }
[sweep]
"drive.frequency" = [0.5, 0.7, 0.9]
"reservoir.static.spectral_density.gamma" = [0.5, 1.0]
[solver]
method = "second_order"
"""
PERIODIC = {"solver.method": "periodic_steady_state", "solver.tolerance": 1e-6, "solver.phases": 8}
UNSTABLE = "medium.frequencies.B=1.0"  # with a static reservoir that leaves it alone
ALONE = "reservoir.static.coupling={ A = 1.0 }"
WALL = ["wall_seconds", "created", "history"]


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A run file, alone in the current directory."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "map.toml"
    file.write_text(TEXT)
    return file


@pytest.fixture
def calls(monkeypatch):
    """Points that a perfect sampler was asked for, in order; it fails where γ of the static one is 1."""
    asked = []

    def simulate(machine, settings, *_):
        asked.append((machine.drive_frequency, settings.seed))
        if machine.reservoirs[1].spectral_density.gamma == 1.0:
            raise NotConvergedError("Noise filter", 1e-2, 1e-5, "lower the cutoff")
        return sampled(
            machine, periodic_steady_state(machine, 1e-6), settings.seed % 1000, 0.01, settings.trajectories
        )

    module = types.ModuleType("langevin_qtm.sampling.simulate")
    module.simulate = simulate
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return asked


SIMULATE = {"solver.method": "simulate", "solver.trajectories": 1024, "solver.seed": 3}


def left(folder="."):
    """Names of what a folder holds."""
    return sorted(path.name for path in Path(folder).iterdir())


def comparable(dataset):
    """The dataset without what depends on the clock."""
    kept = dataset.drop_vars("wall_seconds", errors="ignore")
    kept.attrs = {name: value for name, value in kept.attrs.items() if name not in WALL}
    return kept


# ---------------------------------------------------------------------------------------- combined datasets


def test_second_order_equals_point_by_point(path):
    sweep = load_sweep(path)
    dataset = run_sweep(sweep)
    assert dataset["power"].dims == ("drive_frequency", "static_gamma")
    assert dataset["local_power"].dims == ("drive_frequency", "static_gamma", "oscillator")
    for point in sweep.points():
        alone = second_order(point.run.machine)
        for name in alone.data_vars:
            tolerance = 8 * np.finfo(float).eps * abs(alone[name].values) + 1e-30
            difference = dataset[name].values[point.index] - alone[name].values
            if name.endswith("_error"):  # a bound, which rounding changes
                continue
            assert np.all(
                (abs(difference) <= tolerance + alone[f"{name}_error"].values) | np.isnan(difference)
            ), name


def test_periodic_steady_state_equals_point_by_point(path):
    sweep = load_sweep(path, PERIODIC)
    dataset = run_sweep(sweep)
    assert dataset["local_power_phase"].dims == ("drive_frequency", "static_gamma", "oscillator", "phase")
    for point in sweep.points():
        alone = periodic_steady_state(point.run.machine, 1e-6, 8)
        for name in alone.data_vars:
            np.testing.assert_array_equal(dataset[name].values[point.index], alone[name].values)
        assert dataset["max_multiplier"].values[point.index] == alone.attrs["max_multiplier"]


def test_combined_dataset_says_where_it_comes_from(path):
    sweep = load_sweep(path)
    dataset = run_sweep(sweep)
    attrs = dataset.attrs
    assert (attrs["method"], attrs["title"]) == ("second_order", "one oscillator")
    assert attrs["sweep_dims"] == "drive_frequency static_gamma"
    assert attrs["config_sha256"] == sweep.config_sha256
    assert json.loads(attrs["config_json"])["sweep"] == {
        "drive.frequency": [0.5, 0.7, 0.9],
        "reservoir.static.spectral_density.gamma": [0.5, 1.0],
    }
    assert sweep_of(dataset).runs == sweep.runs
    assert list(dataset["drive_frequency"].values) == [0.5, 0.7, 0.9]
    assert dataset["drive_frequency"].attrs["units"] == "omega_A"
    assert not dataset["failed"].any()
    assert set(dataset["failure"].values.ravel()) == {""}


@pytest.mark.parametrize("changes", [{}, PERIODIC], ids=["second order", "periodic steady state"])
def test_every_variable_has_unit_and_name(path, changes):
    dataset = run_sweep(load_sweep(path, changes))
    for name, variable in dataset.variables.items():
        assert {"units", "long_name"} <= variable.attrs.keys() or name in COORDINATES, name


def test_text_axis_zipped_axis_and_file(path):
    zipped = {"keys": ["drive.frequency", "medium.wiring"], "values": [[0.5, "joint"], [0.9, "independent"]]}
    changes = {"sweep": {"pair": zipped, "medium.frequencies.A": [1.0, 1.1]}}
    path.write_text(TEXT)
    assert (
        main(["run", str(path), "-o", "out.nc", "--quiet", "--set", f"sweep={toml(changes['sweep'])}"]) == 0
    )
    dataset = open_dataset("out.nc")
    assert dataset["power"].dims == ("pair", "frequency_A")
    assert list(dataset["wiring"].values) == ["joint", "independent"]
    assert dataset["wiring"].dims == ("pair",)
    xr.testing.assert_identical(dataset["power"], run_sweep(load_sweep(path, changes))["power"])


def toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)


def test_transients_keep_time_behind_the_axes(path, capsys):
    changes = {"solver.method": "transient", "solver.duration": 4.0, "solver.points": 3}
    changes |= {"solver.start": {"kind": "factorised"}, "sweep": {"solver.start.temperature": [0.5, 0.9]}}
    dataset = run_sweep(load_sweep(path, changes))
    assert dataset["power"].dims == ("start_temperature", "time")
    assert dataset["local_power"].dims == ("start_temperature", "time", "oscillator")
    assert list(dataset["time"].values) == [0.0, 2.0, 4.0]
    assert len(set(dataset["start"].values)) == 2
    assert "final_mean" not in dataset
    with pytest.raises(InputError, match="exact moments over time"):
        validate_sweep(dataset)
    assert capsys.readouterr() == ("", "")


def test_ensembles_over_time_are_validated(path):
    changes = {"solver.method": "simulate", "solver.duration": 4.0, "solver.points": 3}
    changes |= {"sweep": {"solver.trajectories": [64, 128]}}
    dataset = run_sweep(load_sweep(path, changes))
    assert dataset["power_se"].dims == ("trajectories", "time")
    assert dataset["wall_seconds"].attrs["units"] == "s"
    assert len(set(dataset["point_seed"].values)) == 1  # one machine: one seed
    validation = validate_sweep(dataset)
    assert [verdict.freedom for verdict in validation.verdicts] == [63, 127]
    assert validation.agrees


# --------------------------------------------------------------------------------------- points as files


def test_points_are_kept_and_not_computed_again(path, tmp_path, calls):
    sweep = load_sweep(path, SIMULATE | {"sweep.reservoir.static.spectral_density.gamma": [0.5, 2.0]})
    first = run_sweep(sweep, tmp_path / "points")
    names = sorted(file.name for file in (tmp_path / "points").iterdir())
    assert names == sorted(f"{point.sha256[:16]}.nc" for point in sweep.points())
    assert len(calls) == 6
    again = run_sweep(sweep, tmp_path / "points")
    assert len(calls) == 6
    for name in names[:2]:
        (tmp_path / "points" / name).unlink()
    (tmp_path / "points" / names[2]).write_bytes(b"damaged")
    resumed = run_sweep(sweep, tmp_path / "points")
    assert len(calls) == 9
    for other in (again, resumed, run_sweep(sweep)):
        xr.testing.assert_identical(comparable(other), comparable(first))


def test_longer_axis_reuses_points_in_any_order(path, tmp_path, calls):
    gamma = {"sweep.reservoir.static.spectral_density.gamma": [0.5]}
    run_sweep(load_sweep(path, SIMULATE | gamma), tmp_path / "points")
    longer = SIMULATE | gamma | {"sweep.drive.frequency": [0.9, 0.3, 0.7, 0.5]}
    longer_sweep = load_sweep(path, longer)
    dataset = run_sweep(longer_sweep, tmp_path / "points")
    assert [frequency for frequency, _ in calls] == [0.5, 0.7, 0.9, 0.3]
    seeds = {point.run.machine.drive_frequency: point.run.solver.seed for point in longer_sweep.points()}
    assert dict(calls) == seeds
    assert list(dataset["point_seed"].values[:, 0]) == [
        seeds[frequency] for frequency in (0.9, 0.3, 0.7, 0.5)
    ]


def test_point_files_are_whole_datasets(path, tmp_path):
    run_sweep(load_sweep(path, PERIODIC), tmp_path / "points")
    for file in (tmp_path / "points").iterdir():
        dataset = open_dataset(file)
        assert {*PERIOD_AVERAGES} <= {*dataset.data_vars}
        assert json.loads(dataset.attrs["config_json"])["solver"]["method"] == "periodic_steady_state"


def test_killed_sweep_goes_on_where_it_was(path):
    arguments = [
        "run",
        str(path),
        "-o",
        "out.nc",
        "--set",
        "sweep.drive.frequency={start=0.5, stop=2, num=40}",
    ]
    arguments += [item for key, value in PERIODIC.items() for item in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "langevin_qtm", *arguments]
    folder = path.parent / "out.points"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(folder.glob("*.nc"))) < 5:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not (path.parent / "out.nc").exists()
    before = {file.name: file.stat().st_mtime_ns for file in folder.glob("*.nc")}
    assert 5 <= len(before) < 80
    assert main([*arguments, "--quiet"]) == 0
    after = {file.name: file.stat().st_mtime_ns for file in folder.glob("*.nc")}
    assert len(after) == 80
    assert before.items() <= after.items()
    axis = {"sweep.drive.frequency": {"start": 0.5, "stop": 2, "num": 40}}
    resumed, whole = open_dataset("out.nc"), run_sweep(load_sweep(path, PERIODIC | axis))
    for name in PERIOD_AVERAGES:  # another process may round otherwise
        error = whole[f"{name}_error"] + 1e-12 * abs(whole[name])
        assert np.all((abs(resumed[name] - whole[name]) <= error) | np.isnan(whole[name])), name


# --------------------------------------------------------------------------------------------- failures


def test_failed_points_are_recorded_and_retried(path, tmp_path, calls):
    sweep, folder = load_sweep(path, SIMULATE), tmp_path / "points"
    dataset = run_sweep(sweep, folder)
    assert dataset["failed"].values.tolist() == [[0, 1]] * 3
    assert np.isnan(dataset["power"].values[:, 1]).all()
    assert np.isfinite(dataset["power"].values[:, 0]).all()
    assert "Noise filter did not converge" in str(dataset["failure"].values[0, 1])
    records = [json.loads(file.read_text()) for file in folder.glob("*.failed.json")]
    assert {record["sentence"] for record in records} == {str(dataset["failure"].values[0, 1])}
    again = run_sweep(sweep, folder)
    assert len(calls) == 6
    xr.testing.assert_identical(comparable(again), comparable(dataset))
    run_sweep(sweep, folder, retry=True)
    assert len(calls) == 9


def test_a_retried_point_that_works_loses_its_record(path, tmp_path, calls, monkeypatch):
    sweep, folder = load_sweep(path, SIMULATE), tmp_path / "points"
    run_sweep(sweep, folder)
    monkeypatch.setattr(
        sys.modules["langevin_qtm.sampling.simulate"],
        "simulate",
        lambda machine, *_: sampled(machine, periodic_steady_state(machine, 1e-6)),
    )
    assert not run_sweep(sweep, folder, retry=True)["failed"].any()
    assert list(folder.glob("*.json")) == []
    assert len(calls) == 6


@pytest.mark.parametrize("changes", [{}, PERIODIC], ids=["second order", "periodic steady state"])
def test_undamped_points_are_nan_with_their_sentence(path, changes):
    axis = {"sweep.reservoir.static.coupling.B": [0.0, 0.5], "medium.frequencies.B": 2.0}
    axis |= {"reservoir.static.coupling.A": 1.0, "sweep.drive.frequency": [0.5, 0.7]}
    axis |= {"sweep.reservoir.static.spectral_density.gamma": [0.5]}
    dataset = run_sweep(load_sweep(path, changes | axis)).squeeze("static_gamma")
    assert dataset["failed"].values.tolist() == [[1, 0], [1, 0]]
    assert np.isnan(dataset["power"].values[:, 0]).all()
    assert np.isfinite(dataset["power"].values[:, 1]).all()
    assert re.search(r"damp|multiplier", str(dataset["failure"].values[0, 0]))


@pytest.mark.usefixtures("calls")
def test_what_killed_workers_left_is_gone_in_the_end(path, tmp_path):
    folder = tmp_path / "map.points"
    torn = folder / ".langevin_qtm-0123-4567.tmp"
    dataset = run_sweep(load_sweep(path, SIMULATE), folder, lambda _: torn.touch())
    assert not dataset["failed"].all()
    assert {each.suffix for each in folder.iterdir()} <= {".nc", ".json"}


def test_all_points_may_fail(path, calls):
    changes = SIMULATE | {"sweep.reservoir.static.spectral_density.gamma": [1.0]}
    dataset = run_sweep(load_sweep(path, changes))
    assert dataset["failed"].all()
    assert len(calls) == 3
    with pytest.raises(InputError, match="All points of the sweep failed"):
        validate_sweep(dataset)


def test_rounding_beyond_the_tolerance_is_a_failure(path):
    dataset = run_sweep(load_sweep(path, {"solver.tolerance": 1e-17}))
    assert dataset["failed"].all()
    assert "Second order did not converge" in str(dataset["failure"].values[0, 0])


# -------------------------------------------------------------------------------------------- validation


GOOD = SIMULATE | {"sweep.reservoir.static.spectral_density.gamma": [0.5, 2.0]}


@pytest.mark.parametrize(
    "changes", [{}, PERIODIC, GOOD, SIMULATE], ids=["second order", "periodic", "sampled", "sampled, failed"]
)
def test_right_sweeps_agree(path, calls, changes):
    validation = validate_sweep(run_sweep(load_sweep(path, changes)))
    assert validation.agrees
    assert len(validation.verdicts) == (3 if changes is SIMULATE else 6)
    assert str(validation).startswith(
        f"Agrees: {validation.count} numbers at {len(validation.verdicts)} points;"
    )
    assert len(calls) == (6 if changes in (GOOD, SIMULATE) else 0)


@pytest.mark.parametrize("changes", [{}, GOOD], ids=["second order", "sampled"])
@pytest.mark.usefixtures("calls")
def test_one_wrong_number_at_one_point_is_found(path, changes):
    dataset = run_sweep(load_sweep(path, changes))
    error = dataset["power_se"] if "power_se" in dataset else dataset["power_error"]
    dataset["power"].values[1, 0] += 12 * error.values[1, 0]
    validation = validate_sweep(dataset)
    assert not validation.agrees
    (line,) = validation.disagreeing
    assert line.startswith("drive_frequency = 0.7, static_gamma = 0.5: power off by ")
    assert str(validation).startswith("Disagrees: 1 of 6 points")


def test_each_kind_of_dataset_has_its_own_validation(path):
    with pytest.raises(InputError, match=r"holds all points of a sweep; use `validate_sweep`\.$"):
        validate(run_sweep(load_sweep(path)))
    with pytest.raises(InputError, match=r"is not that of a sweep; use `validate`\.$"):
        validate_sweep(second_order(load_sweep(path).first.machine))


def test_the_limit_is_that_of_all_numbers(path, calls):
    one = validate_sweep(run_sweep(load_sweep(path, GOOD | {"sweep.drive.frequency": [0.5]})))
    all_points = validate_sweep(run_sweep(load_sweep(path, GOOD)))
    assert all_points.count == 3 * one.count
    assert all_points.verdicts[0].limit(all_points.count) > one.verdicts[0].limit(one.count) > 3
    assert calls


# ------------------------------------------------------------------------------------------ command line


def test_run_validate_info(path, capsys, calls):
    changes = [item for key, value in GOOD.items() for item in ("--set", f"{key}={value}")]
    assert main(["run", str(path), "-o", "out.nc", *changes]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Sweep of 6 points\n  drive_frequency (drive.frequency): 3 values, 0.5 … 0.9\n")
    assert re.search(r"^points: 0%$", text, re.MULTILINE)
    assert re.search(r"observable +points +smallest +largest +largest error", text)
    assert re.search(r"\nAgrees: \d+ numbers at 6 points; .*\nWritten to out\.nc\n$", text)
    assert left() == ["map.toml", "out.nc", "out.points"]
    assert main(["validate", "out.nc"]) == 0
    assert "Agrees: " in capsys.readouterr().out
    assert main(["info", "out.nc"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"dims +drive_frequency 3, static_gamma 2", text)
    assert re.search(r"failed points +0 of 6", text)
    assert re.search(r"local_power\[A\] +6 ", text)
    assert len(calls) == 6


def test_quiet_second_order_leaves_one_file(path, capsys):
    assert main(["run", str(path), "-o", "out.nc", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert left() == ["map.toml", "out.nc"]


def test_default_name_has_the_hash_of_the_sweep(path):
    assert main(["run", str(path), "--quiet"]) == 0
    assert left() == [f"map-{load_sweep(path).config_sha256[:8]}.nc", "map.toml"]


def test_failed_points_are_status_1_with_a_list(path, capsys, calls):
    changes = [item for key, value in SIMULATE.items() for item in ("--set", f"{key}={value}")]
    assert main(["run", str(path), "-o", "out.nc", *changes]) == 1
    output = capsys.readouterr()
    lines = output.err.splitlines()
    assert lines[0] == "langevin-qtm: error: 3 of 6 points failed; `--retry` tries them again:"
    assert lines[1].startswith("  drive_frequency = 0.5, static_gamma = 1: Noise filter did not converge")
    assert "Written to out.nc" in output.out
    assert main(["validate", "out.nc"]) == 0
    assert main(["run", str(path), "-o", "out.nc", *changes, "--quiet"]) == 1
    assert len(calls) == 6
    assert main(["run", str(path), "-o", "out.nc", *changes, "--quiet", "--retry"]) == 1
    assert len(calls) == 9


def test_long_lists_of_failed_points_are_cut(path, capsys):
    changes = ["--set", "solver.tolerance=1e-17", "--set", "sweep.drive.frequency={start=1, stop=2, num=15}"]
    assert main(["run", str(path), "-o", "out.nc", "--quiet", *changes]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "langevin-qtm: error: 30 of 30 points failed:"
    assert lines[-1] == "  … and 10 more; see the variable `failure`."
    assert len(lines) == 22


def test_interrupt_keeps_points_and_says_how_to_go_on(path, capsys, calls, monkeypatch):
    module = sys.modules["langevin_qtm.sampling.simulate"]
    simulate = module.simulate

    def interrupted(*arguments):
        if len(calls) == 2:
            raise KeyboardInterrupt
        return simulate(*arguments)

    monkeypatch.setattr(module, "simulate", interrupted)
    changes = [item for key, value in GOOD.items() for item in ("--set", f"{key}={value}")]
    assert main(["run", str(path), "-o", "out.nc", *changes, "--quiet"]) == 130
    assert capsys.readouterr().err == (
        "langevin-qtm: error: interrupted; finished points are in out.points: "
        "give the same command to go on.\n"
    )
    assert left() == ["map.toml", "out.points"]
    assert len(left("out.points")) == 2
    monkeypatch.setattr(module, "simulate", simulate)
    assert main(["run", str(path), "-o", "out.nc", *changes, "--quiet"]) == 0
    assert len(calls) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sweep.drive.frequency=[-1]", "`drive.frequency` = -1 is not allowed: it must be greater than 0."),
        ("sweep.drive.frequency=[]", "must be a list of at least one value."),
        ("sweep.solver.method=['simulate']", "`solver.method` cannot be swept"),
    ],
    ids=["value", "empty", "method"],
)
def test_wrong_sweep_is_status_2_and_leaves_nothing(path, capsys, change, message):
    assert main(["run", str(path), "-o", "out.nc", "--set", change]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert left() == ["map.toml"]


@pytest.mark.parametrize("method", ["second_order", "periodic_steady_state", "simulate"])
def test_a_protocol_that_no_point_can_have_is_refused(path, capsys, method):
    envelope = "reservoir.driven.coupling.A.envelope={ kind = 'ramp', duration = 5.0 }"
    changes = ["--set", envelope, "--set", f"solver.method={method}"]
    assert main(["run", str(path), "-o", "out.nc", "--quiet", *changes]) == 2
    assert re.search(rf"`envelope` is out of reach of '{method}", capsys.readouterr().err)
    assert left() == ["map.toml"]


def test_folder_of_points_that_is_a_file_is_refused(path, capsys, calls):
    (path.parent / "out.points").write_text("mine")
    assert main(["run", str(path), "-o", "out.nc", "--set", "solver.method=simulate"]) == 2
    assert "Folder `out.points` is a file; remove it, or give another output." in capsys.readouterr().err
    assert calls == []


def test_progress_counts_points(path, calls):
    heard: list[Progress] = []
    run_sweep(load_sweep(path, SIMULATE), progress=heard.append)
    assert [(progress.done, progress.total) for progress in heard] == [(done, 6) for done in range(7)]
    assert heard[-1].message == "6 computed, 3 failed"
    assert len(calls) == 6


def test_progress_within_a_long_point_is_told(path, monkeypatch, calls):
    module = sys.modules["langevin_qtm.sampling.simulate"]
    simulate = module.simulate

    def slow(machine, settings, progress, *_):
        progress(Progress("prepare"))
        progress(Progress("measure", 1.0, 4.0))
        return simulate(machine, settings, progress)

    monkeypatch.setattr(module, "simulate", slow)
    heard: list[Progress] = []
    run_sweep(load_sweep(path, SIMULATE), progress=heard.append)
    assert [progress.message for progress in heard[:4]] == [
        "",
        "measure 25%",
        "1 computed",
        "1 computed; measure 25%",
    ]
    assert len(calls) == 6
