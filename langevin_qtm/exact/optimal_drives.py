"""Pareto fronts of a heat engine, power against efficiency, over all periodic drives at second order.

At second order harmonics do not mix. With g_n the complex amplitudes g_ln of the harmonic of frequency
ν = nΩ, over the oscillators l,

    P = Σ_n g_n† A(nΩ) g_n,     J = Σ_n g_n† B(nΩ) g_n,     J the heat current of the driven reservoir,

with Hermitian matrices A and B, diagonal for independent wiring. All scales with the squared drive, so its
norm is fixed: Σ_ln |g_ln|² = 1, the time average of Σ_l g_l(t)². Two cosines of amplitude 1, the published
drives, have this norm. A mean (n = 0) costs norm, does no work, and lets heat leak: it is left out.

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

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from langevin_qtm.errors import InputError
from langevin_qtm.exact.second_order import second_order_averages
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.schema import assemble

HARMONICS = 8
HALVINGS = 60  # of an interval of λ: down to rounding
SAMPLES = 65  # of λ, to leave out frequencies that are never best
FINER = 8  # one refinement of the mesh
ITERATIONS = 50  # of Dinkelbach's, which converges faster than linearly
COMMENT = "Limit of weak driven coupling; time average of the sum of squared couplings = 1."


@dataclass(frozen=True)
class DriveForms:
    """Power and heat current as Hermitian forms g† (…) g of the couplings at each frequency.

    Attributes
    ----------
    frequency : (frequency,) array
        ν > 0.
    power, heat : (frequency, oscillator, oscillator) complex arrays
        A, and B of the driven reservoir.
    power_error, heat_error : (frequency, oscillator, oscillator) arrays
        Bounds on rounding.
    """

    frequency: FloatArray
    power: ComplexArray
    heat: ComplexArray
    power_error: FloatArray
    heat_error: FloatArray

    def __getitem__(self, chosen: NDArray[np.int64]) -> DriveForms:
        """Some of the frequencies."""
        return DriveForms(*(value[chosen] for value in vars(self).values()))


def drive_forms(machine: Machine, frequencies: ArrayLike) -> DriveForms:
    """Forms of power and heat current in the couplings of the driven reservoir.

    Second order in closed form for the drives e_l, e_l + e_k and e_l + i e_k of norm 1 and √2, for all
    frequencies at once; polarisation gives the matrix elements.

    Parameters
    ----------
    machine : Machine
        With one driven and one static reservoir; its couplings to the driven one are not used.
    frequencies : (frequency,) array
        ν > 0.

    Returns
    -------
    DriveForms

    Raises
    ------
    InputError
        As `second_order`; or when the reservoirs are others, or a frequency is not positive.
    """
    driven, _ = _reservoirs(machine)
    nu = np.atleast_1d(np.asarray(frequencies, dtype=float))
    if nu.ndim != 1 or not nu.size or not np.all(np.isfinite(nu)) or nu.min() <= 0:
        raise InputError(f"`frequencies` = {frequencies!r} is not allowed: it must be a list of numbers > 0.")
    bodies = len(machine.omega)
    upper = [(l, k) for l in range(bodies) for k in range(l + 1, bodies)]
    unit = np.eye(bodies, dtype=complex)
    probes = [*unit, *(unit[l] + factor * unit[k] for l, k in upper for factor in (1, 1j))]
    machines = [_driven_at(machine, driven, {1: probe / np.sqrt(2)}, nu[0]) for probe in probes]
    found, _ = second_order_averages(machines, np.tile(nu, (len(machines), 1)))
    heat = {suffix: found[f"heat_current{suffix}"][..., driven] for suffix in ("", "_error")}
    forms = [_matrix(values, upper, bodies) for values in (found["power"], heat[""])]
    errors = [_error_matrix(values, upper, bodies) for values in (found["power_error"], heat["_error"])]
    return DriveForms(nu, *forms, *errors)


def pareto_front(
    machine: Machine, frequencies: ArrayLike | None = None, *, points: int = 101, refinements: int = 0
) -> xr.Dataset:
    """Largest output power for every efficiency, over all drives made of given frequencies.

    Parameters
    ----------
    machine : Machine
        Engine with one driven and one static reservoir; its couplings to the driven one are not used.
    frequencies : (frequency,) array, optional
        Frequencies that a drive may contain. By default the first eight harmonics of the machine's Ω. An
        ascending mesh of frequencies, refined, optimises over Ω as well.
    points : int
        Points of the front, equidistant in power.
    refinements : int
        Times that the mesh is made eight times finer around the frequencies of the front.

    Returns
    -------
    xarray.Dataset
        Dim `point`, from the largest output power to the largest efficiency: `power` (< 0), `heat_current`,
        `efficiency`, `entropy_production`, each with its `_error`; `coupling_amplitude` and `coupling_phase`
        (point, frequency, oscillator), g_l(t) = Σ_ν a cos(νt + φ); `marginal_efficiency` λ and `bound` v(λ),
        the certificate: -P - λ J_hot <= v for every drive. No points when no drive makes an engine.
        Attribute `largest_output`, then <= 0, is v(0); `mesh_gain` the largest relative gain of -P by the
        last refinement.

    Raises
    ------
    InputError
        As `drive_forms`; or when temperatures are equal, or `points` < 2.

    Examples
    --------
    >>> from langevin_qtm import Lorentzian, Ohmic, Reservoir
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
    forms = drive_forms(machine, frequencies)
    gain = np.nan
    for _ in range(refinements):
        coarse = Front(machine, forms)
        if not coarse.is_engine:
            break
        finer = _finer(forms.frequency, coarse.forms.frequency)
        forms = _joined(forms, drive_forms(machine, finer))
        levels = coarse.largest_efficiency * np.linspace(0.0, 0.9, SAMPLES)
        before, after = coarse.support(levels)[0], Front(machine, forms).support(levels)[0]
        gain = float((after / before - 1).max())
    front = Front(machine, forms)
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
    driven, _ = _reservoirs(machine)
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
    return _driven_at(machine, driven, dict(zip(orders.round().astype(int), g[used], strict=True)), base)


class Front:
    """The front over all drives made of the frequencies of some forms.

    Parameters
    ----------
    machine : Machine
    forms : DriveForms

    Attributes
    ----------
    forms : DriveForms
        Of the frequencies that can be best for some λ.
    largest_output, largest_efficiency : float
        v(0), and the root of v; the latter NaN when the former is not positive.
    """

    def __init__(self, machine: Machine, forms: DriveForms):
        driven, static = _reservoirs(machine)
        self.is_driven_hot = machine.temperatures[driven] > machine.temperatures[static]
        self.forms = forms
        self.largest_output = float(self.support(np.zeros(1))[0][0])
        self.largest_efficiency = np.nan
        if self.is_engine:
            self.largest_efficiency = self._largest_efficiency()
            self.forms = forms[self._can_be_best()]

    @property
    def is_engine(self) -> bool:
        """Whether any drive extracts power."""
        return self.largest_output > 0

    @property
    def hot_heat(self) -> ComplexArray:
        """B_hot, dims (frequency, oscillator, oscillator)."""
        return self.forms.heat if self.is_driven_hot else -self.forms.heat - self.forms.power

    def eigensystem(self, marginal: FloatArray) -> tuple[FloatArray, ComplexArray]:
        """Largest eigenvalues of -A - λ B_hot and their eigenvectors, (λ, frequency) and (…, oscillator)."""
        matrices = -self.forms.power - marginal[:, None, None, None] * self.hot_heat
        values, vectors = np.linalg.eigh(matrices)
        return values[..., -1], vectors[..., -1]

    def support(self, marginal: FloatArray) -> tuple[FloatArray, ComplexArray]:
        """v(λ), and the drive that attains it, (λ, frequency, oscillator)."""
        values, vectors = self.eigensystem(marginal)
        best, index = values.argmax(axis=1), np.arange(len(marginal))
        g = np.zeros_like(vectors)
        g[index, best] = vectors[index, best] / np.sqrt(2)  # n and -n
        return values[index, best], g

    def output(self, g: ComplexArray) -> FloatArray:
        """-P of drives (…, frequency, oscillator)."""
        return -_quadratic(self.forms.power, g)

    def heat(self, g: ComplexArray) -> FloatArray:
        """J_hot of drives (…, frequency, oscillator)."""
        return _quadratic(self.hot_heat, g)

    def along(self, points: int) -> tuple[FloatArray, FloatArray, ComplexArray]:
        """λ, v(λ) and drives of points equidistant in power, from the largest output on.

        λ is bracketed by bisection. Where the drive jumps by more than the spacing of the points, the sides
        are superposed: both are eigenvectors of the same λ, so that powers and heats add.
        """
        low, high = np.zeros(points), np.full(points, self.largest_efficiency)
        high[0] = 0.0
        ends = self.output(self.support(np.array([0.0, self.largest_efficiency]))[1])
        target = np.linspace(ends[0], ends[1], points)
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            is_above = self.output(self.support(middle)[1]) >= target
            low, high = np.where(is_above, middle, low), np.where(is_above, high, middle)
        value, left = self.support(low)
        right = self.support(high)[1]
        above, below = self.output(left), self.output(right)
        share = np.where(above > below, (target - below) / np.where(above > below, above - below, 1.0), 1.0)
        is_smooth = above - below <= (ends[0] - ends[1]) / (points - 1)
        share = np.where(is_smooth, 1.0, np.clip(share, 0.0, 1.0))[:, None, None]
        return low, value, np.sqrt(share) * left + np.sqrt(1 - share) * right

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

    def _can_be_best(self) -> NDArray[np.int64]:
        """Frequencies whose eigenvalue, convex in λ, can reach v, which decreases, below η_max."""
        values, _ = self.eigensystem(np.linspace(0.0, self.largest_efficiency, SAMPLES))
        at_most = np.maximum(values[:-1], values[1:])
        at_least = values.max(axis=1)[1:, None]
        return np.flatnonzero(np.any(at_most >= at_least, axis=0)).astype(np.int64)


def _dataset(machine: Machine, front: Front, points: int, gain: float) -> xr.Dataset:
    """The front as a dataset."""
    bodies = len(machine.omega)
    marginal, bound, g = np.zeros(0), np.zeros(0), np.zeros((0, len(front.forms.frequency), bodies), complex)
    if points:
        marginal, bound, g = front.along(points)
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
    g = (
        g
        * np.exp(-1j * np.angle(g[np.arange(len(g))[:, None], np.arange(len(used)), _leading(g)]))[..., None]
    )
    dims = ("point", "frequency", "oscillator")
    tiny = 1e-12  # a component that is rounding
    amplitude = np.where(np.abs(g) > tiny, 2 * np.abs(g), 0.0)
    phase = np.where(amplitude > 0, -np.angle(g), 0.0)
    named = {
        "coupling_amplitude": (dims, amplitude, "1", "amplitude a of a cos(frequency * t + phase)"),
        "coupling_phase": (dims, phase, "rad", "phase of a cos(frequency * t + phase)"),
        "marginal_efficiency": ("point", marginal, "1", "derivative of output power by heat along the front"),
        "bound": ("point", bound, "omega_A^2", "largest output power minus marginal efficiency times heat"),
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
    driven, static = _reservoirs(machine)
    temperatures = machine.temperatures
    size = np.abs(g).astype(complex)
    power, into = _quadratic(forms.power, g), _quadratic(forms.heat, g)
    power_error, into_error = (_quadratic(x, size) for x in (forms.power_error, forms.heat_error))
    heat, heat_error = np.empty((len(g), 2)), np.empty((len(g), 2))
    heat[:, driven], heat_error[:, driven] = into, into_error
    heat[:, static], heat_error[:, static] = -into - power, into_error + power_error
    hot = int(temperatures.argmax())
    relative = power_error / np.abs(power) + heat_error[:, hot] / heat[:, hot]
    efficiency = -power / heat[:, hot]
    with np.errstate(divide="ignore"):
        entropy, entropy_error = -heat @ (1 / temperatures), heat_error @ (1 / temperatures)
    return {
        "power": power,
        "power_error": power_error,
        "heat_current": heat,
        "heat_current_error": heat_error,
        "efficiency": efficiency,
        "efficiency_error": efficiency * relative,
        "entropy_production": entropy,
        "entropy_production_error": entropy_error,
    }


def _quadratic(form: ComplexArray | FloatArray, g: ComplexArray) -> FloatArray:
    """Σ_n g_n† (…) g_n over harmonics of both signs, of drives (…, frequency, oscillator)."""
    return 2 * np.einsum("...nl,nlk,...nk->...", g.conj(), form, g).real


def _matrix(values: FloatArray, upper: list[tuple[int, int]], bodies: int) -> ComplexArray:
    """Hermitian matrices (frequency, l, k) from the form on the probes, (probe, frequency)."""
    form = np.zeros((values.shape[1], bodies, bodies), dtype=complex)
    diagonal = values[:bodies]
    form[:, range(bodies), range(bodies)] = diagonal.T
    for index, (l, k) in enumerate(upper):
        real, imag = values[bodies + 2 * index : bodies + 2 * index + 2] - diagonal[l] - diagonal[k]
        form[:, l, k] = 0.5 * real - 0.5j * imag
        form[:, k, l] = form[:, l, k].conj()
    return form


def _error_matrix(values: FloatArray, upper: list[tuple[int, int]], bodies: int) -> FloatArray:
    """Bounds on |_matrix(…)| from bounds on the values."""
    error = np.zeros((values.shape[1], bodies, bodies))
    diagonal = values[:bodies]
    error[:, range(bodies), range(bodies)] = diagonal.T
    for index, (l, k) in enumerate(upper):
        both = values[bodies + 2 * index : bodies + 2 * index + 2].sum(axis=0)
        error[:, l, k] = error[:, k, l] = 0.5 * both + diagonal[l] + diagonal[k]
    return error


def _reservoirs(machine: Machine) -> tuple[int, int]:
    """Index of the driven reservoir and of the static one."""
    driven = sorted(machine.driven_reservoirs)
    if len(driven) != 1 or len(machine.reservoirs) != 2:
        raise InputError("`reservoir`: drives are optimised for one driven and one static reservoir.")
    return driven[0], 1 - driven[0]


def _require_gradient(machine: Machine) -> None:
    _reservoirs(machine)
    if machine.temperatures[0] == machine.temperatures[1]:
        raise InputError("`temperature` is the same for both reservoirs; an engine needs two.")


def _driven_at(machine: Machine, driven: int, g: dict[int, ComplexArray], base: float) -> Machine:
    """The machine with complex amplitudes g_n (oscillator,) by order n > 0, and drive frequency `base`."""
    coupling = {}
    for l, name in enumerate(machine.oscillators):
        harmonics = tuple((int(n), float(x[l].real), float(x[l].imag)) for n, x in g.items() if x[l])
        if harmonics:
            coupling[name] = Drive(harmonics=harmonics)
    reservoirs = list(machine.reservoirs)
    reservoirs[driven] = reservoirs[driven].with_coupling(coupling)
    return Machine(
        frequencies=machine.frequencies,
        reservoirs=tuple(reservoirs),
        drive_frequency=float(base),
        wiring=machine.wiring,
    )


def _finer(mesh: FloatArray, best: FloatArray) -> FloatArray:
    """New frequencies in the cells next to the best ones."""
    index = np.searchsorted(mesh, best)
    cells = np.unique(np.concatenate([np.maximum(index - 1, 0), np.minimum(index, len(mesh) - 2)]))
    inner = np.arange(1, FINER) / FINER
    return (mesh[cells, None] + inner * np.diff(mesh)[cells, None]).ravel()


def _joined(one: DriveForms, other: DriveForms) -> DriveForms:
    """Forms of both meshes, ascending."""
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    both = DriveForms(*(np.concatenate(pair) for pair in pairs))
    return both[np.argsort(both.frequency).astype(np.int64)]
