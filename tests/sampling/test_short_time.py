"""The sum over lags of `short_time`: its end correction, where it stops, and what it costs.

Correlations that decay exponentially take the place of those of works, so that all sums are known.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from langevin_qtm.sampling import short_time
from langevin_qtm.sampling.reduction import LAGS

STEPS, WINDOW, MEMORY = 16, 40, 12.0  # steps and periods; the memory in periods


def test_end_correction_is_of_sixth_order():
    """c = e^{-τ} from lag M on: ∫ (1 - Λ) c dτ = (1 - e^{-h})/h; the lags beyond M sum up to h/(e^h - 1)."""

    def error(h):
        ends = list(h * np.exp(-h * np.arange(-1, 3)))
        return 2 * h / np.expm1(h) + short_time._end_correction(ends) - 2 * (1 - np.exp(-h)) / h

    errors = np.array([error(h) for h in (0.5, 0.25, 0.125)])
    orders = np.log2(errors[:-1] / errors[1:])
    assert np.all(np.abs(orders - 6) < 0.2)  # discretization: the next order


@pytest.fixture
def lags(monkeypatch):
    """A function: what is found where nothing is estimated, and how many lags beyond the first it took."""

    def found(negligible, most_pairs):
        taken = []

        def true(_):
            for lag in range(10**6):
                taken.append(lag)
                yield np.array([np.exp(-lag / (MEMORY * STEPS))])

        monkeypatch.setattr(short_time, "_at_step_ends", true)
        monkeypatch.setattr(short_time, "_of_works", lambda _: (np.zeros(1) for _ in range(10**6)))
        monkeypatch.setattr(short_time, "_near_part", lambda _: np.zeros(1))
        monkeypatch.setattr(short_time, "NEGLIGIBLE", negligible)
        monkeypatch.setattr(short_time, "MOST_PAIRS", most_pairs)
        embedding = SimpleNamespace(relaxation_time=MEMORY)
        law = SimpleNamespace(
            steps=STEPS, layout=SimpleNamespace(embedding=embedding), machine=SimpleNamespace(period=1.0)
        )
        value = short_time.unresolved_fluctuation(SimpleNamespace(law=law, window=WINDOW))
        return float(value[0]), max(taken) - LAGS

    return found


def test_all_later_lags_together_add_no_more_than_is_negligible(lags):
    """Not only the next period: the tail decays within a memory of many."""
    allowed = 0.2
    value, count = lags(allowed, 10**9)
    assert STEPS < count < STEPS * WINDOW
    decay = np.exp(-1 / (MEMORY * STEPS))
    whole = 2 * decay ** (LAGS + 1) / (1 - decay)
    assert 0 < 1 - value / whole < allowed


def test_lags_end_with_the_window(lags):
    assert lags(0.0, 10**9)[1] == STEPS * WINDOW


@pytest.mark.parametrize("periods", [1, 7])
def test_pairs_of_a_phase_and_a_lag_are_bounded(lags, periods):
    """A lag costs as much as there are phases, so that STEPS² pairs are a period."""
    assert lags(0.0, STEPS**2 * periods + 1)[1] == STEPS * periods
