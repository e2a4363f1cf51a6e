"""Datasets that are foreign, damaged or not what they say: one sentence and status 2, or what they hold."""

import numpy as np
import pytest
import xarray as xr
from helpers.commands import command
from helpers.fuzzing import VALID, damaged_bytes, document, worse_dataset

from langevin_qtm.cli import main
from langevin_qtm.data.files import open_dataset

FAST, SLOW, PACK = range(40), range(1000, 1400), 20
PATIENCE = 60.0  # exact values of a whole dataset, figures


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """A dataset of each kind, and the bytes of its file."""
    folder = tmp_path_factory.mktemp("datasets")
    found = []
    for number, tables in enumerate(VALID[i] for i in (0, 4, 5, 6, 8)):
        path = folder / f"{number}.nc"
        (folder / "run.toml").write_text(document(tables))
        assert main(["run", str(folder / "run.toml"), "-o", str(path), "--quiet"]) == 0
        found.append((open_dataset(path), path.read_bytes()))
    return found


def write_bad(path, seed, datasets):
    """Write one bad file; False where netCDF itself refuses."""
    dataset, content = datasets[seed % len(datasets)]
    if seed % 3 == 0:
        path.write_bytes(damaged_bytes(seed, content))
        return True
    try:
        worse_dataset(seed, dataset).to_netcdf(path, engine="netcdf4")
    except (ValueError, TypeError, RuntimeError, KeyError):
        return False
    return True


def complaints(folder, seeds, datasets, commands):
    """What went wrong, by seed and command."""
    found = {}
    for seed in seeds:
        path = folder / f"{seed}.nc"  # netCDF keeps a file open that it failed to write
        if not write_bad(path, seed, datasets):
            continue
        for verb, *options in commands:
            try:
                outcome = command([verb, str(path), *options], PATIENCE)
            except Exception as error:
                found[seed, verb] = repr(error)
                continue
            is_said = outcome.is_sentence or (outcome.status in (0, 1) and not outcome.err)
            if outcome.status not in (0, 1, 2) or not is_said:
                found[seed, verb] = f"status {outcome.status}: {outcome.err[:300]}"
        path.unlink()
    return found


@pytest.mark.parametrize("first", FAST[::PACK])
def test_a_bad_dataset_gives_its_contents_or_a_sentence(tmp_path, first, datasets):
    assert complaints(tmp_path, range(first, first + PACK), datasets, [["validate"], ["info"]]) == {}


@pytest.mark.slow
@pytest.mark.parametrize("first", SLOW[::PACK])
def test_hundreds_of_bad_datasets_give_contents_or_a_sentence(tmp_path, first, datasets):
    figures = ["inspect", "-o", str(tmp_path / "figures"), "--only", "powers"]
    verbs = [["validate"], ["info"], figures]
    assert complaints(tmp_path, range(first, first + PACK), datasets, verbs) == {}


FOREIGN = {
    "nothing": b"",
    "text": b"time,power\n0,1\n",
    "zip": b"PK\x03\x04" + bytes(100),
    "HDF5 without an end": b"\x89HDF\r\n\x1a\n" + bytes(200),
    "classic without an end": b"CDF\x02",
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07builtin",
}


@pytest.mark.parametrize("verb", ["validate", "info", "inspect"])
@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_file_is_refused(tmp_path, verb, content):
    (tmp_path / "x.nc").write_bytes(content)
    outcome = command([verb, str(tmp_path / "x.nc")], PATIENCE)
    assert (outcome.status, outcome.is_sentence) == (2, True), outcome
    assert [each.name for each in tmp_path.iterdir()] == ["x.nc"]


@pytest.mark.parametrize("verb", ["validate", "info", "inspect"])
def test_netcdf_of_another_program_is_refused(tmp_path, verb):
    xr.Dataset({"tas": ("time", np.ones(3))}, attrs={"Conventions": "CF-1.8"}).to_netcdf(tmp_path / "x.nc")
    outcome = command([verb, str(tmp_path / "x.nc")], PATIENCE)
    assert outcome.status == 2
    assert "was not written by langevin_qtm" in outcome.err


def other_dims(dataset):
    return dataset.rename({"reservoir": "bath"})


def other_names(dataset):
    return dataset.assign_coords(oscillator=["A", "C"])


def texts(dataset):
    return dataset.assign(power=dataset["power"].astype(str))


def number_for_machine(dataset):
    return dataset.assign_attrs(machine=3)


def broken_config(dataset):
    return dataset.assign_attrs(config_json="{")


def text_for_number(dataset):
    return dataset.assign_attrs(relaxation_time="long")


@pytest.mark.parametrize("verb", ["validate", "info", "inspect"])
@pytest.mark.parametrize(
    "change", [other_dims, other_names, texts, number_for_machine, broken_config, text_for_number]
)
def test_what_is_not_of_the_schema_is_refused(tmp_path, datasets, verb, change):
    change(datasets[0][0]).to_netcdf(tmp_path / "x.nc")
    outcome = command([verb, str(tmp_path / "x.nc")], PATIENCE)
    assert (outcome.status, outcome.is_sentence) == (2, True), outcome
    assert "is damaged: its " in outcome.err


def test_a_sweep_without_its_status_is_refused(tmp_path, datasets):
    datasets[2][0].drop_vars("failed").to_netcdf(tmp_path / "x.nc")
    for verb in ("validate", "info"):
        outcome = command([verb, str(tmp_path / "x.nc")], PATIENCE)
        assert (outcome.status, outcome.is_sentence) == (2, True), outcome
        assert "`failed`" in outcome.err
