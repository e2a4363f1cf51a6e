"""Pareto fronts of a heat engine, power against efficiency, over all periodic drives at second order.

Power and heat currents are quadratic in the drives: Hermitian forms A(ν), B(ν) in the complex amplitudes of
each ν = nΩ (`drive_forms`). All scales with the squared drive, so its norm is fixed:

    <Σ_l g_l(t)²> = 2 Σ_lν |g_lν|² = 1,     < > the time average.

Two cosines of amplitude 1, the published drives, have this norm. A mean (n = 0) costs norm, does no work, and
lets heat leak: it is left out.

Numerical ranges of pairs of Hermitian matrices are convex (Toeplitz, Hausdorff), and that of a direct sum is
the convex hull of those of its blocks. So the set of all attainable (J_hot, -P) is convex, and its boundary
is known from its support function: with B_hot the form of the heat from the hotter reservoir,

    -P - λ J_hot <= v(λ) = max_ν [largest eigenvalue of -A(ν) - λ B_hot(ν)]      for every drive,

attained by the eigenvector. v is convex and decreasing. λ = d(-P)/dJ_hot along the front is the marginal
efficiency: λ = 0 is the largest output power, and v(η_max) = 0 defines the largest efficiency, found by
Dinkelbach's iteration λ <- -P/J_hot. In between lies the front, global by construction. It follows that an
optimal drive is monochromatic, or, where the eigenvalues of two frequencies (or two eigenvalues of one)
cross, a superposition of two eigenvectors that bridges the gap linearly. More harmonics never help.

From η = -P/J_hot follows Ṡ = (-P)(η_C/η - 1)/T_cold: at given power the drive of largest efficiency also
produces the least entropy. Fronts over generic drives: Carrega et al., AVS Quantum Sci. 6, 025001 (2024);
iteration: Dinkelbach, Management Science 13, 492 (1967).
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from langevin_qtm.errors import InputError
from langevin_qtm.exact.drive_forms import (
    DriveForms,
    drive_forms,
    driven_and_static,
    driven_at,
    joined,
    quadratic,
)
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.machine import Machine
from langevin_qtm.schema import assemble

HARMONICS = 8
HALVINGS = 60  # of an interval of λ: down to rounding
SAMPLES = 65  # of λ, to leave out frequencies that are never best between two
SELECTED_EVERY = 5  # halvings
FINER = 8  # one refinement of the mesh
ITERATIONS = 50  # of Dinkelbach's, which converges faster than linearly
TINY = 1e-12  # a component of a drive that is rounding
COMMENT = "Limit of weak driven coupling; time average of the sum of squared couplings = 1."


def pareto_front(
    machine: Machine, frequencies: ArrayLike | None = None, *, points: int = 101, refinements: int = 0
) -> xr.Dataset:
    """Largest output power for every efficiency, over all drives made of given frequencies.

    Parameters
    ----------
    machine : Machine
        Engine with one driven and one static reservoir; its couplings to the driven one are not used.
    frequencies : (frequency,) array, optional
        Frequencies ν > 0 that a drive may contain. By default the first eight harmonics of the machine's Ω.
        A mesh of frequencies, finer than the lines of the driven reservoir are wide and then refined,
        optimizes over Ω as well; a superposition of two is then periodic to any accuracy wanted.
    points : int
        Points of the front, equidistant in power.
    refinements : int
        Times that the mesh is made eight times finer around the frequencies of the front.

    Returns
    -------
    xarray.Dataset
        Dim `point`, from the largest output power to the largest efficiency: `power` (< 0), `heat_current`,
        `efficiency`, `entropy_production`, each with its `_error`; `coupling_amplitude` and `coupling_phase`
        (point, frequency, oscillator), g_l(t) = Σ_ν a cos(νt + φ); `marginal_efficiency` λ and `bound` v(λ)
        with its `_error`, the certificate: -P - λ J_hot <= v for every drive of these frequencies. No points
        when no drive makes an engine. Attribute `largest_output`, then <= 0, is v(0); `mesh_gain` the largest
        relative gain of v by the last refinement, for λ up to 0.9 of the largest efficiency.

    Raises
    ------
    InputError
        As `drive_forms`; or when temperatures are equal, `points` < 2, or a single frequency is refined.

    Examples
    --------
    >>> from langevin_qtm import Drive, Lorentzian, Ohmic, Reservoir
    >>> line = Lorentzian(strength=0.01, frequency=1.3, gamma=0.05)
    >>> hot = Reservoir(
    ...     name="hot", temperature=1.0, spectral_density=line, coupling={"A": Drive.cosine()}
    ... )
    >>> cold = Reservoir(name="cold", temperature=0.1, spectral_density=Ohmic(gamma=0.1))
    >>> machine = Machine(frequencies={"A": 1.0, "B": 0.6}, drive_frequency=0.4, reservoirs=[hot, cold])
    >>> front = pareto_front(machine, points=3)
    >>> bool((front.power < 0).all()), bool((front.efficiency.diff("point") >= 0).all())
    (True, True)
    """
    if points < 2:
        raise InputError(f"`points` = {points!r} is not allowed: it must be at least 2.")
    _require_gradient(machine)
    if frequencies is None:
        frequencies = machine.angular_frequency * np.arange(1, HARMONICS + 1)
    mesh = np.unique(np.asarray(frequencies, dtype=float))
    if refinements and len(mesh) < 2:
        raise InputError(
            "`refinements` needs a mesh of at least two `frequencies`; give more, or do not refine."
        )
    forms, gain = drive_forms(machine, mesh), np.nan
    front = Front(machine, forms)
    for _ in range(refinements):
        coarse = front
        forms = joined(forms, drive_forms(machine, _finer(forms.frequency, coarse.forms.frequency)))
        front = Front(machine, forms)
        if coarse.is_engine:
            levels = coarse.largest_efficiency * np.linspace(0.0, 0.9, SAMPLES)
            gain = float((front.support(levels)[0] / coarse.support(levels)[0] - 1).max())
    return _dataset(machine, front, points if front.is_engine else 0, gain)


def optimal_machine(machine: Machine, front: xr.Dataset, point: int) -> Machine:
    """The machine with the drive of one point of its front.

    Parameters
    ----------
    machine : Machine
    front : xarray.Dataset
        From `pareto_front`.
    point : int
        Index along `point`.

    Returns
    -------
    Machine
        A monochromatic drive becomes the first harmonic of its own Ω; two frequencies must be multiples
        of the machine's Ω.

    Raises
    ------
    InputError
        When they are not.
    """
    driven, _ = driven_and_static(machine)
    one = front.isel(point=point)
    g = 0.5 * one["coupling_amplitude"].values * np.exp(-1j * one["coupling_phase"].values)
    used = np.flatnonzero(np.any(g, axis=1))
    base = float(one["frequency"].values[used[0]])
    orders = np.ones(1)
    if len(used) > 1:
        base = machine.angular_frequency
        orders = one["frequency"].values[used] / base
        if np.any(np.abs(orders - orders.round()) > 1e-9):
            raise InputError(
                f"`point` = {point!r} needs frequencies that are no multiples of the machine's Ω; "
                "take another point, or harmonics of one Ω."
            )
    return driven_at(machine, driven, dict(zip(orders.round().astype(int), g[used], strict=True)), base)


class Front:
    """The front over all drives made of the frequencies of some forms.

    Parameters
    ----------
    machine : Machine
    forms : DriveForms

    Attributes
    ----------
    forms : DriveForms
        Of the frequencies that can be best for some λ; without an engine, of the one best for λ = 0.
    hot_heat : (frequency, oscillator, oscillator) complex array
        B_hot.
    largest_output, largest_efficiency : float
        v(0), and the root of v; the latter NaN when the former is not positive.
    """

    def __init__(self, machine: Machine, forms: DriveForms):
        driven, static = driven_and_static(machine)
        self.is_driven_hot = bool(machine.temperatures[driven] > machine.temperatures[static])
        self._set(forms)
        self.largest_output, self.largest_efficiency = float(self.support(np.zeros(1))[0][0]), np.nan
        if not self.is_engine:
            best = np.any(self.support(np.zeros(1))[1][0], axis=1)
            self._set(forms[np.flatnonzero(best)])
            return
        self.largest_efficiency = self._largest_efficiency()
        self.levels = np.linspace(0.0, self.largest_efficiency, SAMPLES)
        values, _ = self.eigensystem(self.levels)
        contenders = self._contenders(values)
        kept = np.flatnonzero(contenders.any(axis=0))
        self._set(forms[kept])
        self.contenders = contenders[:, kept]  # of each interval of λ

    def _set(self, forms: DriveForms) -> None:
        self.forms = forms
        self.hot_heat = forms.heat if self.is_driven_hot else -forms.heat - forms.power

    @property
    def is_engine(self) -> bool:
        """Whether any drive extracts power."""
        return self.largest_output > 0

    def eigensystem(self, marginal: FloatArray, chosen=slice(None)) -> tuple[FloatArray, ComplexArray]:
        """Largest eigenvalues of -A - λ B_hot and their eigenvectors, (λ, frequency) and (…, oscillator)."""
        power, heat = self.forms.power[chosen], self.hot_heat[chosen]
        values, vectors = np.linalg.eigh(-power - marginal[:, None, None, None] * heat)
        return values[..., -1], vectors[..., -1]

    def support(self, marginal: FloatArray) -> tuple[FloatArray, ComplexArray]:
        """v(λ), and the drive that attains it, (λ, frequency, oscillator)."""
        values, vectors = self.eigensystem(marginal)
        best, index = values.argmax(axis=1), np.arange(len(marginal))
        g = np.zeros_like(vectors)
        g[index, best] = vectors[index, best] / np.sqrt(2)  # n and -n
        return values[index, best], g

    def support_error(self, marginal: FloatArray) -> FloatArray:
        """Bound on rounding of v(λ): eigenvalues move by no more than the norm of what is added."""
        heat = self.forms.heat_error if self.is_driven_hot else self.forms.heat_error + self.forms.power_error
        errors = self.forms.power_error + marginal[:, None, None, None] * heat
        return np.linalg.norm(errors, axis=(2, 3)).max(axis=1, initial=0.0)

    def output(self, g: ComplexArray) -> FloatArray:
        """-P of drives (…, frequency, oscillator)."""
        return -quadratic(self.forms.power, g)

    def heat(self, g: ComplexArray) -> FloatArray:
        """J_hot of drives (…, frequency, oscillator)."""
        return quadratic(self.hot_heat, g)

    def along(self, points: int) -> tuple[FloatArray, FloatArray, ComplexArray]:
        """λ, v(λ) and drives of points equidistant in power, from the largest output on.

        λ is bracketed by bisection. Where the drive jumps by more than the spacing of the points, the sides
        are superposed: both are eigenvectors of the same λ, so that powers and heats add.
        """
        outputs = self.output(self.support(self.levels)[1])
        target = np.linspace(outputs[0], outputs[-1], points)
        brackets = np.array([self._bracket(one, outputs) for one in target])
        value, left = self.support(brackets[:, 0])
        right = self.support(brackets[:, 1])[1]
        above, below = self.output(left), self.output(right)
        share = np.where(above > below, (target - below) / np.where(above > below, above - below, 1.0), 1.0)
        is_smooth = above - below <= (target[0] - target[-1]) / (points - 1)
        share = np.where(is_smooth, 1.0, np.clip(share, 0.0, 1.0))[:, None, None]
        return brackets[:, 0], value, np.sqrt(share) * left + np.sqrt(1 - share) * right

    def _bracket(self, target: float, outputs: FloatArray) -> tuple[float, float]:
        """Neighboring λ with an output above and below the target; few frequencies contend for each."""
        cell = int(np.clip(np.searchsorted(-outputs, -target), 1, SAMPLES - 1))
        ends, chosen = self.levels[[cell - 1, cell]], np.flatnonzero(self.contenders[cell - 1])
        for halving in range(HALVINGS):
            middle = ends.mean(keepdims=True)
            values, vectors = self.eigensystem(middle, chosen)
            best = int(values[0].argmax())
            drive = vectors[0, best]
            output = -(drive.conj() @ self.forms.power[chosen[best]] @ drive).real
            ends[0 if output >= target else 1] = middle[0]
            if halving % SELECTED_EVERY == 0:
                chosen = chosen[self._contenders(self.eigensystem(ends, chosen)[0])[0]]
        return float(ends[0]), float(ends[1])

    def _largest_efficiency(self) -> float:
        """Root of v, from below."""
        marginal = 0.0
        for _ in range(ITERATIONS):
            _, g = self.support(np.array([marginal]))
            ratio = float(self.output(g)[0] / self.heat(g)[0])
            if not ratio > marginal * (1 + 1e-15):
                break
            marginal = ratio
        return marginal

    @staticmethod
    def _contenders(values: FloatArray) -> NDArray[np.bool_]:
        """Whether an eigenvalue, convex in λ, can reach v, which decreases; dims (interval, frequency)."""
        at_most = np.maximum(values[:-1], values[1:])
        rounding = 1e-14 * np.abs(values).max()
        return at_most >= values.max(axis=1)[1:, None] - rounding


def _dataset(machine: Machine, front: Front, points: int, gain: float) -> xr.Dataset:
    """The front as a dataset."""
    bodies = len(machine.omega)
    marginal, bound, g = np.zeros(0), np.zeros(0), np.zeros((0, len(front.forms.frequency), bodies), complex)
    if points:
        marginal, bound, g = front.along(points)
    bound_error = front.support_error(marginal)
    used = np.flatnonzero(np.any(g, axis=(0, 2))).astype(np.int64)
    forms, g = front.forms[used], g[:, used]
    attrs = {
        "method": "pareto_front",
        "comment": COMMENT,
        "largest_output": front.largest_output,
        "largest_efficiency": front.largest_efficiency,
        "mesh_gain": gain,
    }
    dataset = assemble(machine, _numbers(machine, forms, g), attrs, leading=("point",))
    dims = ("point", "frequency", "oscillator")
    first = np.take_along_axis(g, _leading(g)[..., None], axis=2)
    g = g * np.exp(-1j * np.angle(first))  # its phase is zero
    amplitude = np.where(np.abs(g) > TINY, 2 * np.abs(g), 0.0)
    phase = np.where(amplitude > 0, -np.angle(g), 0.0)
    named = {
        "coupling_amplitude": (dims, amplitude, "1", "amplitude a of a cos(frequency * t + phase)"),
        "coupling_phase": (dims, phase, "rad", "phase of a cos(frequency * t + phase)"),
        "marginal_efficiency": ("point", marginal, "1", "derivative of output power by heat along the front"),
        "bound": ("point", bound, "omega_A^2", "largest output power minus marginal efficiency times heat"),
        "bound_error": ("point", bound_error, "omega_A^2", "error estimate of that bound"),
    }
    for name, (own, values, units, text) in named.items():
        dataset[name] = (own, values, {"units": units, "long_name": text})
    attributes = {"units": "omega_A", "long_name": "frequency of a harmonic of the drive"}
    return dataset.assign_coords(frequency=("frequency", forms.frequency, attributes))


def _leading(g: ComplexArray) -> NDArray[np.int64]:
    """Index of the first oscillator with a component that is not rounding."""
    size = np.abs(g)
    return (size > 1e-6 * size.max(axis=-1, keepdims=True, initial=0.0)).argmax(axis=-1).astype(np.int64)


def _numbers(machine: Machine, forms: DriveForms, g: ComplexArray) -> dict[str, FloatArray]:
    """Averages of drives (point, frequency, oscillator) with errors to first order."""
    driven, static = driven_and_static(machine)
    temperatures = machine.temperatures
    size = np.abs(g).astype(complex)
    power, into = quadratic(forms.power, g), quadratic(forms.heat, g)
    power_error, into_error = (quadratic(x, size) for x in (forms.power_error, forms.heat_error))
    heat, heat_error = np.empty((len(g), 2)), np.empty((len(g), 2))
    heat[:, driven], heat_error[:, driven] = into, into_error
    heat[:, static], heat_error[:, static] = -into - power, into_error + power_error
    hot = int(temperatures.argmax())
    efficiency = -power / heat[:, hot]
    relative = power_error / np.abs(power) + heat_error[:, hot] / heat[:, hot]
    inverse = 1 / np.where(temperatures > 0, temperatures, np.nan)
    return {
        "power": power,
        "power_error": power_error,
        "heat_current": heat,
        "heat_current_error": heat_error,
        "efficiency": efficiency,
        "efficiency_error": efficiency * relative,
        "entropy_production": -heat @ inverse,
        "entropy_production_error": heat_error @ inverse,
    }


def _require_gradient(machine: Machine) -> None:
    driven_and_static(machine)
    if machine.temperatures[0] == machine.temperatures[1]:
        raise InputError("`temperature` is the same for both reservoirs; an engine needs two.")


def _finer(mesh: FloatArray, best: FloatArray) -> FloatArray:
    """New frequencies in the cells next to the best ones."""
    index = np.searchsorted(mesh, best)
    cells = np.unique(np.concatenate([np.maximum(index - 1, 0), np.minimum(index, len(mesh) - 2)]))
    inner = np.arange(1, FINER) / FINER
    return (mesh[cells, None] + inner * np.diff(mesh)[cells, None]).ravel()
