"""All figures of published results, in one go.

    python analysis/make_all.py [--quick] [--points] [--only NAME …] [-o analysis/figures]

Exact curves and maps are computed unless `analysis/data` has them (two cores: minutes; `--quick`: coarse
ones, less than a minute and a half). Sampled points are drawn where `analysis/data` has them; `--points`
samples the missing ones first, which takes half an hour on two cores and can be interrupted: finished points
are kept.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

from paths import ANALYSIS, FIGURES
from published import RUNS, Script, kept

NAMES = (
    "engine_map",
    "maximum_power",
    "pareto",
    "synchronisation",
    "ingredients",
    "precision",
    "conversion",
    "trade_off",
    "periodic_bounds",
)


def scripts(names: Sequence[str] = NAMES) -> dict[str, Script]:
    """What tells the figures apart, by name."""
    return {name: import_module(f"fig_{name}").SCRIPT for name in names}


def sample(script: Script) -> None:
    """Sample the points of one figure that are not kept yet; the sampler uses all cores."""
    for stem in script.sampled:
        place = kept(script, stem)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            run_file = RUNS / script.name / f"{stem}.toml"
            subprocess.run(
                [sys.executable, "-m", "langevin_qtm", "run", str(run_file), "-o", str(place)], check=True
            )


def make(name: str, arguments: Sequence[str]) -> tuple[str, int, str, float]:
    """Make one figure in a process of its own: name, exit status, what it printed, seconds."""
    began = time.perf_counter()
    command = [sys.executable, str(ANALYSIS / f"fig_{name}.py"), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return name, done.returncode, done.stdout + done.stderr, time.perf_counter() - began


def main(argv: Sequence[str] | None = None) -> int:
    """Make the figures; the exit status is the number of those that failed."""
    parser = argparse.ArgumentParser(description="All figures of published results.")
    parser.add_argument("--quick", action="store_true", help="exact curves and maps on coarse axes")
    parser.add_argument("--points", action="store_true", help="sample the points that are missing")
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help="these figures"
    )
    parser.add_argument("-o", "--output", type=Path, default=FIGURES, help="folder of the figures")
    given = parser.parse_args(argv)
    if given.points:
        for script in scripts(given.only).values():
            sample(script)
    arguments = ["-o", str(given.output), *(["--quick"] if given.quick else [])]
    failed = 0
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for name, status, text, seconds in pool.map(lambda each: make(each, arguments), given.only):
            failed += status != 0
            outcome = given.output / f"fig_{name}.png" if status == 0 else "FAILED"
            print(f"fig_{name}: {seconds:.0f} s, {outcome}\n{text}", flush=True)
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
