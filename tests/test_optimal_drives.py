"""Pareto fronts over generic drives: against averages of single drives, and against generic optimisers."""

import numpy as np
import pytest
from helpers.machines import cosines, driven, single_machine, standard_machine, static
from numpy.testing import assert_allclose
from scipy.optimize import differential_evolution, minimize, minimize_scalar

from langevin_qtm import InputError, pareto_front, second_order
from langevin_qtm.exact.optimal_drives import Front, drive_forms, optimal_machine
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import Lorentzian, Ohmic

HOT, COLD = 1.0, 0.1
ROUNDING = 1e-9  # sums of a few numbers of second order, relative to the largest
OPTIMISER = 1e-6  # what a generic optimiser may miss
HARMONICS = np.arange(1, 5)


def engine(
    static_gamma=0.1,
    wiring="joint",
    drive_frequency=0.35,
    temperatures=(HOT, COLD),
    omega=(1.0, 0.6),
    line=1.3,
):
    """Engine of the published kind: a line at 1.3 above two oscillators."""
    return standard_machine(
        omega=omega,
        drive_frequency=drive_frequency,
        driven_density=Lorentzian(strength=0.5, frequency=line, gamma=0.05),
        static_density=Ohmic(gamma=static_gamma),
        temperatures=temperatures,
        wiring=wiring,
    )


ENGINES = {
    "weak-joint": engine(),
    "weak-independent": engine(wiring="independent"),
    "strong-joint": engine(100.0, drive_frequency=0.25),
    "three": engine(omega=(1.0, 0.6, 0.8), drive_frequency=0.25),
    "hot-static": engine(temperatures=(COLD, HOT), drive_frequency=0.3, line=0.3),
}
every_engine = pytest.mark.parametrize("machine", ENGINES.values(), ids=ENGINES.keys())


@pytest.fixture(scope="module")
def fronts():
    """Front of every engine over its first harmonics."""
    return {
        name: pareto_front(machine, machine.angular_frequency * HARMONICS, points=21)
        for name, machine in ENGINES.items()
    }


@pytest.fixture(scope="module")
def searched():
    """A machine, its forms, and its front, on which two harmonics meet."""
    machine = ENGINES["weak-joint"]
    front = Front(machine, forms := drive_forms(machine, 0.1 * np.arange(1, 9)))
    front.forms = forms  # all harmonics, for the optimisers
    return front


def random_drive(rng, bodies, harmonics=4):
    """Complex amplitudes (harmonic, oscillator) of norm 1."""
    g = rng.standard_normal((harmonics, bodies)) + 1j * rng.standard_normal((harmonics, bodies))
    g *= 10 ** rng.uniform(-2, 0, (harmonics, 1))
    return g / np.sqrt(2 * np.sum(np.abs(g) ** 2))


def driven_with(machine, g, mean=0.0):
    """The machine with g (harmonic, oscillator) and a mean as couplings."""
    coupling = {
        name: Drive(
            harmonics=(
                (0, mean, 0.0),
                *((n + 1, float(x.real), float(x.imag)) for n, x in enumerate(g[:, l])),
            )
        )
        for l, name in enumerate(machine.oscillators)
    }
    first, second = machine.reservoirs
    return Machine(
        frequencies=machine.frequencies,
        reservoirs=(first.with_coupling(coupling), second),
        drive_frequency=machine.drive_frequency,
        wiring=machine.wiring,
    )


@every_engine
def test_forms_give_power_and_heat_of_any_drive(machine):
    rng = np.random.default_rng(1)
    everything = drive_forms(machine, machine.angular_frequency * HARMONICS)
    for _ in range(5):
        g = random_drive(rng, len(machine.omega))
        direct = second_order(driven_with(machine, g))
        power = 2 * np.einsum("nl,nlk,nk", g.conj(), everything.power, g)
        heat = 2 * np.einsum("nl,nlk,nk", g.conj(), everything.heat, g)
        scale = float(np.abs(direct.heat_current).max())
        assert_allclose(power, direct.power, rtol=0, atol=ROUNDING * scale)
        assert_allclose(heat, direct.heat_current[0], rtol=0, atol=ROUNDING * scale)
    assert_allclose(everything.power, everything.power.conj().swapaxes(1, 2), rtol=0, atol=0)


def test_a_mean_coupling_does_no_work_and_leaks_heat():
    machine, g = ENGINES["weak-joint"], random_drive(np.random.default_rng(2), 2)
    without, leaking = (second_order(driven_with(machine, g, mean)) for mean in (0.0, 0.5))
    assert_allclose(leaking.power, without.power, rtol=ROUNDING)
    assert leaking.heat_current[0] > 1.001 * without.heat_current[0]


@pytest.mark.parametrize("name", ENGINES)
def test_points_of_the_front_are_averages_of_their_drives(fronts, name):
    machine, front = ENGINES[name], fronts[name]
    for point in (0, 7, 14, 20):
        optimum, one = optimal_machine(machine, front, point), front.isel(point=point)
        direct = second_order(optimum)
        for label in ("power", "heat_current", "efficiency", "entropy_production"):
            assert_allclose(one[label], direct[label], rtol=ROUNDING, err_msg=label)
        assert np.all(one["power_error"] >= direct["power_error"] * 0.1)
        assert float(one["power_error"]) < 1e-6 * abs(float(one["power"]))


@pytest.mark.parametrize("name", ENGINES)
def test_couplings_have_norm_one_in_time(fronts, name):
    machine = optimal_machine(ENGINES[name], fronts[name], 10)
    theta = 2 * np.pi * np.arange(64) / 64
    drives = next(r.coupling for r in machine.reservoirs if r.coupling is not None)
    assert_allclose(sum(np.mean(drive.value(theta) ** 2) for drive in drives.values()), 1.0, rtol=1e-12)


@pytest.mark.parametrize("name", ENGINES)
def test_fronts_fall_in_power_and_rise_in_efficiency_and_obey_the_second_law(fronts, name):
    front = fronts[name]
    power, efficiency = -front["power"].values, front["efficiency"].values
    carnot = 1 - COLD / HOT
    assert front.sizes["point"] == 21
    assert np.all(np.diff(power) < 1e-12)
    assert np.all(np.diff(efficiency) > -1e-12)
    assert np.all(np.diff(front["marginal_efficiency"]) >= 0)
    assert_allclose(power[0], front.attrs["largest_output"], rtol=1e-12)
    assert_allclose(efficiency[-1], front.attrs["largest_efficiency"], rtol=1e-9)
    assert efficiency[-1] < carnot
    assert_allclose(front["entropy_production"], power * (carnot / efficiency - 1) / COLD, rtol=ROUNDING)


@pytest.mark.parametrize("name", ENGINES)
def test_no_random_drive_crosses_a_supporting_line(fronts, name):
    machine, front = ENGINES[name], fronts[name]
    everything = Front(machine, drive_forms(machine, machine.angular_frequency * HARMONICS))
    rng, used = np.random.default_rng(3), np.searchsorted(everything.forms.frequency, front.frequency)
    g = np.stack(
        [random_drive(rng, len(machine.omega), len(everything.forms.frequency)) for _ in range(4000)]
    )
    best = 0.5 * front["coupling_amplitude"].values * np.exp(-1j * front["coupling_phase"].values)
    near = np.zeros((21, *g.shape[1:]), dtype=complex)
    near[:, used] = best
    near = np.concatenate([near + scale * g[:21] for scale in (1e-3, 1e-2, 0.1)])
    near /= np.sqrt(2 * np.sum(np.abs(near) ** 2, axis=(1, 2), keepdims=True))
    both = np.concatenate([g, near])
    lines = (
        everything.output(both)[:, None]
        - front["marginal_efficiency"].values * everything.heat(both)[:, None]
    )
    slack = front["bound"].values - lines
    assert slack.min() > -1e-12 * front.attrs["largest_output"]
    assert slack[-63:].min() < 1e-4 * front.attrs["largest_output"]  # the lines touch


def search(front, efficiency, seed):
    """Largest output power at no less than an efficiency, by a local optimiser from a random drive."""
    shape = front.forms.power.shape[:2]

    def drive(x):
        return (x[: x.size // 2] + 1j * x[x.size // 2 :]).reshape(shape)

    def gradient(form, x):
        g = 4 * np.einsum("nlk,nk->nl", form, drive(x)).ravel()
        return np.concatenate([g.real, g.imag])

    surplus = -front.forms.power - efficiency * front.hot_heat
    constraints = [
        {"type": "eq", "fun": lambda x: 2 * x @ x - 1, "jac": lambda x: 4 * x},
        {
            "type": "ineq",
            "fun": lambda x: front.output(drive(x)) - efficiency * front.heat(drive(x)),
            "jac": lambda x: gradient(surplus, x),
        },
    ]
    start = random_drive(np.random.default_rng(seed), shape[1], shape[0]).ravel()
    found = minimize(
        lambda x: -front.output(drive(x)),
        np.concatenate([start.real, start.imag]),
        jac=lambda x: gradient(front.forms.power, x),
        constraints=constraints,
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-13},
    )
    is_feasible = all(abs(min(0.0, float(c["fun"](found.x)))) < 1e-9 for c in constraints)
    return front.output(drive(found.x)) if is_feasible else -np.inf


def test_a_generic_optimiser_comes_close_and_is_never_better(searched):
    _, bound, g = searched.along(7)
    power, efficiency = searched.output(g), searched.output(g) / searched.heat(g)
    assert np.any(np.count_nonzero(np.any(g, axis=2), axis=1) > 1)  # two harmonics together
    assert bound[0] == searched.largest_output
    for p, eta in zip(power[1:-1], efficiency[1:-1], strict=True):
        found = np.array([search(searched, eta, seed) for seed in range(12)])
        assert found.max() <= p * (1 + 1e-7), eta
        assert found.max() >= p * (1 - OPTIMISER), eta


def test_differential_evolution_finds_the_largest_efficiency(searched):
    shape = searched.forms.power.shape[:2]

    def loss(x):
        g = (x[: len(x) // 2] + 1j * x[len(x) // 2 :]).T.reshape(-1, *shape)
        return -searched.output(g) / np.maximum(searched.heat(g), 1e-9)

    found = differential_evolution(
        loss, [(-1, 1)] * (2 * shape[0] * shape[1]), seed=5, vectorized=True, updating="deferred", maxiter=300
    )
    assert -found.fun <= searched.largest_efficiency * (1 + 1e-12)
    assert -found.fun >= searched.largest_efficiency * (1 - OPTIMISER)


def test_independent_oscillators_have_diagonal_forms_and_are_driven_one_at_a_time(fronts):
    machine = ENGINES["weak-independent"]
    forms = drive_forms(machine, [0.3, 0.7])
    apart = ~np.eye(2, dtype=bool)
    assert_allclose(forms.power[:, apart], 0, atol=1e-12 * np.abs(forms.power).max())
    amplitude = fronts["weak-independent"]["coupling_amplitude"].values
    assert np.all(np.count_nonzero(amplitude > 1e-6, axis=2) <= 1)
    alone = single_machine(
        driven_density=machine.reservoirs[0].spectral_density,
        static_density=machine.reservoirs[1].spectral_density,
        temperatures=(HOT, COLD),
    )
    assert_allclose(forms.power[:, 0, 0], drive_forms(alone, [0.3, 0.7]).power[:, 0, 0], rtol=ROUNDING)


def test_a_refined_mesh_finds_the_best_frequency():
    machine = ENGINES["strong-joint"]
    coarse = pareto_front(machine, np.linspace(0.1, 1.0, 46), points=5)
    fine = pareto_front(machine, np.linspace(0.1, 1.0, 46), points=5, refinements=3)

    def top(nu):
        return -np.linalg.eigvalsh(-drive_forms(machine, [nu]).power[0])[-1]

    best = minimize_scalar(top, bounds=(0.4, 0.6), method="bounded", options={"xatol": 1e-6})
    assert coarse.attrs["largest_output"] < fine.attrs["largest_output"]
    assert_allclose(fine.attrs["largest_output"], -best.fun, rtol=1e-5)
    assert 0 <= fine.attrs["mesh_gain"] < 1e-3


def test_a_markovian_reservoir_and_one_oscillator_make_no_engine():
    machine = single_machine(
        driven_density=Ohmic(gamma=0.01), static_density=Ohmic(gamma=0.1), temperatures=(HOT, COLD)
    )
    front = pareto_front(machine, np.geomspace(0.05, 5.0, 40))
    assert front.sizes["point"] == 0
    assert front.attrs["largest_output"] < 0


def test_drives_of_one_point_need_one_period():
    machine = ENGINES["weak-joint"]
    front = pareto_front(machine, [0.7, 0.8137], points=9)
    several = np.count_nonzero((front.coupling_amplitude > 0).any("oscillator"), axis=1) > 1
    with pytest.raises(InputError, match="multiples"):
        optimal_machine(machine, front, int(np.flatnonzero(several)[0]))


@pytest.mark.parametrize(
    ("machine", "arguments", "text"),
    [
        (engine(), {"frequencies": [0.0, 1.0]}, "> 0"),
        (engine(), {"frequencies": []}, "> 0"),
        (engine(), {"frequencies": [np.nan]}, "> 0"),
        (engine(), {"points": 1}, "at least 2"),
        (engine(temperatures=(1.0, 1.0)), {}, "same for both"),
        (
            Machine(
                frequencies={"A": 1.0},
                drive_frequency=1.0,
                reservoirs=(
                    driven(Ohmic(gamma=0.1), 1.0, cosines(0.0)),
                    static(Ohmic(gamma=0.1), 0.1),
                    static(Ohmic(gamma=0.1), 0.2, name="other"),
                ),
            ),
            {},
            "one driven and one static",
        ),
    ],
)
def test_what_has_no_front_is_refused(machine, arguments, text):
    with pytest.raises(InputError, match=text):
        pareto_front(machine, **arguments)
