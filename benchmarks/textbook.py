"""The main job by the program that a good physicist would write, and how long it takes to 1 % of P_A.

Noise of both reservoirs with the spectrum J(w) coth(w/2T) by FFT, a record of 200 drive periods at a time;
leapfrog in a compiled scalar loop over time; work -ġ_A x_A F_1 added up at the points:

    v⁺ = v + h f(x, t),   x⁺ = x + h v⁺,   F_1 = ξ_1 - u,
    u⁺ = e^{-w_c h} u + γ_1 (1 - e^{-w_c h}) (y⁺ - y) / h.

The friction of the static reservoir acts on s = v_A + v_B at the rate Γ = 2 γ_2 = 200. Explicit friction is
stable below h = 2/Γ = 0.01 only; the implicit midpoint rule s⁺ - s = h f_s - h Γ (s⁺ + s) / 2 costs nothing
more and keeps the mobility 1/Γ at any step. It is used here, in favor of this program.

Step. The recursion is linear: its periodic response to noise of one frequency, summed over frequencies, is
the P_A that the program converges to, free of sampling. `python -m benchmarks.textbook` computes this with
the same loop, run on complex numbers, prints the bias for several steps, and holds a sampled P_A against the
exact one (two minutes). Friction does not limit the step, P_A does: the average of x_A F_1 takes noise far
above w_c = 12, and what is missing above the highest frequency π/h falls only like h. `STEPS` has a bias
below 1 %, the error asked for.

In favor of the textbook, too: the right start, run-in, compilation and the search for the step are not
counted, and the variance is the exact one of the process, D_A without commutator (`main` holds the sampled
one against it).
"""

from __future__ import annotations

import time
import tomllib
from dataclasses import dataclass

import numpy as np
from numba import njit

from benchmarks.main_job import RUN_FILE, main_run
from benchmarks.rounds import Line
from benchmarks.time_to_error import Rates, own_rates
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state

STEPS = 5120  # time steps of a drive period
PERIODS = 200  # drive periods of a noise record: eleven relaxation times
BIAS_STEPS = (64, 256, 1024, 2560, STEPS, 2 * STEPS)


def read_parameters() -> dict[str, float]:
    """Numbers of the run file by the names of the formulas."""
    run = tomllib.loads(RUN_FILE.read_text(encoding="utf-8"))
    driven, static = run["reservoir"]
    frequencies = run["medium"]["frequencies"]
    return {
        "w_a": frequencies["A"],
        "w_b": frequencies["B"],
        "omega": run["drive"]["frequency"],
        "phase": driven["coupling"]["B"]["phase"],
        "temperature": driven["temperature"],
        "gamma_1": driven["spectral_density"]["gamma"],
        "cutoff": driven["spectral_density"]["cutoff"],
        "gamma_2": static["spectral_density"]["gamma"],
    }


@dataclass(frozen=True)
class Sampled:
    """P_A of each record; seconds of its noise and of the loop, by step."""

    powers: np.ndarray
    noise: float
    loop: float


class Textbook:
    """The program for a number of steps in a drive period."""

    def __init__(self, steps: int):
        self.steps, self.p = steps, read_parameters()
        self.h = 2 * np.pi / self.p["omega"] / steps
        angle = 2 * np.pi * np.arange(steps) / steps
        self.couplings = np.stack([np.cos(angle), np.cos(angle + self.p["phase"])], axis=1)
        self.rate = -self.p["omega"] * np.sin(angle)  # of the coupling of A
        half = self.p["gamma_2"] * self.h
        self.velocity = (1 - half) / (1 + half), self.h / (1 + half)
        decay = np.exp(-self.p["cutoff"] * self.h)
        self.memory = decay, self.p["gamma_1"] * (1 - decay) / self.h

    def spectra(self, w):
        """S(w) = J(w) coth(w/2T) of both reservoirs, w > 0."""
        white = w / np.tanh(w / (2 * self.p["temperature"]))
        return self.p["gamma_1"] * white / (1 + (w / self.p["cutoff"]) ** 2), self.p["gamma_2"] * white

    def noise(self, generator: np.random.Generator):
        """Records of the noise of both reservoirs, without their average."""
        length = PERIODS * self.steps
        w = 2 * np.pi * np.arange(1, length // 2 + 1) / (length * self.h)
        records = []
        for spectrum in self.spectra(w):
            normals = generator.standard_normal(2 * len(w)).view(np.complex128)
            normals *= np.sqrt(length * spectrum / (2 * self.h))
            records.append(np.fft.irfft(np.concatenate([[0.0], normals]), length))
        return records

    def follow(self, state, noise) -> float:
        """Advance `state` = (x_A, x_B, v_A + v_B, v_A - v_B, u) from phase 0 on; average of -ġ_A x_A F_1."""
        squares = self.p["w_a"] ** 2, self.p["w_b"] ** 2
        return _loop(state, *noise, self.couplings, self.rate, self.h, squares, self.velocity, self.memory)

    def sample(self, records: int, seed: int) -> Sampled:
        """P_A of consecutive records of noise; one more before them is run-in."""
        generator, state = np.random.default_rng(seed), np.zeros(5)
        powers, noise, loop = [], [], []
        for _ in range(records + 1):
            began = time.perf_counter()
            record = self.noise(generator)
            between = time.perf_counter()
            powers.append(self.follow(state, record))
            noise.append(between - began)
            loop.append(time.perf_counter() - between)
        points = PERIODS * self.steps
        return Sampled(np.array(powers[1:]), min(noise[1:]) / points, min(loop[1:]) / points)

    def law(self, dw: float = 2e-4) -> float:
        """P_A for infinitely many trajectories: lines below w = 2 on an even grid, the rest on a log grid."""
        fine = np.arange(0.0, 2.0, dw)
        edges = np.concatenate([fine, np.geomspace(fine[-1] + dw, np.pi / self.h, 3000)])
        w, width = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
        monodromy = np.array([self._period(unit, None, 0)[0] for unit in np.eye(5)]).T
        power = 0.0
        for reservoir, spectrum in enumerate(self.spectra(w)):
            powers = [self._response(frequency, reservoir, monodromy) for frequency in w]
            power += np.sum(spectrum * powers * width) / np.pi
        return float(power)

    def _response(self, frequency: float, reservoir: int, monodromy) -> float:
        """Power of the periodic response to the noise e^{-iwt} of one reservoir."""
        wave = np.exp(-1j * frequency * self.h * np.arange(self.steps))
        after, _ = self._period(np.zeros(5), wave, reservoir)
        turn = np.exp(-1j * frequency * self.h * self.steps)
        return self._period(np.linalg.solve(turn * np.eye(5) - monodromy, after), wave, reservoir)[1]

    def _period(self, state, wave, reservoir: int):
        """State after one drive period with noise of one reservoir, and the power in it."""
        noise = np.zeros((2, self.steps), np.complex128)
        if wave is not None:
            noise[reservoir] = wave
        state = state.astype(np.complex128)
        power = self.follow(state, noise)
        return state, power


@njit(error_model="numpy")
def _loop(state, noise_1, noise_2, coupling, rate, h, squares, velocity, memory):
    """Leapfrog over the points of the noise from phase 0 on; average power."""
    x_a, x_b, s, d, u = state
    keep, kick = velocity
    decay, gain = memory
    k, work = 0, 0.0
    y = coupling[0, 0] * x_a + coupling[0, 1] * x_b
    for n in range(len(noise_1)):
        force = noise_1[n] - u
        work -= rate[k] * (x_a * np.conj(force)).real
        f_a = coupling[k, 0] * force - squares[0] * x_a + noise_2[n]
        f_b = coupling[k, 1] * force - squares[1] * x_b + noise_2[n]
        s = keep * s + kick * (f_a + f_b)
        d = d + h * (f_a - f_b)
        x_a += 0.5 * h * (s + d)
        x_b += 0.5 * h * (s - d)
        k = k + 1 if k + 1 < len(rate) else 0
        before, y = y, coupling[k, 0] * x_a + coupling[k, 1] * x_b
        u = decay * u + gain * (y - before)
    state[:] = x_a, x_b, s, d, u
    return work / len(noise_1)


def measure(records: int = 6, steps: int = STEPS) -> list[Line]:
    """Lines of the table.

    Parameters
    ----------
    records : int
        Noise records; the fastest counts.
    steps : int
        Of a drive period.
    """
    program, measured = Textbook(steps), own_rates()
    own, once = measured.rates, measured.setup + measured.compilation
    power, variance = _exact()
    sampled = program.sample(records, seed=1)
    rates = Rates(power, variance, program.h, sampled.noise + sampled.loop)
    share = sampled.noise / rates.cost
    lines = [
        ("P_A to 1 %, textbook program", rates.seconds, "s", f"at h = {program.h:.2g}"),
        ("textbook / own", rates.seconds / own.seconds, "", "product of the next three"),
        ("variance per time, textbook / own", rates.variance / own.variance, "", "estimator: look ahead"),
        ("steps per time, textbook / own", own.step / rates.step, "", "scheme: exact law of a step"),
        ("cost of a step, textbook / own", rates.cost / own.cost, "", "loop: lanes, few normals"),
        (
            "… with set-up and compilation",
            rates.seconds / (own.seconds + once),
            "",
            "own ones only",
        ),
        ("step of the textbook program", 1e9 * rates.cost, "ns", f"{share:.0%} of it noise"),
    ]
    return [Line("textbook", *line) for line in lines]


def _exact() -> tuple[float, float]:
    """P_A, and the variance of its average over a time, times that time."""
    exact = periodic_steady_state(main_run().machine).sel(oscillator="A")
    return float(exact["local_power"]), float(exact["fluctuation_cnumber"])


def main() -> None:
    """Print the bias of the step as a markdown table, and one sampled value."""
    power, variance = _exact()
    print("| steps per period | h | P_A | bias |\n| --- | --- | --- | --- |")
    for steps in BIAS_STEPS:
        program = Textbook(steps)
        value = program.law()
        print(f"| {steps} | {program.h:.2g} | {value:.5g} | {100 * (value / power - 1):.2g} % |", flush=True)
    program = Textbook(STEPS)
    powers = program.sample(150, seed=2).powers
    length = PERIODS * STEPS * program.h
    error = np.sqrt(variance / (length * len(powers)))
    ratio, ratio_error = powers.var(ddof=1) * length / variance, np.sqrt(2 / (len(powers) - 1))
    print(f"sampled P_A {powers.mean():.4g} ± {error:.1g}, exact {power:.4g}")
    print(f"variance, measured / exact: {ratio:.2f} ± {ratio_error:.2f}")


if __name__ == "__main__":
    main()
