"""The command line in this process, watched: status, streams, and a clock that interrupts."""

from __future__ import annotations

import contextlib
import io
import re
import signal
import warnings
from dataclasses import dataclass

import numpy as np

from langevin_qtm.cli import main
from langevin_qtm.schema import OVER_TIME, PERIOD_AVERAGES

SENTENCE = r"(langevin-qtm: warning: [^\n]*\n)*langevin-qtm: error: [^\n]*\.\n"
FAILED_POINTS = r"langevin-qtm: error: \d+ of \d+ points failed[^\n]*:\n( +[^\n]*\n)+"
INTERRUPTED = r"langevin-qtm: error: interrupted; [^\n]*\.\n"
LONGEST = 700  # letters of a sentence


@dataclass(frozen=True)
class Outcome:
    """What a command did.

    Attributes
    ----------
    status : int
    out, err : str
    """

    status: int
    out: str
    err: str

    @property
    def is_sentence(self) -> bool:
        """Whether the complaint is one sentence, or one for each failed point."""
        if re.fullmatch(FAILED_POINTS, self.err):
            return self.status == 1
        return bool(re.fullmatch(SENTENCE, self.err)) and len(self.err) < LONGEST


def command(arguments, seconds):
    """Run one command; interrupted like Ctrl-C after some seconds, then with status 130.

    Numpy's warnings of overflow and the like are errors: nothing goes on with infinities unnoticed.
    """

    def interrupt(*_):
        raise KeyboardInterrupt

    out, err = io.StringIO(), io.StringIO()
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", UserWarning)  # said to the user: limits of accuracy, of a figure
            status = main(arguments)
    except SystemExit as usage:  # argparse: a value of `--set` that looks like an option
        status = usage.code
        if status == 2 and "usage: langevin-qtm" in err.getvalue():
            err = io.StringIO("langevin-qtm: error: wrong usage.\n")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return Outcome(status, out.getvalue(), err.getvalue())


def implausible(dataset):
    """What no correct dataset of an exact method can be; empty if nothing is wrong.

    Numbers are finite, or NaN for a reason that is given; variances are positive; the first law holds to the
    stated errors and `tolerance` 1e-6 of the largest current.
    """
    failed = dataset["failed"].values.astype(bool) if "failed" in dataset else np.zeros((), dtype=bool)
    found = []
    for name in PERIOD_AVERAGES.keys() | OVER_TIME.keys():
        if name not in dataset:
            continue
        values = dataset[name].values[~failed] if failed.ndim else dataset[name].values
        if np.any(np.isinf(values)):
            found.append(f"{name} is infinite")
        if np.any(np.isnan(values)) and not {"undefined", "uv_sensitive"} & dataset[name].attrs.keys():
            found.append(f"{name} is NaN without a reason")
    whole = dataset.where(dataset["failed"] == 0) if failed.ndim else dataset
    variances = np.diagonal(
        whole["position_covariance"].transpose(..., "oscillator", "oscillator_prime").values,
        axis1=-2,
        axis2=-1,
    )
    if np.any(variances <= 0):
        found.append("a variance is not positive")
    if "balance_residual_error" in dataset:
        largest = np.maximum(abs(whole["heat_current"]).max("reservoir"), abs(whole["power"]))
        excess = abs(whole["balance_residual"]) - whole["balance_residual_error"] - 1e-6 * largest
        if np.any(excess.values > 0):
            found.append("the first law is broken")
    return found
