"""Run every measurement, print one table."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from llvmlite import binding
from rich import box
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks import estimator, exact_routes, normals, scaling, step_cost, textbook, time_to_error
from benchmarks.main_job import RUN_FILE
from benchmarks.rounds import Line
from langevin_qtm.console import make_console

WIDTH = 115  # of the table, where there is no terminal

# The first one sees the compilation.
MEASUREMENTS = (time_to_error, textbook, estimator, step_cost, normals, scaling, exact_routes)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write JSON on request."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed of the main job.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    arguments = parser.parse_args(argv)
    console = make_console()
    if not console.is_terminal:
        console.width = WIDTH
    lines: list[Line] = []
    with threadpool_limits(1):
        for measurement in MEASUREMENTS:
            with console.status(measurement.__name__):
                lines += measurement.measure()
    console.print(table(lines))
    if arguments.json:
        result = {**environment(), "lines": [asdict(line) for line in lines]}
        arguments.json.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def environment() -> dict[str, str]:
    """What the numbers belong to."""
    libraries = ("langevin_qtm", "numpy", "scipy", "numba")
    return {
        "job": RUN_FILE.name,
        "cpu_name": binding.get_host_cpu_name(),
        **{f"{name}_version": version(name) for name in libraries},
    }


def table(lines: Sequence[Line]) -> Table:
    """One line a number, measurements apart."""
    title = f"{RUN_FILE.name} on {binding.get_host_cpu_name()}"
    result = Table(box=box.SIMPLE_HEAD, title=title, pad_edge=False, padding=(0, 1, 0, 0))
    columns = {"measurement": "left", "number": "left", "value": "right", "unit": "left", "bound": "left"}
    for column, justify in columns.items():
        result.add_column(column, justify=justify, no_wrap=True)
    previous = ""
    for line in lines:
        if previous and line.group != previous:
            result.add_section()
        shown = "" if line.group == previous else line.group
        result.add_row(shown, line.name, _number(line.value), line.unit, line.bound)
        previous = line.group
    return result


def _number(value: float) -> str:
    """Three digits, and every digit before the point; powers of ten below a thousandth."""
    if value == int(value):
        return str(int(value))
    if abs(value) < 1e-3:
        return f"{value:.2e}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


if __name__ == "__main__":
    main()
