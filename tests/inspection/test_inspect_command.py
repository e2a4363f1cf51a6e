"""`langevin-qtm inspect`, `ds.qtm`, and their refusals: one sentence that says which setting stores what."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from helpers.machines import static_machine
from helpers.runfiles import TEXT
from matplotlib import pyplot as plt

from langevin_qtm import open_dataset, periodic_steady_state, run_sweep, second_order, transient
from langevin_qtm.cli import main
from langevin_qtm.data.files import save, stored_machine
from langevin_qtm.data.sweep import load_sweep
from langevin_qtm.errors import InputError
from langevin_qtm.inspection import figures
from langevin_qtm.inspection.contents import kind_of

SWEEP = f"""
{TEXT[: TEXT.index("[solver]")]}
[solver]
method = "second_order"
[sweep]
"drive.frequency" = {{ start = 0.1, stop = 1.0, num = 5 }}
"reservoir.static.spectral_density.gamma" = {{ start = 0.1, stop = 10.0, num = 4, scale = "log" }}
"medium.wiring" = ["joint", "independent"]
"""


@pytest.fixture
def out(run, tmp_path):
    """The run as a file, its records shorter, so that drawing is quick."""
    path = tmp_path / "out.nc"
    save(run.isel(trajectory=slice(0, 4)), path)
    return path


def drawn(looks, folder):
    """Names of figures that were written, and reasons for the others."""
    found = list(figures.write(folder, ("png",), looks))
    assert all((folder / f"{look.name}.png").is_file() != bool(reason) for look, reason in found)
    return {look.name: reason for look, reason in found}


def test_every_figure_of_a_full_run_is_drawn(out, tmp_path, capsys):
    assert main(["inspect", str(out), "-o", str(tmp_path / "pictures")]) == 0
    printed = capsys.readouterr().out
    assert "not drawn" not in printed
    names = [path.name for path in (tmp_path / "pictures").iterdir()]
    assert len(names) == 10
    assert all(name in printed for name in names)
    assert all(path.stat().st_size > 5000 for path in (tmp_path / "pictures").iterdir())


def test_default_folder_and_chosen_figures(out):
    assert main(["inspect", str(out), "--only", "powers", "--format", "pdf"]) == 0
    folder = out.with_name("out_figures")
    assert [path.name for path in folder.iterdir()] == ["powers.pdf"]


def test_unknown_figure_is_refused(out, capsys):
    assert main(["inspect", str(out), "--only", "power"]) == 2
    assert "no such figure; for this dataset there are trajectories, locking," in capsys.readouterr().err


def test_trajectory_that_is_not_stored_is_refused(out, capsys):
    assert main(["inspect", str(out), "--trajectory", "7"]) == 2
    assert "there are 4, 0 to 3; raise `solver.recording.trajectories`" in capsys.readouterr().err


def test_windows_open_instead_of_files(out, monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(len(plt.get_fignums())))
    assert main(["inspect", str(out), "--show", "--only", "powers,first_law"]) == 0
    assert shown == [2]
    plt.close("all")


def test_without_trajectories_the_missing_setting_is_named(bare, tmp_path):
    reasons = drawn(figures.looks(bare), tmp_path)
    assert reasons["powers"] == reasons["first_law"] == reasons["deviations"] == ""
    for name in ("trajectories", "locking", "phase_portraits", "position_spectrum", "noise_spectrum"):
        assert "`solver.recording.trajectories`" in reasons[name]
    assert "`solver.recording.work_periods`" in reasons["work_distribution"]


def test_ensemble_over_time(ensemble, tmp_path):
    reasons = drawn(figures.looks(ensemble), tmp_path)
    assert set(reasons) == {"trajectories", "moments", "powers", "energies", "deviations"}
    assert not any(reasons.values())


def test_exact_moments_over_time(ensemble, tmp_path):
    exact = transient(stored_machine(ensemble), np.linspace(0, 5, 11))
    reasons = drawn(figures.looks(exact), tmp_path)
    assert set(reasons) == {"moments", "powers", "energies"}
    assert not any(reasons.values())


@pytest.mark.parametrize("solver", [periodic_steady_state, second_order])
def test_exact_averages(run, solver, tmp_path):
    reasons = drawn(figures.looks(solver(stored_machine(run))), tmp_path)
    assert not any(reasons.values())


def test_static_machine_of_one_oscillator(tmp_path):
    exact = periodic_steady_state(static_machine(omega=(1.0,)))
    assert not any(drawn(figures.looks(exact), tmp_path).values())


def test_sweep_has_maps_and_cuts_for_each_wiring(tmp_path):
    (tmp_path / "map.toml").write_text(SWEEP)
    dataset = run_sweep(load_sweep(tmp_path / "map.toml"), tmp_path / "points")
    reasons = drawn(figures.looks(dataset), tmp_path)
    assert set(reasons) == {"maps_1", "cuts_1", "maps_2", "cuts_2"}
    assert not any(reasons.values())


def test_map_shows_the_values_of_the_dataset(tmp_path):
    from langevin_qtm.inspection.panels.maps import draw_map, quantities

    (tmp_path / "map.toml").write_text(SWEEP)
    dataset = run_sweep(load_sweep(tmp_path / "map.toml"), tmp_path / "points").isel(wiring=0)
    values = dict(quantities(dataset))["local_power[B]"]
    figure, axes = plt.subplots()
    draw_map(axes, values, "local_power[B]", "drive_frequency", "static_gamma")
    np.testing.assert_array_equal(axes.collections[0].get_array(), dataset["local_power"].values[..., 1].T)
    assert axes.get_yscale() == "log"
    assert axes.get_xlabel() == r"drive frequency $[\omega_A]$"
    plt.close(figure)


# ------------------------------------------------------------------------------------------------ refusals


def test_foreign_file(tmp_path, capsys):
    xr.Dataset({"temperature": ("x", [1.0])}).to_netcdf(tmp_path / "weather.nc")
    assert main(["inspect", str(tmp_path / "weather.nc")]) == 2
    assert "was not written by langevin_qtm: it has no `schema_version`" in capsys.readouterr().err


def test_newer_schema(bare, tmp_path, capsys):
    save(bare.assign_attrs(schema_version=99), tmp_path / "new.nc")
    assert main(["inspect", str(tmp_path / "new.nc")]) == 2
    assert "has schema version 99" in capsys.readouterr().err


def test_truncated_file(out, capsys):
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) // 2])
    assert main(["inspect", str(out)]) == 2
    assert "is cut short; write it again" in capsys.readouterr().err
    assert not out.with_name("out_figures").exists()


def test_page_without_trajectories(bare, tmp_path, capsys):
    save(bare, tmp_path / "bare.nc")
    assert main(["inspect", str(tmp_path / "bare.nc"), "--html", str(tmp_path / "view.html")]) == 2
    assert (
        "no trajectories to browse; they are stored by `solver.recording.trajectories`"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "view.html").exists()


def test_page_without_bokeh(out, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("langevin_qtm.inspection.contents.find_spec", lambda _: None)
    assert main(["inspect", str(out), "--html", str(tmp_path / "view.html")]) == 2
    assert "pip install 'langevin_qtm[html]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "setting"),
    [
        (lambda q: q.trajectory(), "`solver.recording.trajectories`"),
        (lambda q: q.spectrum("position"), "`solver.recording.trajectories`"),
        (lambda q: q.windowed_pearson(5.0), "`solver.recording.trajectories`"),
        (lambda q: q.phase_portrait(), "`solver.recording.trajectories`"),
        (lambda q: q.work_distribution(2), "`solver.recording.work_periods`"),
        (lambda q: q.over_time("local_power"), "`solver.duration`"),
    ],
    ids=["trajectory", "spectrum", "windowed", "portrait", "work", "over time"],
)
def test_accessor_says_which_setting_stores_what_is_missing(bare, call, setting):
    with pytest.raises(InputError, match=setting):
        call(bare.qtm)
    plt.close("all")


def test_accessor_refuses_a_dataset_of_another_program():
    with pytest.raises(InputError, match="not written by a solver of langevin_qtm"):
        xr.Dataset({"position": ("time", [1.0])}).qtm.trajectory()
    plt.close("all")


def test_locking_needs_two_oscillators():
    from langevin_qtm import simulate

    one = simulate(static_machine(omega=(1.0,)), trajectories=64, periods=4, start="steady")
    with pytest.raises(InputError, match="one oscillator; locking needs two"):
        one.qtm.windowed_pearson()
    assert kind_of(one) == "steady"
    plt.close("all")


# ------------------------------------------------------------------------------------------------ accessor


@pytest.mark.parametrize(
    "lines",
    [
        "import langevin_qtm, xarray as xr",
        "import xarray as xr, langevin_qtm",
        "import langevin_qtm, importlib.util\nimportlib.util.find_spec('xarray')\nimport xarray as xr",
        "import xarray as xr\nimport langevin_qtm",
    ],
)
def test_accessor_is_there_whatever_is_imported_first(lines):
    code = f"{lines}\nprint(type(xr.Dataset().qtm).__name__)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "QtmAccessor"
    assert found.stderr == ""


def test_importing_the_package_does_not_import_xarray():
    code = "import sys, langevin_qtm; print('xarray' in sys.modules, 'matplotlib' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


def test_every_plot_takes_and_returns_axes(run):
    calls = [
        lambda ax: run.qtm.trajectory(1, ax=ax, linewidth=2),
        lambda ax: run.qtm.ensemble("B", ax=ax),
        lambda ax: run.qtm.spectrum("noise", ax=ax, markersize=1),
        lambda ax: run.qtm.windowed_pearson(10.0, ax=ax, color="k"),
        lambda ax: run.qtm.plane(ax=ax),
        lambda ax: run.qtm.phase_difference(ax=ax),
        lambda ax: run.qtm.phase_portrait("B", ax=ax),
        lambda ax: run.qtm.power_folded(ax=ax, ms=2),
        lambda ax: run.qtm.work_distribution(4, ax=ax, alpha=0.5),
        lambda ax: run.qtm.compare(ax=ax),
        lambda ax: run.qtm.compare(run, ax=ax, color="C2"),
    ]
    for call in calls:
        figure, ax = plt.subplots()
        assert call(ax) is ax
        assert ax.get_xlabel()
        assert ax.has_data()
        plt.close(figure)


def test_summary_lists_every_average(run, ensemble):
    table = run.qtm.summary()
    assert list(table.columns) == ["value", "error", "unit", "name"]
    assert table.loc["local_power[B]", "value"] == float(run["local_power"][1])
    assert table.loc["local_power[B]", "error"] == float(run["local_power_se"][1])
    assert table.loc["pearson", "unit"] == "1"
    last = ensemble.qtm.summary()
    assert last.loc["system_energy[A]", "value"] == float(
        ensemble["system_energy"].isel(time=-1, oscillator=0)
    )


def test_opened_dataset_has_the_accessor(out):
    assert len(open_dataset(out).qtm.summary()) > 20
