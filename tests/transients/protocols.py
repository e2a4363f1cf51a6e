"""Machines over time, each written down a second time for the finite bath, without code of the package.

What changes at t = 1 and t = 4 is not smooth there: those are among the times asked for, since the finite
bath must not step across them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from helpers import finite_bath
from helpers.finite_bath import FiniteBath, extrapolated
from helpers.machines import QUARTER, driven, static

from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.envelope import Burst, Chirp, Smooth, Step
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz, Lorentzian
from langevin_qtm.physics.start import Equilibrated, Factorised, OscillatorState

OMEGA, TURN = np.array([1.0, 0.6]), 1.3
PERIOD = 2 * np.pi / TURN
PHASES = np.array([0.0, QUARTER])
ONE = np.ones(2)
STEP = 0.25  # of the finite bath
SOFT, STATIC = DrudeLorentz(gamma=0.2, cutoff=3.0), DrudeLorentz(gamma=0.5, cutoff=4.0)
LINE = Lorentzian(strength=0.3, frequency=1.2, gamma=0.4)
HORIZON, REACH = 7.3, 150.0
TIMES = np.array([0.25, 1.0, 2.5, 4.0, 7.0])  # few different gaps: each costs the finite bath a table
JUMP = 2.0


def machine(
    envelope=None, static_envelope=None, density=SOFT, temperatures=(0.5, 0.2), coupling=None, **parts
):
    """Two oscillators, a driven and a static reservoir, both soft."""
    coupling = coupling or {
        name: Drive.cosine(phase=phase, envelope=envelope) for name, phase in zip("AB", PHASES, strict=True)
    }
    joined = static(STATIC, temperatures[1])
    if static_envelope is not None:
        joined = driven(
            STATIC,
            temperatures[1],
            {name: Drive.constant(1.0, static_envelope) for name in "AB"},
            name="static",
        )
    return Machine(
        frequencies={"A": 1.0, "B": 0.6},
        drive_frequency=TURN,
        reservoirs=(driven(density, temperatures[0], coupling), joined),
        **parts,
    )


# ------------------------------------------------------------------------------------------- the same by hand


def constant(*values):
    """Function of t that returns the same value, or values, always."""
    return lambda t: values[0] if len(values) == 1 else values  # noqa: ARG005


def turning(t):
    """cos(Ωt + phase) and its derivative, dims (oscillator,)."""
    return np.cos(TURN * t + PHASES), -TURN * np.sin(TURN * t + PHASES)


def smooth(s):
    """6s⁵ - 15s⁴ + 10s³ and its derivative, 0 before and 1 after."""
    s = min(max(s, 0.0), 1.0)
    return s**3 * (10 - 15 * s + 6 * s * s), 30 * s**2 * (1 - s) ** 2


def times_envelope(envelope):
    """Coupling and rate of the turning couplings times e(t), given as t -> (e, ė)."""

    def product(t):
        (g, rate), (e, slope) = turning(t), envelope(t)
        return g * e, rate * e + g * slope

    return product


def burst(t):
    """One cycle and a half, of which half a cycle is rise and half a cycle is fall."""
    rise = PERIOD / 2
    up, down = smooth(t / rise), smooth((t - 2 * rise) / rise)
    return up[0] - down[0], (up[1] - down[1]) / rise


def ramp(t):
    """From 0.2 to 1 between t = 1 and t = 4."""
    value, slope = smooth((t - 1.0) / 3.0)
    return 0.2 + 0.8 * value, 0.8 * slope / 3.0


def chirped(t):
    """Drive angle of Ω from 1.3 to 2.6 between t = 1 and t = 4, linear; couplings and rates."""
    inside = min(max(t - 1.0, 0.0), 3.0)
    rate = TURN + TURN * inside / 3.0
    angle = TURN * t + TURN * inside**2 / 6.0 + TURN * max(t - 4.0, 0.0)
    return np.cos(angle + PHASES), -rate * np.sin(angle + PHASES)


def bell(t):
    """A Gaussian in time, and a wave that is not periodic with it."""
    e = np.exp(-((t - 3.0) ** 2))
    return np.array([e, 0.5 * np.sin(t)]), np.array([-2 * (t - 3.0) * e, 0.5 * np.cos(t)])


class Side:
    """Whether a function is asked for its value before or after the jump."""

    late = False

    def switch(self, early, late):
        """Function of t that is `early` before the jump and `late` after it."""
        return lambda t: (late if t > JUMP + 1e-9 or (t > JUMP - 1e-9 and self.late) else early)(t)


class Quenched(FiniteBath):
    """Finite bath whose couplings or frequencies jump at t = 2, where x, v, X and P do not."""

    def __init__(self, side, *arguments, **options):
        super().__init__(*arguments, **options)
        self.side = side

    def _travel(self, lanes, begin, end, forced):
        self.side.late = begin > JUMP
        if (begin > JUMP) == (end > JUMP):
            return super()._travel(lanes, begin, end, forced)
        position, velocity, fields = super()._travel(lanes, begin, JUMP, forced)
        before = [r.coupling(JUMP) for r in self.reservoirs]
        self.side.late = not self.side.late
        for reservoir, g, gain, field in zip(self.reservoirs, before, self.gains, fields, strict=True):
            field[0] -= np.outer(gain, (reservoir.coupling(JUMP) - g) @ position)
        return super()._travel((position, velocity, fields), JUMP, end, forced)


class Case(NamedTuple):
    """A machine and its start; the finite bath by its cut `reach`, and its start."""

    machine: Machine
    start: object
    bath: callable
    covariance: np.ndarray | None
    mean: np.ndarray | None = None
    copies: tuple = (0, 1)  # the reservoir that each one of the finite bath belongs to
    times: np.ndarray = TIMES

    def reference(self, times=None, reach=REACH):
        """Moments without the cut, and a generous estimate of what is left of it."""
        times = self.times if times is None else times

        def solve(bath):
            if self.covariance is None:
                return bath.from_equilibrium(times, [1], self.mean)
            return bath.from_product(times, self.covariance, self.mean)

        return extrapolated(self.bath, solve, reach)


def thermal(temperatures, omega=OMEGA):
    """Covariance of oscillators in equilibrium of their own, x then v."""
    width = [0.5 / np.tanh(w / (2 * T)) if T else 0.5 for w, T in zip(omega, temperatures, strict=True)]
    return np.diag(np.concatenate([width / omega, width * omega]))


def squeezed():
    """A squeezed by r = 0.5 along the angle 0.7 in its ground state, B at T = 1."""
    covariance = thermal((0.0, 1.0))
    along, across = 0.5 * np.exp(-1.0), 0.5 * np.exp(1.0)
    c, s = np.cos(0.7), np.sin(0.7)
    covariance[0, 0] = along * c * c + across * s * s
    covariance[2, 2] = along * s * s + across * c * c
    covariance[0, 2] = covariance[2, 0] = (along - across) * c * s
    return covariance


def bath(moving=turning, still=None, temperatures=(0.5, 0.2), hard=None, **options):
    """Finite bath by its cut, from couplings and rates t -> (g, ġ) of the two reservoirs."""
    omega, still = options.pop("omega", OMEGA), still or constant(ONE, 0 * ONE)

    def build(reach):
        first = (hard or finite_bath.Drude)(
            *((0.3, 1.2, 0.4) if hard else (0.2, 3.0)),
            temperatures[0],
            lambda t: moving(t)[0],
            lambda t: moving(t)[1],
        )
        second = finite_bath.Drude(0.5, 4.0, temperatures[1], lambda t: still(t)[0], lambda t: still(t)[1])
        return FiniteBath(omega, [first, second], HORIZON, reach, STEP, **options)

    return build


def jumping(early=turning, late=turning, still=None, omega=None):
    """Finite bath of a quench, from couplings, or frequencies, before and after it."""

    def build(reach):
        side = Side()
        moving = side.switch(early, late)
        rest = side.switch(*still) if still else constant(ONE, 0 * ONE)
        reservoirs = [
            finite_bath.Drude(0.2, 3.0, 0.5, lambda t: moving(t)[0], lambda t: moving(t)[1]),
            finite_bath.Drude(0.5, 4.0, 0.2, lambda t: rest(t)[0], lambda t: rest(t)[1]),
        ]
        frequencies = side.switch(*omega) if omega else OMEGA
        return Quenched(side, frequencies, reservoirs, HORIZON, reach, STEP)

    return build


def split(reach):
    """Finite bath of independent wiring: a copy of each reservoir for each oscillator."""
    A, B = np.eye(2)
    reservoirs = [
        finite_bath.Drude(0.2, 3.0, 0.5, lambda t: A * turning(t)[0], lambda t: A * turning(t)[1]),
        finite_bath.Drude(0.2, 3.0, 0.5, lambda t: B * turning(t)[0], lambda t: B * turning(t)[1]),
        finite_bath.Drude(0.5, 4.0, 0.2, constant(A)),
        finite_bath.Drude(0.5, 4.0, 0.2, constant(B)),
    ]
    return FiniteBath(OMEGA, reservoirs, HORIZON, reach, STEP)


def modulated(t):
    """Frequencies with 20 % modulation of A."""
    return OMEGA * np.array([1 + 0.2 * np.cos(TURN * t), 1.0])


def modulated_square_rate(t):
    """d(w²)/dt of the same."""
    return np.array([-2 * (1 + 0.2 * np.cos(TURN * t)) * 0.2 * TURN * np.sin(TURN * t), 0.0])


COLD = thermal((0.2, 0.2))
SQUEEZED = OscillatorState(temperature=0.0, squeezing=0.5, angle=0.7, position=1.0, velocity=-0.5)
MOVED = np.array([1.0, 0.3, -0.5, 0.2])
MOVED_START = {
    "A": OscillatorState(position=1.0, velocity=-0.5),
    "B": OscillatorState(position=0.3, velocity=0.2),
}
CASES = {
    "factorised": Case(machine(), Factorised(), bath(), COLD),
    "squeezed": Case(
        machine(),
        Factorised(oscillators={"A": SQUEEZED, "B": OscillatorState(temperature=1.0)}),
        bath(),
        squeezed(),
        np.array([1.0, 0.0, -0.5, 0.0]),
    ),
    "equilibrated": Case(machine(), Equilibrated(oscillators=MOVED_START), bath(), None, MOVED),
    "force": Case(
        machine(force={"A": Drive.cosine(0.4, 0.3)}),
        Factorised(),
        bath(force=lambda t: np.array([0.4 * np.cos(TURN * t + 0.3), 0.0])),
        COLD,
    ),
    "burst": Case(
        machine(Burst(cycles=1.5, rise=0.5)),
        Equilibrated(),
        bath(times_envelope(burst)),
        None,
        times=PERIOD / 4 * np.arange(1, 7),
    ),
    "smooth ramp": Case(
        machine(Smooth(start=1.0, duration=3.0, before=0.2)),
        Equilibrated(oscillators=MOVED_START),
        bath(times_envelope(ramp)),
        None,
        MOVED,
    ),
    "quench of the drive": Case(
        machine(Step(time=JUMP, before=0.2)),
        Factorised(oscillators=MOVED_START),
        jumping(times_envelope(constant(0.2, 0.0))),
        COLD,
        MOVED,
    ),
    "quench of a static coupling": Case(
        machine(static_envelope=Step(time=JUMP, before=0.3)),
        Equilibrated(),
        jumping(still=(constant(0.3 * ONE, 0 * ONE), constant(ONE, 0 * ONE))),
        None,
    ),
    "chirp": Case(
        machine(chirp=Chirp(start=1.0, duration=3.0, frequency=2 * TURN)),
        Factorised(),
        bath(chirped),
        COLD,
    ),
    "modulation": Case(
        machine(modulation={"A": Drive.cosine(0.2)}),
        Factorised(covariance=COLD.tolist()),
        bath(omega=modulated, square_rate=modulated_square_rate),
        COLD,
    ),
    "frequency quench": Case(
        machine(modulation={"A": Drive.constant(0.5, Step(time=JUMP))}),
        Equilibrated(),
        jumping(omega=(constant(OMEGA), constant(OMEGA * [1.5, 1.0]))),
        None,
    ),
    "lorentzian": Case(machine(density=LINE), Factorised(), bath(hard=finite_bath.Lorentzian), COLD),
    "independent": Case(machine(wiring="independent"), Factorised(), split, COLD, copies=(0, 0, 1, 1)),
    "python function": Case(
        machine(
            coupling={
                "A": Drive.of_time(lambda t: np.exp(-((t - 3) ** 2))),
                "B": Drive.of_time(lambda t: 0.5 * np.sin(t), lambda t: 0.5 * np.cos(t)),
            }
        ),
        Factorised(),
        bath(bell),
        COLD,
    ),
    "zero temperature": Case(
        machine(temperatures=(0.0, 0.0)), Factorised(), bath(temperatures=(0.0, 0.0)), thermal((0.0, 0.0))
    ),
}
