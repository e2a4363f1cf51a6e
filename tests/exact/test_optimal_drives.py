"""Pareto fronts over all periodic drives: forms, certificate, and drives against other routes.

Tolerances: `ROUNDING` stands against sums of a few hundred terms whose errors the datasets bound by 1e-10 or
less; the optimizer's is stated where it is used.
"""

from itertools import pairwise

import numpy as np
import pytest
from helpers.machines import cosines, standard_machine
from numpy.testing import assert_allclose
from scipy.optimize import differential_evolution

from langevin_qtm.errors import InputError
from langevin_qtm.exact import optimal_drives
from langevin_qtm.exact.drive_forms import _error_matrix, _matrix, drive_forms, driven_at, quadratic
from langevin_qtm.exact.optimal_drives import Front, optimal_machine, pareto_front
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.exact.second_order import second_order, second_order_averages
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import Lorentzian, Ohmic

ROUNDING = 1e-9
LINE = Lorentzian(strength=1.0, frequency=1.29, gamma=0.05)
LOW_LINE = Lorentzian(strength=1.0, frequency=0.4, gamma=0.05)
MESH = np.linspace(0.05, 2.0, 118)


def engine(gamma=0.1, wiring="joint", omega=(1.0, 0.6), temperatures=(1.0, 0.1), base=0.23, **kwargs):
    """Hot line, driven; cold Ohmic reservoir."""
    density = {"driven_density": LINE, "static_density": Ohmic(gamma=gamma)} | kwargs
    return standard_machine(
        omega=omega, wiring=wiring, temperatures=temperatures, drive_frequency=base, **density
    )


def random_drives(rng, count, harmonics, bodies=2):
    """Complex amplitudes (count, harmonic, oscillator) of norm 1."""
    g = rng.standard_normal((count, harmonics, bodies, 2)) @ np.array([1, 1j])
    return g / np.sqrt(2 * (np.abs(g) ** 2).sum(axis=(1, 2), keepdims=True))


def machine_of(machine, g, driven=0):
    """The machine with amplitudes (harmonic, oscillator) of its first harmonics."""
    return driven_at(machine, driven, dict(enumerate(g, start=1)), machine.angular_frequency)


def reversed_reservoirs(machine):
    """The same machine, the static reservoir first."""
    return Machine(
        frequencies=machine.frequencies,
        reservoirs=tuple(reversed(machine.reservoirs)),
        drive_frequency=machine.drive_frequency,
        wiring=machine.wiring,
    )


MACHINES = {
    "joint": engine(),
    "independent": engine(wiring="independent"),
    "strong": engine(gamma=100.0),
    "driven cold": engine(temperatures=(0.1, 1.0), driven_density=LOW_LINE),
    "three oscillators": engine(omega=(1.0, 0.6, 0.8)),
    "zero temperature": engine(temperatures=(1.0, 0.0)),
}


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_forms_are_second_order_of_drives_with_many_harmonics(machine):
    rng = np.random.default_rng(1)
    forms = drive_forms(machine, machine.angular_frequency * np.arange(1, 6))
    drives = random_drives(rng, 4, 5, len(machine.omega))
    for g in drives:
        found = second_order(machine_of(machine, g))
        scale = np.abs(forms.heat).max() + np.abs(forms.power).max()
        assert_allclose(quadratic(forms.power, g), found.power, rtol=0, atol=ROUNDING * scale)
        assert_allclose(quadratic(forms.heat, g), found.heat_current[0], rtol=0, atol=ROUNDING * scale)


def test_forms_are_hermitian_and_diagonal_for_independent_wiring():
    for wiring in ("joint", "independent"):
        forms = drive_forms(engine(wiring=wiring), MESH)
        for form in (forms.power, forms.heat):
            assert_allclose(form, form.conj().swapaxes(1, 2), rtol=0, atol=0)
            largest = np.abs(form[:, 0, 1]).max() / np.abs(form).max()
            assert largest < ROUNDING if wiring == "independent" else largest > 0.01


def test_order_of_the_reservoirs_does_not_matter():
    one, other = (pareto_front(m, MESH, points=5) for m in (engine(), reversed_reservoirs(engine())))
    for name in ("power", "efficiency", "entropy_production", "coupling_amplitude"):
        assert_allclose(one[name], other[name], rtol=1e-7)
    assert_allclose(one.heat_current, other.heat_current[:, ::-1], rtol=1e-7)


@pytest.mark.parametrize("name", ["joint", "independent", "strong", "driven cold", "three oscillators"])
def test_no_drive_beats_the_bound(name):
    machine, rng = MACHINES[name], np.random.default_rng(2)
    forms = drive_forms(machine, MESH)
    front = Front(machine, forms)
    assert front.is_engine
    levels = np.linspace(0.0, 1.2 * front.largest_efficiency, 7)
    if name == "joint":
        assert_allclose(front.support(levels[:1])[0], front.largest_output)
    eigenvalues, vectors = Front(machine, forms).eigensystem(levels)
    v = front.support(levels)[0]
    assert np.all(v[:, None] >= eigenvalues - 1e-12 * np.abs(eigenvalues).max())
    # generic ones with many harmonics, and ones close to the best: 12000 drives
    few = rng.choice(len(front.forms.frequency), (4000, 3))
    near = np.zeros((4000, len(front.forms.frequency), len(machine.omega)), dtype=complex)
    noise = random_drives(rng, 4000, len(front.forms.frequency), len(machine.omega))
    best = front.support(np.repeat(levels[:4], 1000))[1]
    near[np.arange(4000)[:, None], few] = random_drives(rng, 4000, 3, len(machine.omega))
    for drives in (noise, near, best + 0.05 * noise):
        drives = drives / np.sqrt(2 * (np.abs(drives) ** 2).sum(axis=(1, 2), keepdims=True))
        for level, bound in zip(levels, v, strict=True):
            reached = front.output(drives) - level * front.heat(drives)
            assert np.all(reached <= bound + 1e-12 * front.largest_output)
    assert vectors.shape[-1] == len(machine.omega)


@pytest.mark.parametrize("name", ["joint", "strong", "driven cold"])
def test_points_reach_the_bound_and_nothing_lies_beyond(name):
    front = pareto_front(MACHINES[name], MESH, points=41)
    hot = front.heat_current.values.max(axis=1)
    v = -front.power.values - front.marginal_efficiency.values * hot
    slack = front.bound_error.values + 1e-12 * front.attrs["largest_output"]
    assert np.all(np.abs(v - front.bound.values) <= slack)
    assert np.all(np.diff(front.power) > 0)
    assert np.all(np.diff(front.efficiency) > -1e-12)
    assert_allclose(front.efficiency[-1], front.attrs["largest_efficiency"], rtol=1e-6)
    assert_allclose(-front.power[0], front.attrs["largest_output"], rtol=1e-12)
    # concave in (heat, power): chords are steeper towards the largest efficiency
    slopes = np.diff(front.power) / np.diff(-hot)
    assert np.all(np.diff(slopes) > -1e-6)
    # equidistant in power unless the mesh is too coarse to place a point
    assert_allclose(np.diff(front.power), np.diff(front.power).mean(), rtol=1.01)


def test_drives_of_points_have_norm_one_and_the_numbers_of_second_order():
    machine = engine()
    front = pareto_front(machine, MESH, points=7)
    assert_allclose((front.coupling_amplitude**2).sum(("frequency", "oscillator")) / 2, 1.0, rtol=1e-12)
    for point in (0, 3, 6):
        one = front.isel(point=point)
        if np.any(one.coupling_amplitude, axis=1).sum() > 1:
            continue  # two frequencies of a mesh: not periodic
        found = second_order(optimal_machine(machine, front, point))
        for name in ("power", "heat_current", "efficiency", "entropy_production"):
            assert_allclose(one[name], found[name], rtol=ROUNDING)


def test_superposition_bridges_two_harmonics_linearly():
    machine = engine(base=0.23)
    front = pareto_front(machine, points=41)
    used = (front.coupling_amplitude > 0).any("oscillator").values
    mixed = np.flatnonzero(used.sum(axis=1) == 2)
    assert len(mixed) > 3
    # one jump: one pair of harmonics, one marginal efficiency, a straight line of power against heat
    same = [i for i in mixed if np.array_equal(used[i], used[mixed[0]])]
    assert len(same) >= 3
    assert_allclose(front.marginal_efficiency[same], front.marginal_efficiency[same[0]], rtol=1e-9)
    hot = front.heat_current.values[:, 0]
    slopes = [-(front.power[j] - front.power[i]) / (hot[j] - hot[i]) for i, j in pairwise(same)]
    assert_allclose(slopes, front.marginal_efficiency[same[0]], rtol=1e-6)
    for point in (same[0], same[-1]):
        found = second_order(optimal_machine(machine, front, point))
        for name in ("power", "heat_current", "efficiency"):
            assert_allclose(front[name][point], found[name], rtol=ROUNDING)


def test_independent_wiring_drives_one_oscillator_or_a_mixture_of_two():
    machine = engine(wiring="independent")
    front = pareto_front(machine, MESH, points=41)
    single = [engine(omega=(w,), coupling=cosines(0.0)) for w in machine.omega]
    alone = [pareto_front(one, MESH, points=2).attrs for one in single]
    assert_allclose(front.attrs["largest_output"], max(a["largest_output"] for a in alone), rtol=1e-9)
    assert_allclose(front.attrs["largest_efficiency"], max(a["largest_efficiency"] for a in alone), rtol=1e-9)
    driven = (front.coupling_amplitude > 0).sum(("frequency", "oscillator"))
    assert driven.min() == 1
    assert driven.max() <= 2


def test_more_harmonics_never_help():
    machine = engine(base=0.23)
    few, many = (pareto_front(machine, 0.23 * np.arange(1, n + 1), points=9) for n in (4, 12))
    assert few.attrs["largest_output"] <= many.attrs["largest_output"] * (1 + 1e-12)
    single = [pareto_front(machine, [0.23 * n], points=2).attrs["largest_output"] for n in range(1, 13)]
    assert_allclose(many.attrs["largest_output"], max(single), rtol=1e-12)


def test_refinement_climbs_to_the_optimum_over_frequency():
    coarse, fine = (pareto_front(engine(), MESH, points=3, refinements=n) for n in (0, 2))
    dense = pareto_front(engine(), np.linspace(0.67, 0.71, 801), points=3)
    assert coarse.attrs["largest_output"] < fine.attrs["largest_output"]
    # a maximum: quadratic in the spacing, 2.6e-4 and 5e-5 of a line of width 0.1
    assert_allclose(fine.attrs["largest_output"], dense.attrs["largest_output"], rtol=1e-5)
    assert 0 < fine.attrs["mesh_gain"] < 1e-3


def test_dead_engine_has_no_points_and_says_how_far_from_alive():
    front = pareto_front(engine(gamma=100.0, wiring="independent"), MESH, points=5, refinements=1)
    assert front.sizes["point"] == 0
    assert front.attrs["largest_output"] < 0
    forms = drive_forms(engine(gamma=100.0, wiring="independent"), MESH)
    assert np.linalg.eigvalsh(forms.power).min() >= -front.attrs["largest_output"]


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_generic_optimizer_finds_the_same_front(level):
    """Two harmonics and Ω itself, 9 parameters, by differential evolution on `second_order`."""
    machine = engine()
    mesh = np.concatenate([np.linspace(0.05, 0.6, 50), np.linspace(0.6, 0.9, 301), np.linspace(0.9, 1.5, 60)])
    front = Front(machine, drive_forms(machine, mesh))
    marginal = level * front.largest_efficiency
    bound = front.support(np.array([marginal]))[0][0]

    def loss(parameters):
        g = (parameters[:8].reshape(2, 2, 2, -1) * np.array([1, 1j])[:, None]).sum(axis=2)
        g = g / np.sqrt(2 * (np.abs(g) ** 2).sum(axis=(0, 1)))
        trials = [machine_of(machine, one) for one in np.moveaxis(g, -1, 0)]
        found, _ = second_order_averages(trials, parameters[8][:, None])
        return (found["power"] + marginal * found["heat_current"][..., 0])[:, 0]

    result = differential_evolution(
        loss,
        [(-1, 1)] * 8 + [(0.05, 1.5)],
        maxiter=60,
        popsize=8,
        rng=1,
        vectorized=True,
        updating="deferred",
        polish=False,
        tol=0,
    )
    # never above the certificate but for the mesh (quadratic in its spacing, 1e-3); its own error: percents
    assert -result.fun <= bound * (1 + 1e-4)
    assert_allclose(-result.fun, bound, rtol=0.03)


def test_best_drive_is_the_exact_one_at_weak_driven_coupling():
    weak = Lorentzian(strength=1e-4, frequency=1.29, gamma=0.05)
    machine = engine(driven_density=weak, gamma=0.5)
    front = pareto_front(machine, MESH, points=3)
    exact = periodic_steady_state(optimal_machine(machine, front, 0), tolerance=1e-5, phases=4)
    # discretization: what second order leaves out is proportional to d, here below a percent
    assert_allclose(front.power[0], exact.power, rtol=0.01)
    assert_allclose(front.efficiency[0], exact.efficiency, rtol=0.01)


def test_errors_bound_what_perturbed_forms_change():
    machine, rng = engine(gamma=100.0), np.random.default_rng(3)
    forms = drive_forms(machine, MESH)
    values = Front(machine, forms).support(np.array([0.2]))[0]
    for _ in range(20):
        signs = rng.choice([-1.0, 1.0], forms.power_error.shape)
        moved = drive_forms(machine, MESH)
        moved.power[...] += 0.5 * (signs + signs.swapaxes(1, 2)) * 1e6 * forms.power_error
        change = np.abs(Front(machine, moved).support(np.array([0.2]))[0] - values)
        assert change <= 1e6 * Front(machine, forms).support_error(np.array([0.2]))


def test_errors_of_forms_bound_what_errors_of_their_probes_change():
    rng, upper, bodies = np.random.default_rng(4), [(0, 1), (0, 2), (1, 2)], 3
    values, errors = rng.standard_normal((9, 5)), rng.uniform(0.1, 1.0, (9, 5))
    bound = _error_matrix(errors, upper, bodies)
    for _ in range(50):
        moved = values + rng.choice([-1.0, 1.0], errors.shape) * errors
        change = np.abs(_matrix(moved, upper, bodies) - _matrix(values, upper, bodies))
        assert np.all(change <= bound * (1 + 1e-12))


@pytest.mark.parametrize("is_reversed", [False, True])
def test_error_of_the_static_heat_is_that_of_what_balances_it(is_reversed):
    machine = reversed_reservoirs(engine()) if is_reversed else engine()
    front = pareto_front(machine, MESH, points=5)
    driven, static = (1, 0) if is_reversed else (0, 1)
    balancing = front.power_error + front.heat_current_error[:, driven]
    assert_allclose(front.heat_current_error[:, static], balancing, rtol=1e-12)


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"points": 1}, "`points`"),
        ({"frequencies": [0.1, -0.2]}, "`frequencies`"),
        ({"frequencies": []}, "`frequencies`"),
        ({"frequencies": [0.3], "refinements": 1}, "`refinements`"),
    ],
)
def test_bad_input_is_named(kwargs, words):
    with pytest.raises(InputError, match=words):
        pareto_front(engine(), **kwargs)


def test_an_engine_needs_two_temperatures_and_two_reservoirs():
    with pytest.raises(InputError, match="temperature"):
        pareto_front(engine(temperatures=(0.5, 0.5)))
    machine = engine()
    third = machine.reservoirs[1].model_copy(update={"name": "third"})
    with pytest.raises(InputError, match="one driven and one static"):
        pareto_front(
            Machine(
                frequencies=machine.frequencies,
                reservoirs=(*machine.reservoirs, third),
                drive_frequency=0.3,
            )
        )


def test_mixture_of_incommensurate_frequencies_is_no_machine():
    machine = engine(base=0.37)
    front = pareto_front(machine, [0.6, 0.85], points=21)
    mixed = np.flatnonzero((front.coupling_amplitude > 0).any("oscillator").sum("frequency") == 2)
    with pytest.raises(InputError, match="multiples"):
        optimal_machine(machine, front, int(mixed[0]))


def test_bisection_is_as_fine_as_it_says(monkeypatch):
    """Fewer halvings miss the power asked for."""
    good = pareto_front(engine(), MESH, points=5)
    monkeypatch.setattr(optimal_drives, "HALVINGS", 4)
    coarse = pareto_front(engine(), MESH, points=5)
    assert np.abs(good.power - coarse.power).max() > 1e-6
