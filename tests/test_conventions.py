"""The contract of `conventions`, held against a reservoir made of finitely many oscillators.

H = Σ_k [P_k²/2 + (w_k²/2)(X_k - c_k y/w_k²)²] with c_k from J(w) = (π/2) Σ_k c_k²/w_k δ(w - w_k): the
normalisation of J, the counterterm and the noise follow from this Hamiltonian and from nothing else.
"""

import numpy as np
import pytest
from helpers.machines import static_machine
from helpers.solved import steady
from scipy.linalg import eigh

from langevin_qtm.physics.reservoir import DrudeLorentz, Lorentzian, Reservoir

DENSITIES = {
    "drude": DrudeLorentz(gamma=0.4, cutoff=3.0),
    "lorentzian-underdamped": Lorentzian(strength=0.3, frequency=1.4, gamma=0.5),
    "lorentzian-overdamped": Lorentzian(strength=0.8, frequency=0.9, gamma=2.5),
}
every_density = pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES.keys())


def published_loss(density, w):
    """J(w) as printed."""
    if density.kind == "drude":
        return density.gamma * w / (1 + w**2 / density.cutoff**2)
    broad = (w**2 - density.frequency**2) ** 2 + density.gamma**2 * w**2
    return density.strength * density.gamma * w / broad


def evenly_spaced(density, spacing=0.02, top=4000.0):
    """Modes w_k, couplings c_k, and (2/π) ∫_top^∞ J/w, the part of the kernel that is cut off."""
    w = spacing * (np.arange(int(top / spacing)) + 0.5)
    c = np.sqrt(2 / np.pi * w * published_loss(density, w) * spacing)
    if density.kind == "drude":
        cut = 2 / np.pi * density.gamma * density.cutoff * np.arctan(density.cutoff / top)
    else:
        cut = 2 / np.pi * density.strength * density.gamma / (3 * top**3)
    return w, c, cut


def few_modes(density, count, scale=1.0):
    """Modes w_k = scale tan θ_k with θ_k evenly spaced: few suffice for what depends smoothly on w."""
    angle = (np.arange(count) + 0.5) * np.pi / (2 * count)
    w = scale * np.tan(angle)
    spacing = scale / np.cos(angle) ** 2 * np.pi / (2 * count)
    return w, np.sqrt(2 / np.pi * w * published_loss(density, w) * spacing)


def hessian(omega, modes):
    """Second derivatives of the potential of oscillators and modes; modes a list of (w, c, g)."""
    size = len(omega) + sum(len(w) for w, _, _ in modes)
    matrix = np.zeros((size, size))
    bodies, start = np.arange(len(omega)), len(omega)
    matrix[bodies, bodies] = np.asarray(omega) ** 2
    for w, c, g in modes:
        part = np.arange(start, start + len(w))
        matrix[part, part] = w**2
        matrix[: len(omega), part] = -np.outer(g, c)
        matrix[part, : len(omega)] = -np.outer(c, g)
        matrix[: len(omega), : len(omega)] += np.outer(g, g) * (c**2 / w**2).sum()
        start += len(w)
    return matrix


@every_density
def test_memory_kernel_is_the_sum_over_modes(density):
    w, c, cut = evenly_spaced(density)
    for t in (0.0, 0.05, 0.4, 2.0, 9.0):
        total = (c**2 / w**2 * np.cos(w * t)).sum()
        # discretisation: modes cut off; the spacing brings the kernel back at 2π/0.02, decayed by e^{-70}
        assert density.memory_kernel(t) == pytest.approx(total, rel=1e-10, abs=1.01 * cut)


@every_density
def test_static_shift_of_the_modes_is_the_kernel_at_the_start(density):
    w, c, cut = evenly_spaced(density)
    # discretisation: modes cut off
    assert density.memory().slip == pytest.approx((c**2 / w**2).sum(), rel=1e-10, abs=1.01 * cut)


@every_density
def test_response_is_that_of_the_modes_with_the_counterterm(density):
    """K(w) = Σ c_k² [1/(w_k² - w²) - 1/w_k²], compared at imaginary frequencies, where the sum is smooth."""
    w, c = few_modes(density, 800)
    for rate in (0.2, 0.5, 2.0, 20.0):
        total = (c**2 * (1 / (w**2 + rate**2) - 1 / w**2)).sum()
        # discretisation: the sum converges exponentially; 800 modes leave rounding
        assert density.response(1j * rate) == pytest.approx(total, rel=1e-9)


@every_density
@pytest.mark.parametrize("temperature", [0.0, 0.3], ids=["cold", "warm"])
def test_noise_is_that_of_the_modes_in_equilibrium(density, temperature):
    """½<{ξ, ξ(t)}> of ξ = Σ c_k X_k, damped by e^{-t²/2}, is S(w) smeared by a Gaussian."""
    w, c = few_modes(density, 2000)
    occupation = 1.0 if temperature == 0 else 1 / np.tanh(w / (2 * temperature))
    strengths = c**2 / (2 * w) * occupation  # <X_k²> = coth(w_k/2T) / 2 w_k
    reservoir = Reservoir(name="bath", temperature=temperature, spectral_density=density)
    centers = np.array([0.5, 1.4, 4.0])
    # ξ(t) has lines of weight π strengths at ±w_k in ∫ dt e^{iwt}
    smeared = [
        np.pi * (strengths * (gaussian(w - center) + gaussian(w + center))).sum() for center in centers
    ]
    grid = np.linspace(-12.0, 12.0, 48001)
    step = grid[1] - grid[0]
    expected = [
        (gaussian(grid) * reservoir.noise_power_spectrum(center + grid)).sum() * step for center in centers
    ]
    # discretisation: modes 0.002 apart and steps of 5e-4 against a kink of S at w = 0 when cold
    np.testing.assert_allclose(smeared, expected, rtol=1e-5)


def gaussian(x):
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def test_counterterm_leaves_the_bare_potential_and_no_direct_coupling():
    density = DENSITIES["drude"]
    matrix = hessian([1.0, 0.6], [(*few_modes(density, 50), np.array([1.0, -0.4]))])
    free, coupled, rest = matrix[:2, :2], matrix[:2, 2:], matrix[2:, 2:]
    relaxed = free - coupled @ np.linalg.solve(rest, coupled.T)
    np.testing.assert_allclose(relaxed, np.diag([1.0, 0.36]), rtol=0, atol=1e-13)  # rounding
    assert np.linalg.eigvalsh(matrix).min() > 0


@every_density
@pytest.mark.parametrize("temperature", [0.0, 0.2, 3.0])
def test_equilibrium_of_the_whole_is_the_steady_state_of_the_machine(density, temperature):
    """Normal modes of oscillators and reservoir in one thermal state, against the Langevin equations."""
    machine = static_machine(densities=(density,), temperatures=(temperature,))
    dataset = steady(machine)
    estimates = []
    for count in (300, 600):
        squares, vectors = eigh(hessian(machine.omega, [(*few_modes(density, count), np.ones(2))]))
        frequencies = np.sqrt(squares)
        occupation = 1.0 if temperature == 0 else 1 / np.tanh(frequencies / (2 * temperature))
        rows = vectors[:2]
        estimates.append((rows * (occupation / (2 * frequencies))) @ rows.T)
    # discretisation: what doubling the modes changed, and the tolerance of the steady state
    bound = np.abs(estimates[1] - estimates[0]).max() + 1e-7
    assert bound < 1e-5
    np.testing.assert_allclose(dataset.position_covariance, estimates[1], rtol=0, atol=bound)
