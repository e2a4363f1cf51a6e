"""Exceptions and warnings. Each carries, as attributes, the numbers that its sentence states."""

from __future__ import annotations


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


class AccuracyWarning(UserWarning):
    """A result is returned outside the range where its accuracy was shown."""
