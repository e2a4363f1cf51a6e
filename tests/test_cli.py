"""Command line: what it prints, what it leaves behind, and the exit status of all that can go wrong."""

import os
import re
import signal
import subprocess
import sys
import types
import warnings

import numpy as np
import pytest
import xarray as xr
from helpers.datasets import sampled

from langevin_qtm import validation
from langevin_qtm.cli import main
from langevin_qtm.data import files
from langevin_qtm.data.runfile import load_run
from langevin_qtm.errors import AccuracyWarning, NotConvergedError, UnstableMachineError
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.progress import Progress

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
[solver]
method = "second_order"
"""
SIMULATE = '"simulate"\nseed = 5\ntrajectories = 128'
SECONDS_TO_INTERRUPT = 30


@pytest.fixture
def run_file(tmp_path, monkeypatch):
    """A run file, alone in the current directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "one oscillator.toml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def simulated(run_file, monkeypatch):
    """The run file asks for `simulate`, and a perfect sampler stands in for it."""
    run_file.write_text(TEXT.replace('"second_order"', SIMULATE))

    def simulate(machine, settings, progress, *_):
        for done in range(3):
            progress(Progress("measure", done, 2, f"error {3 - done} %"))
        return sampled(machine, periodic_steady_state(machine), trajectories=settings.trajectories)

    replace_simulate(monkeypatch, simulate)
    return run_file


def replace_simulate(monkeypatch, function):
    module = types.ModuleType("langevin_qtm.sampling.simulate")
    module.simulate = function
    monkeypatch.setitem(sys.modules, module.__name__, module)


def shell(*arguments, **options):
    """The program in a process of its own."""
    command = [sys.executable, "-m", "langevin_qtm", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def left_behind(folder):
    """Files beside the run file."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".toml")


def refused(capsys, arguments, status, message):
    """The command fails with one sentence and no traceback."""
    assert main(arguments) == status
    text = capsys.readouterr().err
    assert re.match(rf"langevin-qtm: error: [^\n]*{message}[^\n]*\.\n$", text), text


# -------------------------------------------------------------------------------- in its own process


def test_version_and_help_do_not_import_the_numerics():
    code = "import sys; import langevin_qtm.cli as c; c.make_parser(); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "numba", "xarray", "pydantic", "rich", "scipy"}
    assert not heavy & set(result.stdout.split())


def test_version_and_help():
    assert re.fullmatch(r"langevin-qtm \d+\.\d+\.\d+\n", shell("--version").stdout)
    result = shell("--help")
    assert result.returncode == 0
    assert all(verb in result.stdout for verb in ("run", "validate", "info"))


def test_run_validate_info_in_a_pipe(run_file):
    result = shell("run", run_file, "-o", "out.nc")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "Machine, joint wiring, Ω = 0.7"
    assert "second order" in lines
    assert lines[-2].startswith("Agrees: ")
    assert lines[-1] == "Written to out.nc"
    assert "\x1b" not in result.stdout
    assert max(map(len, lines[:-2])) <= 100
    assert shell("validate", "out.nc").returncode == 0
    assert "method" in shell("info", "out.nc").stdout


def test_refusal_in_its_own_process(run_file):
    result = shell("run", run_file, "--set", "reservoir.driven.temperature=-1")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "langevin-qtm: error: `reservoir.driven.temperature` = -1 is not allowed: "
        "it must be greater than or equal to 0.\n"
    )
    assert left_behind(run_file.parent) == []


def test_ascii_terminal_does_not_stop_a_run(run_file):
    result = shell("run", run_file, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (result.returncode, result.stderr) == (0, "")
    assert "? = 0.7" in result.stdout


def heed_interrupts():
    """A shell starts background jobs deaf to interrupts, and tests may run in one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupt_from_the_keyboard(run_file):
    run_file.write_text(TEXT.replace('"second_order"', '"simulate"\ntarget_error = 1e-9'))
    command = [sys.executable, "-m", "langevin_qtm", "run", run_file]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, preexec_fn=heed_interrupts, **options) as process:
        next(line for line in process.stdout if line.startswith("prepare"))
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=SECONDS_TO_INTERRUPT)
    assert process.returncode == 130
    assert error == "langevin-qtm: error: interrupted; an unfinished run leaves no file.\n"
    assert left_behind(run_file.parent) == []


# ----------------------------------------------------------------------------------------------- run


def test_default_name_is_file_and_hash(run_file, capsys):
    assert main(["run", str(run_file)]) == 0
    name = f"one-oscillator-{load_run(run_file).config_sha256[:8]}.nc"
    assert left_behind(run_file.parent) == [name]
    assert capsys.readouterr().out.endswith(f"Written to {name}\n")


def test_set_changes_the_run_and_its_name(run_file):
    change = ["--set", "drive.frequency=0.9", "--set", "solver.method=periodic_steady_state"]
    assert main(["run", str(run_file), *change, "--quiet"]) == 0
    (name,) = left_behind(run_file.parent)
    dataset = files.open_dataset(name)
    assert files.stored_machine(dataset).drive_frequency == 0.9
    assert dataset.attrs["method"] == "periodic_steady_state"


def test_quiet_prints_nothing(run_file, capsys):
    assert main(["run", str(run_file), "-o", "out.nc", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert left_behind(run_file.parent) == ["out.nc"]


def test_provenance_is_stored(simulated):
    main(["run", str(simulated), "-o", "out.nc", "--quiet"])
    attrs, run = files.open_dataset("out.nc").attrs, load_run(simulated)
    assert attrs["title"] == "one oscillator"
    assert attrs["config_json"] == run.config_json
    assert attrs["config_sha256"] == run.config_sha256
    assert attrs["seed"] == "5"
    assert attrs["source"] == f"langevin_qtm {attrs['langevin_qtm_version']}"
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
    assert re.fullmatch(stamp, attrs["created"])
    assert re.fullmatch(
        stamp + r": langevin-qtm run '.*/one oscillator\.toml' -o out\.nc --quiet", attrs["history"]
    )
    assert attrs["numpy_version"] == np.__version__
    assert attrs["xarray_version"] == xr.__version__
    assert attrs["wall_seconds"] > 0
    assert attrs["cpu_name"]
    assert attrs["stop_reason"] == "target_error"


def test_run_ends_with_the_comparison(simulated, capsys):
    assert main(["run", str(simulated), "-o", "out.nc"]) == 0
    text = capsys.readouterr().out
    assert "measure: 0%, error 3 %\n" in text
    assert re.search(r"observable +value +std\. error +exact +second order +z", text)
    assert "local_power[A]" in text
    assert re.search(r"Agrees: of .* limit 4\.\d\d\.\nWritten to out\.nc\n$", text)


def test_run_without_exact_values_still_succeeds(simulated, capsys, monkeypatch):
    def fails(_):
        raise NotConvergedError("Harmonics", 1.0, 1e-9, "loosen `tolerance`")

    monkeypatch.setattr(validation, "periodic_steady_state", fails)
    assert main(["run", str(simulated), "-o", "out.nc"]) == 0
    text = capsys.readouterr().out
    assert "local_power[A]" in text
    assert "No exact values to compare with: Harmonics did not converge" in text
    assert left_behind(simulated.parent) == ["out.nc"]


def test_warning_is_one_line(simulated, capsys, monkeypatch):
    def simulate(machine, *_):
        warnings.warn("Block averages still drift.", AccuracyWarning, stacklevel=2)
        return sampled(machine, periodic_steady_state(machine))

    replace_simulate(monkeypatch, simulate)
    monkeypatch.setattr(warnings, "filters", [("always", None, Warning, None, 0)])
    assert main(["run", str(simulated), "-o", "out.nc"]) == 0
    assert capsys.readouterr().err == "langevin-qtm: warning: Block averages still drift.\n"
    assert main(["run", str(simulated), "-o", "out.nc", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


REFUSED = {
    "missing file": (["run", "no.toml"], r"Run file `no\.toml` does not exist"),
    "directory": (["run", "."], r"Run file `\.` cannot be read: Is a directory"),
    "bad override": (["run", "FILE", "--set", "drive.frequency"], "is not an assignment"),
    "unknown key": (["run", "FILE", "--set", "drive.omega=1"], r"`drive\.omega` = 1 is not a known key"),
    "wrong axis": (["run", "FILE", "--set", "sweep.x=1"], r"`sweep\.x` = 1 is not allowed"),
    "missing folder": (["run", "FILE", "-o", "no/out.nc"], "is not a directory; create it"),
    "folder as output": (["run", "FILE", "-o", "."], "is a directory; give the name of a file"),
    "run file as output": (["run", "FILE", "-o", "FILE"], "is the run file itself; give another name"),
    "validate nothing": (["validate", "no.nc"], r"Dataset `no\.nc` does not exist"),
    "validate a run file": (["validate", "FILE"], "is not a readable netCDF file"),
    "info on a folder": (["info", "."], "does not exist or is not a file"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_wrong_input_is_status_2_and_leaves_nothing(run_file, capsys, arguments, message):
    before = run_file.read_bytes()
    refused(capsys, [str(run_file) if word == "FILE" else word for word in arguments], 2, message)
    assert left_behind(run_file.parent) == []
    assert run_file.read_bytes() == before


FAILURES = {
    "unstable": (UnstableMachineError(1.25), 2, r"largest Floquet multiplier is 1\.25, but must be < 1"),
    "not converged": (
        NotConvergedError("Noise filter", 1e-2, 1e-5, "lower the cutoff"),
        1,
        "did not converge",
    ),
    "interrupted": (KeyboardInterrupt(), 130, "interrupted; an unfinished run leaves no file"),
}


@pytest.mark.parametrize(("failure", "status", "message"), FAILURES.values(), ids=FAILURES.keys())
def test_failing_solver_leaves_nothing(simulated, capsys, monkeypatch, failure, status, message):
    def fails(*_):
        raise failure

    replace_simulate(monkeypatch, fails)
    refused(capsys, ["run", str(simulated), "-o", "out.nc"], status, message)
    assert left_behind(simulated.parent) == []


@pytest.mark.parametrize(
    ("failure", "status", "message"),
    [
        (
            OSError(28, "No space left on device"),
            1,
            r"`out\.nc` could not be written: .*No space left on device",
        ),
        (RuntimeError("NetCDF: HDF error"), 1, r"`out\.nc` could not be written: NetCDF: HDF error"),
        FAILURES["interrupted"],
    ],
    ids=["disk full", "HDF error", "interrupted"],
)
def test_failing_disk_leaves_nothing(simulated, capsys, monkeypatch, failure, status, message):
    def fails(*_, **__):
        raise failure

    monkeypatch.setattr(xr.Dataset, "to_netcdf", fails)
    refused(capsys, ["run", str(simulated), "-o", "out.nc"], status, message)
    assert left_behind(simulated.parent) == []


def test_really_unstable_machine_is_refused(run_file, capsys):
    free = ["--set", "medium.frequencies.B=1.0", "--set", "reservoir.static.coupling.A=1.0"]
    exact = ["--set", "solver.method=periodic_steady_state"]
    refused(
        capsys, ["run", str(run_file), *free, *exact], 2, "largest Floquet multiplier is .*, but must be < 1"
    )
    refused(
        capsys, ["run", str(run_file), *free], 2, "Second order needs static reservoirs that damp every mode"
    )
    assert left_behind(run_file.parent) == []


@pytest.mark.parametrize("arguments", [[], ["walk"], ["run"], ["run", "a", "b"], ["info"]], ids=str)
def test_wrong_usage_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: langevin-qtm" in capsys.readouterr().err


# --------------------------------------------------------------------------------- validate and info


@pytest.fixture
def output(simulated):
    main(["run", str(simulated), "-o", "out.nc", "--quiet"])
    return simulated.parent / "out.nc"


def test_validate_agrees(output, capsys):
    assert main(["validate", str(output)]) == 0
    assert "Agrees: of " in capsys.readouterr().out


def test_validate_finds_one_wrong_number(output, capsys):
    dataset = files.open_dataset(output)
    dataset.power.values[()] += 10 * float(dataset.power_se)
    files.save(dataset, output)
    assert main(["validate", str(output)]) == 1
    text = capsys.readouterr().out
    assert "Disagrees: 1 of " in text
    assert re.search(r"^power .* \*\s*$", text, re.MULTILINE)


def test_info_shows_what_is_stored(output, capsys):
    assert main(["info", str(output)]) == 0
    text = capsys.readouterr().out
    for words in (
        "Machine, joint wiring",
        "dims +oscillator 1, reservoir 2",
        "schema_version +1",
        "method +simulate",
        "seed +5",
        "trajectories +128",
        "stop_reason +target_error",
        "wall_seconds",
        r"power +-?\d",
    ):
        assert re.search(words, text), words
    assert max(map(len, text.splitlines())) <= 100
