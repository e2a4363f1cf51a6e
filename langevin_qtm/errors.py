"""Exceptions and warnings. Each carries, as attributes, the numbers that its sentence states."""

from __future__ import annotations


def shown(value: object) -> str:
    """A value as the user wrote it, for a sentence: cut where it is long."""
    return _cut(repr(value), 80)


def shown_key(text: str) -> str:
    """A key or name for a sentence: on one line, cut where it is long."""
    return _cut("".join(letter if letter.isprintable() else "�" for letter in text), 60)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."


class InputError(ValueError):
    """A value the user gave is not admissible; the message names key, value and remedy."""


class UnstableMachineError(RuntimeError):
    """The machine has no periodic steady state: a Floquet multiplier is not inside the unit circle.

    Attributes
    ----------
    max_multiplier : float
        Largest modulus of the Floquet multipliers over one drive period.
    """

    def __init__(self, max_multiplier: float):
        self.max_multiplier = max_multiplier
        if max_multiplier > 1 + 1e-9:
            cause = "the driven coupling pumps it parametrically; lower it or move `drive.frequency`"
        else:
            cause = "some mode is not damped by any reservoir; couple it, or detune the oscillators"
        super().__init__(
            f"The machine has no periodic steady state: its largest Floquet multiplier is "
            f"{max_multiplier:.12g}, but must be < 1; {cause}."
        )


class NotConvergedError(RuntimeError):
    """A numerical limit was not reached.

    Attributes
    ----------
    error, target : float
        Error estimate reached, and the one asked for.
    """

    def __init__(self, what: str, error: float, target: float, remedy: str):
        self.error, self.target = error, target
        super().__init__(f"{what} did not converge: error {error:.2e}, target {target:.2e}; {remedy}.")


class NumericalRangeError(NotConvergedError):
    """Numbers or arrays on the way to a result do not fit into floating point or memory.

    Attributes
    ----------
    error, target : float
        NaN: nothing was reached.
    """

    def __init__(self, cause: BaseException):
        self.error = self.target = float("nan")
        what = str(cause).strip(" .") or type(cause).__name__
        RuntimeError.__init__(
            self,
            f"The numbers of this run leave the range of floating point or memory ({what}); bring "
            "frequencies, rates, couplings and temperatures closer together, or ask for fewer points.",
        )


class AccuracyWarning(UserWarning):
    """A result is returned outside the range where its accuracy was shown."""


FAILURES = (InputError, UnstableMachineError, NotConvergedError)  # of one point of a sweep, which goes on
