"""Power spectra of sampled trajectories by Welch's method, and what is expected of them.

Convention: two-sided, per unit of angular frequency, S(w) = ∫dτ <x(t + τ) x(t)> e^{iwτ}, so that
∫dw/2π S(w) = <x²>; the same as in `langevin_qtm.physics.conventions`. The mean is known to be zero and
nothing is subtracted. Segments have a Hann window and overlap by half; they are averaged over segments and
trajectories.

For a Gaussian process the mean of the estimate and its variance follow from the autocorrelation R alone:

    <Ŝ(w)> = dt Σ_m R(m dt) a_m e^{iwm dt},   a = (h ⋆ h)/Σh²,
    Var Ŝ(w) = Σ_ss' |C_{s-s'}|²/(K² trajectories),   C_s = dt Σ_m R((m + s D) dt) a_m e^{iwm dt},

with D the samples between segments. What the window smears, what aliases, and how much neighbouring segments
share is all in R. The band is that of χ² with ν = 2 <Ŝ>²/Var Ŝ degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import signal, stats

from langevin_qtm.errors import InputError
from langevin_qtm.physics.conventions import ComplexArray, FloatArray

SEGMENTS = 7  # by default, of each trajectory
LONGEST = 4096  # samples in a segment, by default
FEWEST = 16
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spectrum:
    """An estimated power spectrum.

    Attributes
    ----------
    omega : (frequency,) array
        Angular frequencies >= 0, 2π/(segment step) apart.
    values : (frequency, …) array
        Two-sided, per unit of angular frequency.
    segment, segments, trajectories : int
        Samples in a segment, segments in each trajectory, and trajectories.
    step : float
        Time between samples.
    """

    omega: FloatArray
    values: FloatArray
    segment: int
    segments: int
    trajectories: int
    step: float

    @property
    def shift(self) -> int:
        """Samples between the starts of segments."""
        return self.segment - self.segment // 2

    @property
    def lags(self) -> int:
        """Lags of the autocorrelation, 0 included, on which the expectation depends."""
        return (self.segments - 1) * self.shift + self.segment

    @property
    def resolution(self) -> float:
        """Half-power width of the Hann window."""
        return 1.44 * 2 * np.pi / (self.segment * self.step)

    def note(self, freedom: float | None = None) -> str:
        """Convention, window and degrees of freedom in one line."""
        text = (
            f"Two-sided, $\\int S\\,d\\omega/2\\pi$ is the mean square. Welch: Hann windows of "
            f"{self.segment} samples, {self.segments} half-overlapping, {self.trajectories} trajectories"
        )
        return text if freedom is None else f"{text}; {freedom:.0f} degrees of freedom (median)."


def welch(samples: FloatArray, step: float, segment: int | None = None) -> Spectrum:
    """Power spectrum of a stationary process of zero mean.

    Parameters
    ----------
    samples : (trajectory, time, …) array
    step : float
        Time between samples.
    segment : int, optional
        Samples in a segment; by default a quarter of the record, at most 4096.

    Raises
    ------
    InputError
        When the record is too short, or the segment longer than the record.
    """
    trajectories, count = samples.shape[:2]
    segment = min(2 * count // (SEGMENTS + 1), LONGEST) if segment is None else segment
    if not FEWEST <= segment <= count:
        raise InputError(
            f"A segment of {segment} samples does not do for a record of {count}: it must have between "
            f"{FEWEST} and {count}; store longer trajectories with `solver.recording.periods`."
        )
    frequency, values = signal.welch(
        samples, 1 / step, "hann", segment, detrend=False, return_onesided=False, axis=1
    )
    kept = segment // 2 + 1  # density per Hz over f = w/2π is the density of ∫dw/2π
    segments = 1 + (count - segment) // (segment - segment // 2)
    omega = 2 * np.pi * np.abs(frequency[:kept])
    return Spectrum(omega, values.mean(axis=0)[:kept], segment, segments, trajectories, step)


def expected(spectrum: Spectrum, correlation: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Exact mean of the estimate and its equivalent degrees of freedom, for a Gaussian process.

    Parameters
    ----------
    spectrum : Spectrum
        Of which only the settings matter.
    correlation : (lag,) array
        R at `spectrum.lags` lags, 0 first; missing ones are taken to be zero.

    Returns
    -------
    mean, freedom : (frequency,) arrays
    """
    segment, shift = spectrum.segment, spectrum.shift
    window = signal.get_window("hann", segment)
    taper = np.correlate(window, window, "full") / np.sum(window**2)  # lags -(segment - 1) … segment - 1
    lags = np.arange(-(segment - 1), segment)
    padded = np.zeros(spectrum.lags + segment)
    padded[: min(len(correlation), len(padded))] = correlation[: len(padded)]
    kept = segment // 2 + 1

    def transformed(distance: int) -> ComplexArray:
        """C of segments a distance apart, by a transform folded to the length of a segment."""
        values = padded[np.abs(lags + distance)] * taper
        folded = np.zeros(segment)
        np.add.at(folded, lags % segment, values)
        return spectrum.step * np.fft.fft(folded)[:kept]

    mean = transformed(0).real
    squares = np.zeros(kept)
    for place in range(spectrum.segments):
        weight = spectrum.segments - place if place == 0 else 2 * (spectrum.segments - place)
        squares += weight * np.abs(transformed(place * shift)) ** 2
    variance = squares / (spectrum.segments**2 * spectrum.trajectories)
    variance[0] *= 2.0  # a real amplitude, as at the highest frequency of an even segment
    if segment % 2 == 0:
        variance[-1] *= 2.0
    return mean, 2 * mean**2 / variance


def band(
    mean: FloatArray, freedom: FloatArray, confidence: float = CONFIDENCE
) -> tuple[FloatArray, FloatArray]:
    """Interval in which the estimate lies with this probability: (lower, upper), each (frequency,)."""
    tail = 0.5 * (1 - confidence)
    lower, upper = (mean * stats.chi2.ppf(p, freedom) / freedom for p in (tail, 1 - tail))
    return lower, upper
