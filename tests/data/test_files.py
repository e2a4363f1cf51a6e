"""Files: complete or absent, readable by anyone, refused in one sentence when they are not ours."""

import os
import re
import threading

import numpy as np
import pytest
import xarray as xr
from helpers.machines import single_machine, standard_machine

from langevin_qtm.data.files import check_writable, open_dataset, save, stored_machine
from langevin_qtm.errors import InputError
from langevin_qtm.exact.second_order import second_order
from langevin_qtm.schema import SCHEMA_VERSION, assemble

SINGLE_PRECISION = 2.0**-23  # rounding of stored trajectories, relative


@pytest.fixture(scope="module")
def machine():
    return standard_machine()


@pytest.fixture(scope="module")
def statistics(machine):
    return second_order(machine)


@pytest.fixture
def dataset(statistics):
    return statistics.copy(deep=True)


def trajectories(machine, shape=(3, 500)):
    """Dataset of random trajectories, shape (trajectory, time)."""
    rng = np.random.default_rng(0)
    names = ("position", "velocity", "noise", "instantaneous_power")
    arrays = {name: rng.standard_normal((*shape, 2)) for name in names}
    axes = {"trajectory": np.arange(shape[0]), "time": 0.1 * np.arange(shape[1])}
    return assemble(machine, arrays, {"method": "simulate"}, axes)


# ---------------------------------------------------------------------------------------- round trip


def test_dataset_survives(dataset, tmp_path):
    save(dataset, tmp_path / "out.nc")
    xr.testing.assert_identical(open_dataset(tmp_path / "out.nc"), dataset)


def test_machine_survives(dataset, machine, tmp_path):
    save(dataset, tmp_path / "out.nc")
    assert stored_machine(open_dataset(tmp_path / "out.nc")) == machine


def test_a_dataset_read_from_a_file_can_be_saved_again(machine, tmp_path):
    save(trajectories(machine), tmp_path / "a.nc")
    first = open_dataset(tmp_path / "a.nc")
    save(first, tmp_path / "a.nc")
    xr.testing.assert_identical(open_dataset(tmp_path / "a.nc"), first)


def test_plain_xarray_reads_the_file(dataset, tmp_path):
    save(dataset, tmp_path / "out.nc")
    with xr.open_dataset(tmp_path / "out.nc") as plain:
        xr.testing.assert_identical(plain.load(), dataset)


def test_time_stays_a_number(machine, tmp_path):
    save(trajectories(machine), tmp_path / "out.nc")
    assert open_dataset(tmp_path / "out.nc").time.dtype == np.float64


def test_trajectories_are_small_and_statistics_exact(machine, dataset, tmp_path):
    given = trajectories(machine)
    save(given, tmp_path / "trajectories.nc")
    read = open_dataset(tmp_path / "trajectories.nc")
    assert {variable.dtype for variable in read.data_vars.values()} == {np.dtype("float32")}
    np.testing.assert_allclose(read.position, given.position, rtol=SINGLE_PRECISION)
    assert read.position.encoding["chunksizes"] == (1, 500, 2)
    assert read.position.encoding["zlib"]
    save(dataset, tmp_path / "statistics.nc")
    read = open_dataset(tmp_path / "statistics.nc")
    assert {variable.dtype for variable in read.data_vars.values()} == {np.dtype("float64")}


def test_chunks_of_long_trajectories_are_about_a_mebibyte(machine, tmp_path):
    save(trajectories(machine, (1, 300_000)), tmp_path / "out.nc")
    assert open_dataset(tmp_path / "out.nc").position.encoding["chunksizes"] == (1, 2**17, 2)


def test_no_trajectories_can_be_stored(machine, tmp_path):
    save(trajectories(machine, (0, 500)), tmp_path / "out.nc")
    assert open_dataset(tmp_path / "out.nc").sizes["trajectory"] == 0


def test_coordinates_have_no_fill_value(machine, tmp_path):
    save(trajectories(machine), tmp_path / "out.nc")
    read = open_dataset(tmp_path / "out.nc")
    assert not any("_FillValue" in read[name].encoding for name in read.coords)


def test_attributes_that_netcdf_lacks_are_adapted(dataset, tmp_path):
    dataset.attrs = {"schema_version": 1, "none": None, "flag": True, "nested": {"a": 1}, "big": 2**70}
    dataset["power"].attrs["confirmed"] = np.bool_(False)
    before = dict(dataset.attrs)
    save(dataset, tmp_path / "out.nc")
    read = open_dataset(tmp_path / "out.nc")
    assert read.attrs == {"schema_version": 1, "flag": 1, "nested": '{"a": 1}', "big": str(2**70)}
    assert read.power.attrs["confirmed"] == 0
    assert dataset.attrs == before


# ----------------------------------------------------------------------------------------- atomicity


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError, RuntimeError])
@pytest.mark.parametrize("old", [b"old", None], ids=["overwriting", "new"])
def test_failure_in_the_middle_leaves_no_trace(dataset, tmp_path, monkeypatch, failure, old):
    target = tmp_path / "out.nc"
    if old:
        target.write_bytes(old)
    write = xr.Dataset.to_netcdf

    def broken(self, path, **options):
        write(self, path, **options)
        assert path.parent == tmp_path
        with path.open("r+b") as file:
            file.truncate(1000)
        raise failure("disk")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", broken)
    with pytest.raises(OSError if failure is RuntimeError else failure, match="disk"):
        save(dataset, target)
    assert [path.name for path in tmp_path.iterdir()] == (["out.nc"] if old else [])
    assert not old or target.read_bytes() == old


def test_a_reader_of_the_old_file_is_not_disturbed(dataset, tmp_path):
    target = tmp_path / "out.nc"
    save(dataset, target)
    with xr.open_dataset(target) as reader:
        save(dataset.assign(power=dataset.power * 2), target)
        xr.testing.assert_equal(reader.load(), dataset)


def test_a_link_is_followed(dataset, tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "out.nc"
    link.symlink_to(tmp_path / "disk" / "real.nc")
    save(dataset, link)
    assert link.is_symlink()
    assert (tmp_path / "disk" / "real.nc").is_file()


def test_threads_may_save_and_open_at_once(dataset, tmp_path):
    failures = []

    def work(index):
        try:
            for _ in range(3):
                save(dataset, tmp_path / f"{index}.nc")
                xr.testing.assert_identical(open_dataset(tmp_path / f"{index}.nc"), dataset)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


# ------------------------------------------------------------------------------------- paths refused


def refused(path, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        check_writable(path)
    assert str(caught.value).endswith(".")


def test_missing_directory_is_refused(tmp_path):
    refused(tmp_path / "no" / "out.nc", "is not a directory; create it")


def test_file_as_directory_is_refused(tmp_path):
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "out.nc", "is not a directory; create it")


def test_directory_as_file_is_refused(tmp_path):
    refused(tmp_path, "is a directory; give the name of a file")


def test_device_is_refused():
    refused("/dev/null", "is not a regular file; give another name")


def test_name_too_long_is_refused(tmp_path):
    refused(tmp_path / ("x" * 300), "cannot be written")


def test_loop_of_links_is_refused(tmp_path):
    (tmp_path / "out.nc").symlink_to(tmp_path / "out.nc")
    refused(tmp_path / "out.nc", "cannot be written")


@pytest.mark.parametrize("name", ["", "out.nc"], ids=["directory", "file"])
def test_read_only_is_refused(tmp_path, monkeypatch, name):
    (tmp_path / "out.nc").touch()
    protected, access = tmp_path / name, os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != protected and access(path, mode))
    refused(tmp_path / "out.nc", "is a read-only file" if name else "is read-only; choose another")


def test_save_refuses_before_it_writes(dataset, tmp_path):
    with pytest.raises(InputError, match="is not a directory"):
        save(dataset, tmp_path / "no" / "out.nc")
    assert list(tmp_path.iterdir()) == []


def test_a_good_path_is_accepted_and_left_alone(tmp_path):
    check_writable(tmp_path / "out.nc")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------- files refused


@pytest.fixture
def saved(dataset, tmp_path):
    save(dataset, tmp_path / "out.nc")
    return tmp_path / "out.nc"


def test_missing_dataset_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"^Dataset `.*no\.nc` does not exist or is not a file; check the path\.$"
    ):
        open_dataset(tmp_path / "no.nc")


def test_directory_is_no_dataset(tmp_path):
    with pytest.raises(InputError, match="does not exist or is not a file"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_truncated_file_is_refused(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="is not a readable netCDF file, or is cut short"):
        open_dataset(saved)


def test_text_file_is_refused(tmp_path):
    (tmp_path / "a.nc").write_text("time,power\n0,1\n")
    with pytest.raises(InputError, match="is not a readable netCDF file"):
        open_dataset(tmp_path / "a.nc")


@pytest.mark.parametrize("version", [None, "one"])
def test_file_of_another_program_is_refused(tmp_path, version):
    attrs = {} if version is None else {"schema_version": version}
    xr.Dataset({"power": 1.0}, attrs=attrs).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(InputError, match="was not written by langevin_qtm: it has no `schema_version`"):
        open_dataset(tmp_path / "a.nc")


def test_later_schema_is_refused(dataset, tmp_path):
    dataset.attrs["schema_version"] = SCHEMA_VERSION + 1
    save(dataset, tmp_path / "a.nc")
    with pytest.raises(InputError, match=f"has schema version {SCHEMA_VERSION + 1}, but .* upgrade it"):
        open_dataset(tmp_path / "a.nc")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "has no attribute `machine`"),
        ("{", "does not describe a machine"),
        ("[1]", "does not describe a machine"),
        ('{"frequencies": {"A": -1.0}}', "`frequencies.A` = -1.0 is not allowed"),
    ],
    ids=["missing", "no JSON", "no table", "unphysical"],
)
def test_dataset_without_a_machine_is_refused(dataset, text, message):
    dataset.attrs.pop("machine")
    if text is not None:
        dataset.attrs["machine"] = text
    with pytest.raises(InputError, match=re.escape(message)):
        stored_machine(dataset)


def test_single_oscillator_survives(tmp_path):
    machine = single_machine()
    save(second_order(machine), tmp_path / "out.nc")
    assert stored_machine(open_dataset(tmp_path / "out.nc")) == machine
