"""Datasets held against the schema when they are read: dims of their variables, in words."""

import numpy as np
import pytest
import xarray as xr
from helpers.machines import standard_machine

from langevin_qtm.data.contents import check_contents
from langevin_qtm.errors import InputError
from langevin_qtm.exact.second_order import second_order
from langevin_qtm.schema import SCHEMA


@pytest.fixture(scope="module")
def single():
    """A dataset of one run."""
    return second_order(standard_machine())


@pytest.fixture
def sweep(single):
    """The same along an axis."""
    averages = [name for name in single.data_vars if single[name].dtype.kind == "f"]
    return single[averages].expand_dims(gamma=[0.1, 0.2]).assign_attrs(single.attrs, sweep_dims="gamma")


def refused(dataset, *words):
    with pytest.raises(InputError, match=r"^`x\.nc` is damaged: .*; write it again\.$") as caught:
        check_contents(dataset, "x.nc")
    assert all(word in str(caught.value) for word in words)


def test_what_was_written_is_accepted(single, sweep):
    check_contents(single, "x.nc")
    check_contents(sweep, "x.nc")


@pytest.mark.parametrize("name", ["local_power", "position_covariance"])
def test_a_dim_that_is_no_axis_is_refused(single, sweep, name):
    for dataset in (single, sweep):
        wider = dataset[name].expand_dims(gamma_2=[1.0, 2.0])
        bare = dataset.drop_vars(f"{name}_error", errors="ignore")
        refused(bare.assign({name: wider}), f"its variable `{name}` has the dims", "gamma_2")


@pytest.mark.parametrize("name", ["local_power_phase", "position"])
def test_what_is_no_average_has_no_dims_but_its_own_and_the_axes(single, name):
    shapes = {"oscillator": 2, "phase": 4, "trajectory": 3, "time": 5}
    dims = SCHEMA[name].dims
    values = xr.DataArray(np.zeros([shapes[dim] for dim in dims]), dims=dims)
    coords = {dim: np.arange(float(shapes[dim])) for dim in dims if dim in ("phase", "time")}
    check_contents(single.assign({name: values}).assign_coords(coords), "x.nc")
    wider = single.assign({name: values.expand_dims(gamma_2=[1.0, 2.0])}).assign_coords(coords)
    refused(wider, f"its variable `{name}` has the dims", "gamma_2")
    check_contents(wider[["local_power", name]].assign_attrs(single.attrs, sweep_dims="gamma_2"), "x.nc")


def test_an_average_that_lacks_the_axis_of_the_others_is_refused(sweep):
    for name in ("power", "power_error"):
        sweep[name] = sweep[name].isel(gamma=0, drop=True)
    refused(sweep, "its variable `power` has the dims ()")


def test_an_error_has_the_dims_of_its_number():
    table = xr.Dataset({"power": ("point", np.zeros(3)), "power_error": ("gamma", np.zeros(3))})
    refused(table, "its variables `power` and `power_error` have different dims")
    check_contents(table.assign(power_error=table["power"]), "x.nc")


def test_tables_of_analyses_have_axes_and_names_of_their_own(single):
    table = single[["local_power", "pearson"]].expand_dims(gamma_2=[1.0, 2.0]).drop_attrs()
    table["noise_spectrum_target"] = ("frequency", np.zeros(2))  # in the schema it has a reservoir, too
    check_contents(table.assign_coords(frequency=[1.0, 2.0]), "x.nc")
    refused(table.assign_coords(frequency=[1.0, 2.0]).assign_attrs(single.attrs), "has the dims")
