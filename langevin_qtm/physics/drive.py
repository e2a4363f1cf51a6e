"""Time dependence of one coupling: a real Fourier series g(t) = Σ_n g_n e^{-inΩt} with a mean g_0."""

from __future__ import annotations

import cmath
import math
from numbers import Real
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from langevin_qtm.errors import InputError
from langevin_qtm.physics._model import Finite, Model
from langevin_qtm.physics.conventions import ComplexArray, FloatArray

Order = Annotated[int, Field(strict=True, ge=0, le=64)]
COSINE_KEYS = {"amplitude", "phase", "mean"}


def _number(data: dict[str, Any], key: str, default: float) -> float:
    value = data.get(key, default)
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"`{key}` = {value!r} is not allowed: it must be a finite number.")
    return number


class Drive(Model):
    """Coupling g(t) as its Fourier coefficients of order n >= 0.

    Parameters
    ----------
    harmonics : sequence of (n, re, im)
        g_n = re + i im for n >= 0; g_{-n} is the conjugate. Missing orders are zero.

    In run files also a plain number (static coupling) or a table with `amplitude`, `phase` and `mean`:
    mean + amplitude cos(Ωt + phase). In Python: `Drive.constant`, `Drive.cosine`.
    """

    harmonics: tuple[tuple[Order, Finite, Finite], ...]

    @model_validator(mode="before")
    @classmethod
    def _from_shorthand(cls, data: Any) -> Any:
        if isinstance(data, Real) and not isinstance(data, bool):
            data = {"mean": data}
        if isinstance(data, dict) and data and set(data) <= COSINE_KEYS:
            amplitude = _number(data, "amplitude", 0.0)
            half = cmath.rect(amplitude / 2, -_number(data, "phase", 0.0))
            # a quarter period is meant exactly: no 3e-17 instead of 0
            parts = (0.0 if abs(part) < 1e-15 * abs(amplitude) else part for part in (half.real, half.imag))
            orders = [(0, _number(data, "mean", 0.0), 0.0), (1, *parts)]
            return {"harmonics": tuple(o for o in orders if o[1:] != (0.0, 0.0))}
        if not isinstance(data, dict) or set(data) != {"harmonics"}:
            raise InputError(
                f"{data!r} is not a coupling: it must be a number, a table with `amplitude`, `phase` and "
                "`mean`, or a table with `harmonics` alone."
            )
        return data

    @model_validator(mode="after")
    def _is_real_series(self) -> Drive:
        orders = [order for order, _, _ in self.harmonics]
        if len(set(orders)) != len(orders):
            raise InputError(f"`harmonics` has orders {orders}: each order must appear once.")
        if any(order == 0 and im != 0 for order, _, im in self.harmonics):
            raise InputError("`harmonics` of order 0 must be real: set its imaginary part to 0.")
        return self

    @classmethod
    def constant(cls, value: float) -> Drive:
        """Static coupling g(t) = value."""
        return cls._from_table(mean=value)

    @classmethod
    def cosine(cls, amplitude: float = 1.0, phase: float = 0.0, mean: float = 0.0) -> Drive:
        """g(t) = mean + amplitude cos(Ωt + phase)."""
        return cls._from_table(amplitude=amplitude, phase=phase, mean=mean)

    @classmethod
    def _from_table(cls, **table: Any) -> Drive:
        return cls(**table)  # not `model_validate`, whose refusals are no `InputError`

    @property
    def order(self) -> int:
        """Largest n with g_n != 0."""
        return max((n for n, re, im in self.harmonics if (re, im) != (0.0, 0.0)), default=0)

    @property
    def is_static(self) -> bool:
        """Whether g(t) is a constant."""
        return self.order == 0

    def coefficients(self, order: int) -> ComplexArray:
        """Array of g_n for n = -order … order, shape (2 order + 1,)."""
        g = np.zeros(2 * order + 1, dtype=complex)
        for n, re, im in self.harmonics:
            if n <= order:
                g[order + n] = complex(re, im)
                g[order - n] = complex(re, -im)
        return g

    def value(self, theta: ArrayLike) -> FloatArray:
        """g at drive angles theta = Ωt."""
        theta = np.asarray(theta, dtype=float)
        total = np.zeros_like(theta)
        for n, re, im in self.harmonics:
            total = total + (2.0 if n else 1.0) * (re * np.cos(n * theta) + im * np.sin(n * theta))
        return total

    def slope(self, theta: ArrayLike) -> FloatArray:
        """dg/d(theta) at drive angles theta; ġ = Ω dg/d(theta)."""
        theta = np.asarray(theta, dtype=float)
        total = np.zeros_like(theta)
        for n, re, im in self.harmonics:
            total = total + 2.0 * n * (im * np.cos(n * theta) - re * np.sin(n * theta))
        return total
