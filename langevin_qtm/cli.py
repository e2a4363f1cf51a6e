"""Command line: run, validate, inspect, info. Heavy imports wait inside commands, so that help is fast."""

from __future__ import annotations

import argparse
import io
import re
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from langevin_qtm.arguments import PROGRAM, make_parser
from langevin_qtm.errors import InputError, NotConvergedError, UnstableMachineError
from langevin_qtm.interruption import Interruption, exit_status, interruptible

if TYPE_CHECKING:
    import xarray as xr
    from rich.console import Console

    from langevin_qtm.data.runfile import Run
    from langevin_qtm.data.sweep import Sweep
    from langevin_qtm.inspection.figures import Look
    from langevin_qtm.resuming import Checkpoint
    from langevin_qtm.tasks import Engine

MOST_LINES = 20  # failed or disagreeing points listed


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program; by default those of the process.

    Returns
    -------
    int
        0 success; 1 a dataset that disagrees, a limit not reached, points of a sweep that failed, or a
        failed write; 2 input that is refused; 130 interrupted by Ctrl-C, 143 by SIGTERM.
    """
    _accept_any_encoding()
    arguments = make_parser().parse_args(argv)
    arguments.argv = list(sys.argv[1:] if argv is None else argv)
    with warnings.catch_warnings():
        if getattr(arguments, "quiet", False):
            warnings.simplefilter("ignore")
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        try:
            return COMMANDS[arguments.command](arguments)
        except (InputError, UnstableMachineError) as error:
            return _fail(str(error), 2)
        except (NotConvergedError, OSError) as error:
            return _fail(str(error), 1)
        except KeyboardInterrupt as error:
            return _fail("interrupted; an unfinished run leaves no file.", exit_status(error))


def _run(arguments: argparse.Namespace) -> int:
    from langevin_qtm.console import make_console
    from langevin_qtm.data.files import check_writable, remove_leftovers
    from langevin_qtm.data.locks import exclusive
    from langevin_qtm.data.runfile import Run, parse_override
    from langevin_qtm.data.sweep import load_file

    job = load_file(arguments.file, dict(parse_override(text) for text in arguments.set))
    output = arguments.output or Path(_default_name(arguments.file, job))
    check_writable(output)
    if output.resolve() == arguments.file.resolve():
        raise InputError(f"Output `{output}` is the run file itself; give another name.")
    console = make_console(arguments.quiet)
    with (
        interruptible() as interruption,
        exclusive(output),
        _engine(arguments, _is_shared(job), console) as engine,
    ):
        remove_leftovers(output)
        if isinstance(job, Run):
            return _run_one(job, output, arguments, console, interruption, engine)
        return _run_sweep(job, output, arguments, console, interruption, engine)


def _is_shared(job: Run | Sweep) -> bool:
    """Whether there are tasks that workers can share: points that take long, or trajectories."""
    from langevin_qtm.data.sweep import Sweep

    method = job.solver.method
    return method != "second_order" if isinstance(job, Sweep) else method == "simulate"


@contextmanager
def _engine(arguments: argparse.Namespace, is_shared: bool, console: Console) -> Iterator[Engine | None]:
    """The workers that were asked for; None where there are none, or nothing to share among them."""
    option = "--workers" if arguments.workers else "--scheduler" if arguments.scheduler else ""
    if option and not is_shared:
        console.print(f"Nothing to share among workers: {option} is not used", soft_wrap=True)
    if not option or not is_shared:
        yield None
        return
    try:
        from langevin_qtm.cluster.connection import joined, local_workers
    except ImportError:
        raise InputError(
            f"`{option}` needs dask.distributed; install it by `pip install 'langevin_qtm[cluster]'`."
        ) from None
    opened = local_workers(arguments.workers) if arguments.workers else joined(arguments.scheduler)
    with opened as engine:
        console.print(str(engine), soft_wrap=True)
        yield engine


def _run_one(
    run: Run,
    output: Path,
    arguments: argparse.Namespace,
    console: Console,
    interruption: Interruption,
    engine: Engine | None,
) -> int:
    """One run into a dataset, compared with exact values; its state is kept when it cannot end."""
    from langevin_qtm.data.files import save
    from langevin_qtm.resuming import for_output

    checkpoint = for_output(
        run,
        output,
        interruption,
        arguments.checkpoint,
        resumes=arguments.resume,
        keeps_end=arguments.keep_state,
        tell=partial(console.print, soft_wrap=True),
    )
    console.print(str(run.machine), soft_wrap=True)
    try:
        dataset = _solve(run, [PROGRAM, *arguments.argv], console, checkpoint, engine)
        save(dataset, output)
    except BaseException as error:
        rest = "" if checkpoint is None else checkpoint.rescue()
        if not rest or not isinstance(error, KeyboardInterrupt | OSError):
            raise
        if isinstance(error, OSError):
            return _fail(f"{str(error).rstrip('.')}; {rest}", 1)
        return _fail(f"interrupted; {rest}", exit_status(error))
    if checkpoint is not None:
        checkpoint.remove()
    try:
        if not arguments.quiet:
            _compare(dataset, console)
    finally:
        console.print(f"Written to {output}", soft_wrap=True)
    return 0


def _default_name(file: Path, job: Run | Sweep) -> str:
    """Name of the run file and eight digits of the hash of its configuration."""
    slug = re.sub(r"[^\w.-]+", "-", file.stem).strip("-.") or "run"
    return f"{slug}-{job.config_sha256[:8]}.nc"


def _solve(
    run: Run,
    command: Sequence[str],
    console: Console,
    checkpoint: Checkpoint | None,
    engine: Engine | None,
) -> xr.Dataset:
    """Dataset by the method that the run file chose, with its provenance."""
    from langevin_qtm.console import reporting
    from langevin_qtm.data.provenance import provenance
    from langevin_qtm.points import solve

    began = time.perf_counter()
    with reporting(console) as report:
        dataset = solve(run, report, checkpoint, engine)
    dataset.attrs |= provenance(run, command, time.perf_counter() - began)
    return dataset


def _run_sweep(
    sweep: Sweep,
    output: Path,
    arguments: argparse.Namespace,
    console: Console,
    interruption: Interruption,
    engine: Engine | None,
) -> int:
    """Every point of a sweep into one dataset; status 1 when points failed."""
    from langevin_qtm.console import reporting
    from langevin_qtm.data.files import save
    from langevin_qtm.data.runfile import SecondOrderSettings
    from langevin_qtm.report import ranges_table
    from langevin_qtm.sweep import failures, run_sweep
    from langevin_qtm.tasks import HERE

    folder = None if isinstance(sweep.solver, SecondOrderSettings) else output.with_suffix(".points")
    console.print(str(sweep), soft_wrap=True)
    console.print(f"First point: {sweep.first.machine}", soft_wrap=True)
    try:
        with reporting(console) as report:
            dataset = run_sweep(
                sweep,
                folder,
                report,
                retry=arguments.retry,
                command=[PROGRAM, *arguments.argv],
                interval=arguments.checkpoint,
                engine=engine or HERE,
                interruption=interruption,
            )
    except KeyboardInterrupt as error:
        if folder is None:
            raise
        sentence = f"interrupted; finished points are in {folder}: give the same command to go on."
        return _fail(sentence, exit_status(error))
    save(dataset, output)
    failed = failures(dataset)
    try:
        if not arguments.quiet:
            console.print(ranges_table(dataset))
            if dataset.attrs["method"] == "simulate" and len(failed) < sweep.size:
                _compare_sweep(dataset, console, engine, interruption)
    finally:
        console.print(f"Written to {output}", soft_wrap=True)
    if failed:
        more = "" if folder is None else "; `--retry` tries them again"
        return _fail("\n  ".join([f"{len(failed)} of {sweep.size} points failed{more}:", *_cut(failed)]), 1)
    return 0


def _cut(lines: Sequence[str]) -> list[str]:
    """The first of many lines."""
    more = len(lines) - MOST_LINES
    return [*lines[:MOST_LINES], *([f"… and {more} more; see the variable `failure`."] if more > 0 else [])]


def _compare_sweep(
    dataset: xr.Dataset, console: Console, engine: Engine | None, interruption: Interruption
) -> int:
    """Print what disagrees with the exact values, if anything; 1 if so."""
    from langevin_qtm.console import reporting
    from langevin_qtm.sweep_validation import validate_sweep
    from langevin_qtm.tasks import HERE

    with reporting(console) as report:
        validation = validate_sweep(dataset, report, engine or HERE, interruption)
    console.print(str(validation), soft_wrap=True)
    for line in _cut(validation.disagreeing):
        console.print(f"  {line}", soft_wrap=True)
    return 0 if validation.agrees else 1


def _compare(dataset: xr.Dataset, console: Console) -> None:
    """Table of averages beside the exact values, or alone where these are out of reach."""
    from langevin_qtm.report import averages_table
    from langevin_qtm.validation import validate

    if dataset.attrs["method"] == "transient":
        console.print(averages_table(dataset))
        return
    try:
        with console.status("exact values"):
            validation = validate(dataset)
    except NotConvergedError as error:
        console.print(averages_table(dataset))
        console.print(f"No exact values to compare with: {error}", soft_wrap=True)
    else:
        console.print(validation.table())
        console.print(str(validation), soft_wrap=True)


def _validate(arguments: argparse.Namespace) -> int:
    from langevin_qtm.console import make_console
    from langevin_qtm.data.files import open_dataset
    from langevin_qtm.validation import validate

    console = make_console()
    dataset = open_dataset(arguments.file)
    is_sweep = "sweep_dims" in dataset.attrs
    is_shared = is_sweep and dataset.attrs.get("method") != "second_order"
    with interruptible() as interruption, _engine(arguments, is_shared, console) as engine:
        if is_sweep:
            return _compare_sweep(dataset, console, engine, interruption)
    with console.status("exact values"):
        validation = validate(dataset)
    console.print(validation.table())
    console.print(str(validation), soft_wrap=True)
    return 0 if validation.agrees else 1


def _inspect(arguments: argparse.Namespace) -> int:
    from langevin_qtm.console import make_console
    from langevin_qtm.data.files import check_folder, check_writable, open_dataset
    from langevin_qtm.inspection.contents import kind_of, require_bokeh

    console = make_console()
    dataset = open_dataset(arguments.file)
    kind_of(dataset)
    if arguments.html is not None:
        require_bokeh()
        from langevin_qtm.inspection.page import write_page

        check_writable(arguments.html)
        write_page(dataset, arguments.html)
        size = arguments.html.stat().st_size / 2**20
        console.print(f"Written to {arguments.html} ({size:.1f} MB); open it in a browser.", soft_wrap=True)
        return 0
    if not arguments.show:
        import matplotlib

        matplotlib.use("Agg")
    from langevin_qtm.inspection import figures

    chosen = figures.select(figures.looks(dataset, arguments.trajectory), arguments.only)
    if arguments.show:
        return _report_figures(figures.show(chosen), "", console)
    folder = arguments.output or arguments.file.with_name(f"{arguments.file.stem}_figures")
    check_folder(folder)
    status = _report_figures(figures.write(folder, (arguments.suffix,), chosen), arguments.suffix, console)
    console.print(f"Written to {folder}", soft_wrap=True)
    return status


def _report_figures(drawn: Iterator[tuple[Look, str]], suffix: str, console: Console) -> int:
    """Print what each figure shows, and why some are missing; 1 if all are."""
    count, ending = 0, f".{suffix}" if suffix else ""
    for look, reason in drawn:
        text = look.caption if not reason else f"not drawn: {reason}"
        console.print(f"{look.name + ending:26} {text}", soft_wrap=True, highlight=False)
        count += not reason
    return 0 if count else 1


def _info(arguments: argparse.Namespace) -> int:
    from langevin_qtm.console import make_console
    from langevin_qtm.data.files import open_dataset, stored_machine
    from langevin_qtm.data.sweep import sweep_of
    from langevin_qtm.report import attributes_table, averages_table, ranges_table

    console = make_console()
    dataset = open_dataset(arguments.file)
    sweep = sweep_of(dataset)
    if sweep is not None:
        console.print(str(sweep), soft_wrap=True)
        console.print(f"First point: {sweep.first.machine}", soft_wrap=True)
    else:
        console.print(str(stored_machine(dataset)), soft_wrap=True)
    console.print(attributes_table(dataset))
    console.print(averages_table(dataset) if sweep is None else ranges_table(dataset))
    return 0


def _accept_any_encoding() -> None:
    """Greek letters must not stop a run on a terminal without them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _show_warning(message: Warning | str, *_: object) -> None:
    print(f"{PROGRAM}: warning: {message}", file=sys.stderr)


def _fail(sentence: str, status: int) -> int:
    print(f"{PROGRAM}: error: {sentence}", file=sys.stderr)
    return status


COMMANDS = {"run": _run, "validate": _validate, "inspect": _inspect, "info": _info}
