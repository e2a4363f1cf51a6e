"""Machine code between runs: kept, found again, and never that of other sources."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba import config

from langevin_qtm import compiled as module

PROGRAM = """
import numpy as np
from langevin_qtm.sampling.normals import LANES, fill_normals, seed_lanes
out = np.zeros(LANES)
fill_normals(seed_lanes(1, 0), out)
hits, misses = fill_normals.stats.cache_hits, fill_normals.stats.cache_misses
print(sum(hits.values()), sum(misses.values()), out.sum().hex())
"""


def run(folder, **environment):
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    hits, misses, total = result.stdout.split()
    return int(hits), int(misses), total


def test_a_second_process_finds_the_machine_code(tmp_path):
    first, second = run(tmp_path), run(tmp_path)
    assert first[:2] == (0, 1)
    assert second[:2] == (1, 0)
    assert first[2] == second[2]
    assert [path.name for path in tmp_path.iterdir()] == [f"langevin_qtm-{module.source_hash()}"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path):
    tmp_path.chmod(0o500)
    assert run(tmp_path)[:2] == (0, 0)


def test_a_file_in_the_way_does_no_harm(tmp_path):
    (tmp_path / "taken").write_text("")
    assert run(tmp_path / "taken")[0] == 0


BITS = """
import hashlib, sys
sys.path.insert(0, "tests")
from helpers.machines import converter
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.sampling.simulate import simulate
machine = converter(static_gamma=1.0)
for solve in (periodic_steady_state, lambda m: simulate(m, trajectories=64, periods=20, threads=1)):
    dataset, digest = solve(machine), hashlib.sha256()
    for name in sorted(dataset.data_vars):
        digest.update(dataset[name].values.tobytes())
    print(digest.hexdigest())
"""
OLD_PROCESSOR = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}  # knows no fused operations


@pytest.mark.slow
def test_numbers_do_not_depend_on_the_machine_code(tmp_path):
    places = {"fresh": {}, "kept": {}, "old": OLD_PROCESSOR}
    bits = {
        name: subprocess.run(
            [sys.executable, "-c", BITS],
            env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_CACHE_DIR": str(tmp_path), **environment},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name, environment in places.items()
    }
    assert bits["fresh"].count("\n") == 2
    assert bits["kept"] == bits["fresh"]
    assert bits["old"] == bits["fresh"]


def test_every_source_counts(tmp_path, monkeypatch):
    for name, text in (("a.py", "x = 1\n"), ("inner/b.py", "y = 2\n")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(module, "__file__", str(tmp_path / "compiled.py"))
    before = module.source_hash()
    (tmp_path / "inner" / "b.py").write_text("y = 3\n")
    after = module.source_hash()
    assert before != after
    (tmp_path / "inner" / "b.py").write_text("y = 2\n")
    assert module.source_hash() == before


def test_settings_of_numba_are_left_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    module.cache_folder.cache_clear()
    try:
        kernel = module.compiled(_double)
        assert str(tmp_path) == config.CACHE_DIR
        assert kernel(2.0) == 4.0
        assert any(Path(tmp_path).rglob("*.nbi"))
    finally:
        module.cache_folder.cache_clear()


def test_old_folders_are_removed(tmp_path):
    for index in range(module.KEPT + 3):
        folder = tmp_path / f"langevin_qtm-{index}"
        folder.mkdir()
        os.utime(folder, (index, index))
    (tmp_path / "mine").mkdir()
    module._forget_oldest(tmp_path)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"mine", *(f"langevin_qtm-{index}" for index in range(3, module.KEPT + 3))}


def _double(x):
    return 2.0 * x
