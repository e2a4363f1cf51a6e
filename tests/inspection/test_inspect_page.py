"""The page to browse: thinning that keeps extremes, its size, and what it does in a real browser."""

import numpy as np
import pytest
import xarray as xr
from helpers.browser import chromium
from numpy.testing import assert_allclose, assert_array_equal

from langevin_qtm.data.files import stored_machine
from langevin_qtm.errors import InputError
from langevin_qtm.inspection.contents import step_of
from langevin_qtm.inspection.decimation import extremes, thinned
from langevin_qtm.inspection.page import write_page
from langevin_qtm.inspection.page_panels import STORED
from langevin_qtm.inspection.pyramid import COARSEST, Pyramid, finest_bin, size_of_pyramid

MEGABYTES = 2**20


# ----------------------------------------------------------------------------------------------- thinning


@pytest.mark.parametrize(("count", "size"), [(64, 8), (67, 8), (5, 8), (1, 3)])
def test_bins_keep_their_extremes_in_order(count, size):
    values = np.random.default_rng(count).standard_normal(count)
    found = extremes(values, size).reshape(-1, 2)
    for pair, start in zip(found, range(0, count, size), strict=True):
        part = values[start : start + size]
        assert set(pair) == {part.min(), part.max()}
        assert (pair[0] == part.min()) == (part.argmin() <= part.argmax())


def test_short_records_stay_as_they_are():
    time, values = np.arange(10.0), np.arange(10.0) ** 2
    assert_array_equal(thinned(time, values, 10), (time, values))


def test_thinned_record_has_all_extremes_at_their_times():
    time, values = np.arange(10_000) * 0.1, np.zeros(10_000)
    values[[777, 5000]] = 3.0, -2.0
    x, y = thinned(time, values, 100)
    assert len(x) == len(y) <= 100
    assert (y.max(), y.min()) == (3.0, -2.0)
    bin_length = 0.1 * 200
    assert abs(x[y.argmax()] - 77.7) <= bin_length
    assert abs(x[y.argmin()] - 500.0) <= bin_length
    assert np.all(np.diff(x) > 0)


def test_every_level_of_a_pyramid_has_the_extremes():
    record = np.random.default_rng(1).standard_normal(100_000)
    pyramid = Pyramid()
    pyramid.add(np.zeros(10))
    number = pyramid.add(record)
    levels = pyramid.index[number]
    assert [size for _, _, size in levels] == [1, 8, 64, 512]
    for offset, points, _ in levels:
        part = pyramid.values[offset : offset + points]
        assert part.min() == np.float32(record.min())
        assert part.max() == np.float32(record.max())
    assert levels[-1][1] <= COARSEST
    assert sum(points for _, points, _ in levels) == size_of_pyramid(len(record), 1)


@pytest.mark.parametrize("budget", [10_000, 100_000, 10_000_000])
def test_finest_bin_keeps_the_budget(budget):
    counts = [100_000] * 8
    size = finest_bin(counts, budget)
    assert sum(size_of_pyramid(count, size) for count in counts) <= max(budget, 8 * COARSEST)
    assert (size == 1) == (budget >= 2_000_000)


# ------------------------------------------------------------------------------------------------- the page


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One browser for all pages."""
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def small(run, tmp_path_factory):
    """Page of a run, three trajectories of which every sample is kept."""
    path = tmp_path_factory.mktemp("page") / "view.html"
    write_page(run.isel(trajectory=slice(0, 3)), path)
    return path


@pytest.fixture
def opened(browser, small):
    """The page, just opened."""
    browser.requests.clear()
    browser.complaints.clear()
    browser.open(small)
    return browser


def test_page_loads_without_errors_and_without_any_request(opened, small):
    assert opened.complaints == []
    assert opened.requests == [small.resolve().as_uri()]


def test_first_trajectory_is_drawn_in_every_panel(opened, run):
    for name in STORED:
        xs, ys = opened.data(name, "xs"), opened.data(name, "ys")
        assert len(xs) == run.sizes[run[name].dims[-1]]
        assert_allclose(xs[0], run["time"].values[: len(xs[0])], rtol=1e-6)
        assert_allclose(ys[1], run[name].values[0, : len(ys[1]), 1], rtol=1e-6)  # single precision


def test_choosing_trajectories_changes_what_is_drawn(opened, run):
    opened.set("trajectories", "value", ["2"])
    ys = opened.data("position", "ys")
    assert_allclose(ys[0], run["position"].values[2, : len(ys[0]), 0], rtol=1e-6)
    x = opened.data("plane", "x")
    assert_allclose(x[:20], run["position"].values[2, :20, 0], rtol=1e-6)
    opened.set("trajectories", "value", ["0", "1"])
    assert len(opened.data("noise", "ys")) == 4
    assert opened.data("noise", "alpha") == [0.45, 0.45, 1.0, 1.0]


def test_a_choice_by_mouse_changes_what_is_drawn(opened, run):
    opened.page.locator("input.choices__input").click()
    opened.page.locator(".choices__item--choice.choices__item--selectable", has_text="1").first.click()
    opened.settle()
    assert opened.get("trajectories", "value") == ["0", "1"]
    ys = opened.data("position", "ys")
    assert len(ys) == 4
    assert_allclose(ys[0], run["position"].values[1, : len(ys[0]), 0], rtol=1e-6)


def test_zooming_one_panel_moves_all_and_the_plane(opened, run):
    period = run["time"].values[-1] / 40
    before = len(opened.data("plane", "x"))
    opened.set("time", "start", 3.0)
    opened.set("time", "end", 3.0 + 2 * period)
    step = step_of(run)
    for name in STORED:
        x = np.array(opened.data(name, "xs")[0])
        assert 3.0 - 3 * step < x[0] <= 3.0
        assert x[-1] >= 3.0 + 2 * period - step
    assert 0 < len(opened.data("plane", "x")) < before
    shared = opened.page.evaluate(
        "() => new Set([...Bokeh.documents[0]._all_models.values()]"
        ".filter(m => m.type === 'Figure' && m.x_range.name === 'time').map(m => m.x_range.id)).size"
    )
    assert shared == 1


def test_moving_along_the_drive_phase_marks_the_samples_there(opened, run):
    period = stored_machine(run).period
    opened.set("phase", "value", 0.25)
    turns = run["time"].values / period
    inside = np.abs(turns % 1 - 0.25) <= 0.5 / 64 + 1e-6
    visible = run["time"].values <= 8 * period
    expected = run["position"].values[0, inside & visible, 0]
    assert_allclose(opened.data("marked", "x"), expected, rtol=1e-6)
    locations = opened.page.evaluate(
        "() => [...Bokeh.documents[0]._all_models.values()]"
        ".filter(m => m.type === 'Span').map(m => m.location)"
    )
    assert sorted({round(float(place), 6) for place in locations}) == sorted({0.25, round(0.25 * period, 6)})


def test_hovering_shows_a_value_that_is_in_the_dataset(opened, run):
    box = opened.page.locator(".bk-Figure").first.bounding_box()
    tip = opened.page.locator(".bk-tooltip-row-value")
    for share in np.linspace(0.05, 0.95, 40):  # across the lines
        opened.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + share * box["height"])
        opened.page.wait_for_timeout(50)
        if tip.count():
            break
    label, time, value = tip.all_inner_texts()[:3]
    assert label in ("position A, trajectory 0", "position B, trajectory 0")
    sample = run["position"].sel(oscillator=label[9]).sel(time=float(time), method="nearest")[0]
    assert float(value.replace("\N{MINUS SIGN}", "-")) == pytest.approx(float(sample), abs=1e-3)


def test_ensemble_over_time_can_be_browsed(browser, ensemble, tmp_path):
    write_page(ensemble, tmp_path / "view.html")
    browser.complaints.clear()
    browser.open(tmp_path / "view.html")
    assert browser.complaints == []
    assert_allclose(browser.data("local_power_B", "value"), ensemble["local_power"].values[:, 1])
    assert len(browser.data("position", "xs")) == 2


def test_ten_million_samples_stay_usable(browser, run, tmp_path):
    """20 MB at most; a spike of a single sample is seen from afar, and found by zooming in."""
    count = 10_000_000 // (2 * 8)
    time = np.arange(count) * 0.1
    rng, long = np.random.default_rng(3), run.drop_dims(["trajectory", "time"])
    for name in STORED:
        dim = run[name].dims[-1]
        values = rng.standard_normal((2, count, 2), dtype=np.float32)
        if name == "position":
            values[0, 123_456, 0] = 40.0
        long[name] = xr.DataArray(values, dims=("trajectory", "time", dim), attrs=run[name].attrs)
    long = long.assign_coords(time=("time", time, run["time"].attrs), trajectory=np.arange(2))
    path = tmp_path / "long.html"
    write_page(long, path)
    assert path.stat().st_size < 20 * MEGABYTES
    browser.complaints.clear()
    browser.open(path)
    browser.set("time", "end", float(time[-1]))
    seen = browser.data("position", "ys")[0]
    assert len(seen) < 8000
    assert max(seen) == 40.0
    assert "smallest and largest of every" in browser.get("status", "text")
    browser.set("time", "start", 12_300.0)
    browser.set("time", "end", 12_400.0)
    x, y = browser.data("position", "xs")[0], browser.data("position", "ys")[0]
    assert x[int(np.argmax(y))] == pytest.approx(12_345.6, abs=0.9)  # bins of 8 samples, two points each
    assert browser.complaints == []


def test_sweeps_are_refused(run, tmp_path):
    with pytest.raises(InputError, match="all points of a sweep"):
        write_page(run.assign_attrs(sweep_dims="drive_frequency"), tmp_path / "view.html")
