"""Verbs and options of the command line."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

PROGRAM = "langevin-qtm"


def make_parser() -> argparse.ArgumentParser:
    """Parser whose result has the name of the verb as `command`."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Time-domain quantum Langevin simulator for quantum thermal machines.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {version('langevin_qtm')}")
    verbs = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = verbs.add_parser("run", help="execute a run file and compare the result with exact values")
    run.add_argument("file", type=Path, metavar="FILE", help="run file (TOML)")
    run.add_argument(
        "-o", "--output", type=Path, metavar="OUT.nc", help="dataset; by default named by content"
    )
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace a value of the run file, such as drive.frequency=0.5; may be repeated",
    )
    run.add_argument(
        "--resume",
        action="store_true",
        help="go on from OUT.nc.checkpoint, if it is there; the result is that of an undisturbed run",
    )
    run.add_argument(
        "--checkpoint",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="write the state of a sampled run every so often (default 60), and on Ctrl-C or SIGTERM",
    )
    run.add_argument(
        "--keep-state",
        action="store_true",
        help="keep the state at the end, so that --resume with more solver.periods lengthens the run",
    )
    _add_workers(run, "points of a sweep, or the trajectories of one run,")
    run.add_argument("--retry", action="store_true", help="try points of a sweep again that failed before")
    run.add_argument("--quiet", action="store_true", help="print nothing but errors, and skip the comparison")

    validate = verbs.add_parser(
        "validate", help="compare a dataset with exact values; status 1 if they disagree"
    )
    validate.add_argument("file", type=Path, metavar="OUT.nc", help="dataset")
    _add_workers(validate, "points of a sweep")

    inspect = verbs.add_parser("inspect", help="draw what happened in a run; write a page to browse")
    inspect.add_argument("file", type=Path, metavar="OUT.nc", help="dataset")
    inspect.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="folder of the figures, by default OUT_figures"
    )
    inspect.add_argument(
        "--only",
        type=_names,
        metavar="NAME,…",
        help="figures by name, such as locking,powers; by default all",
    )
    inspect.add_argument(
        "--trajectory", type=_numbers, metavar="I,…", help="stored trajectories to show, by default the first"
    )
    inspect.add_argument(
        "--format", dest="suffix", choices=("png", "pdf", "svg"), default="png", help="of the figures"
    )
    inspect.add_argument("--show", action="store_true", help="open windows instead of writing figures")
    inspect.add_argument(
        "--html", type=Path, metavar="VIEW.html", help="write one page to browse instead of figures"
    )

    info = verbs.add_parser("info", help="show what a dataset holds")
    info.add_argument("file", type=Path, metavar="OUT.nc", help="dataset")
    return parser


def _add_workers(verb: argparse.ArgumentParser, what: str) -> None:
    """Options that say where tasks run."""
    where = verb.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=_count, metavar="N", help=f"share {what} among so many processes on this machine"
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="the same among the workers of a dask scheduler: its address, or the path of its file",
    )


def _count(text: str) -> int:
    """A positive whole number."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a positive whole number, such as 4")
    return int(text)


def _names(text: str) -> list[str]:
    """Names of a list with commas."""
    return [name for name in text.split(",") if name]


def _numbers(text: str) -> list[int]:
    """Whole numbers of a list with commas."""
    try:
        return [int(number) for number in _names(text)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be whole numbers with commas, such as 0,2") from None


def _seconds(text: str) -> float:
    """A duration; `inf` is never."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be seconds, such as 60, or inf")
    return seconds
