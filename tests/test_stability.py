"""Relaxation and stability: Floquet modes, their course along a parameter, the boundary of stability."""

import numpy as np
import pytest
import xarray as xr
from helpers.machines import (
    converter,
    driven,
    single_machine,
    standard_machine,
    static,
    static_machine,
)
from helpers.time_domain import TimeDomain
from numpy.testing import assert_allclose, assert_array_equal

from langevin_qtm import floquet_modes, multiplier_spectrum, stability_boundary
from langevin_qtm.data.files import open_dataset, save
from langevin_qtm.errors import InputError, NotConvergedError
from langevin_qtm.physics import floquet
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.floquet import log_multipliers, periodic_parts, spectral_line
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz, Lorentzian, Ohmic

A, B = 1.0, 0.6
ANTIPHASE = np.sqrt((A**2 + B**2) / 2)


def engine(strength, frequency, static_gamma=0.5):
    """Two oscillators; driven reservoir with a line at 1.2, static one Drude."""
    return standard_machine(
        drive_frequency=frequency,
        driven_density=Lorentzian(strength=strength, frequency=1.2, gamma=0.1),
        static_density=DrudeLorentz(gamma=static_gamma, cutoff=60.0),
    )


def unstable_machine():
    """The drive near the sum of 1.2, the line of the reservoir, and the frequencies of the oscillators."""
    return engine(strength=0.2, frequency=2.05)


def overdamped(gamma):
    return static_machine(omega=(A, B), densities=(Ohmic(gamma=gamma),))


def amplifier(strength, frequency, line=1.2, line_width=0.02, gamma=0.01):
    """One weakly damped oscillator, driven against a narrow line."""
    return single_machine(
        drive_frequency=frequency,
        driven_density=Lorentzian(strength=strength, frequency=line, gamma=line_width),
        static_density=Ohmic(gamma=gamma),
    )


def rates(machine):
    """Complex rates of an undriven machine."""
    return np.linalg.eigvals(TimeDomain(machine).generator(0.0))


def growth(machine):
    """ln max|μ| from the equations of motion, integrated in time."""
    system = TimeDomain(machine)
    period_map = system.propagators(np.array([system.period]), rtol=1e-10)[-1]
    return np.log(np.abs(np.linalg.eigvals(period_map)).max())


DRIVEN = {
    "drude": standard_machine(),
    "lorentzian": engine(0.1, 0.7),
    "unstable": unstable_machine(),
    "harmonics": standard_machine(
        coupling={"A": Drive(harmonics=((0, 0.5, 0.0), (3, -0.1, 0.2))), "B": Drive.cosine(phase=1.0)}
    ),
    "three": standard_machine(omega=(1.0, 0.6, 1.7)),
    "independent": standard_machine(wiring="independent"),
}
every_driven = pytest.mark.parametrize("machine", DRIVEN.values(), ids=DRIVEN.keys())


# Modes of an undriven machine


def strong_coupling(gamma):
    """Rates of the overdamped machine over those of physics.md section 6."""
    modes = floquet_modes(overdamped(gamma))
    decay, is_real = modes["decay_rate"].values, modes["frequency"].values == 0
    return {
        "fast": decay[is_real].max() / (2 * gamma),
        "slow": decay[is_real].min() * gamma * (A**2 + B**2) / (A * B) ** 2,
        "antiphase damping": decay[~is_real][0] * 16 * ANTIPHASE**2 * gamma / (A**2 - B**2) ** 2,
        "antiphase frequency": modes["frequency"].values[~is_real][0] / ANTIPHASE,
    }


@pytest.mark.parametrize("which", strong_coupling(1.0))
def test_strong_coupling_rates_are_reached_with_the_inverse_square_of_the_coupling(which):
    gammas = np.array([25.0, 50.0, 100.0, 200.0])
    errors = np.array([abs(strong_coupling(gamma)[which] - 1) for gamma in gammas])
    slope = np.polyfit(np.log(gammas), np.log(errors), 1)[0]
    assert -2.05 < slope < -1.95  # discretisation: measured order of the expansion in 1/γ_2
    assert errors[2] < 1e-4  # γ_2 = 100


def test_rates_at_strong_coupling():
    modes = floquet_modes(overdamped(100.0))
    # discretisation: leading order in 1/γ_2, two digits
    assert modes["decay_rate"].values == pytest.approx([3.765e-4, 3.765e-4, 2.647e-3, 200.0], rel=1e-3)
    assert modes["frequency"].values == pytest.approx([0.8246, -0.8246, 0.0, 0.0], abs=1e-4)


def test_weakly_damped_mode_is_the_antiphase_motion():
    gammas = np.array([10.0, 100.0, 1000.0])
    shapes = [floquet_modes(overdamped(gamma)).isel(mode=0) for gamma in gammas]
    misfits = np.array([np.pi - abs(shape["shape_phase"].sel(oscillator="B").item()) for shape in shapes])
    assert_allclose(misfits[1:] / misfits[:-1], 0.1, rtol=1e-2)  # discretisation: leading order in 1/γ_2
    ratio = shapes[1]["shape_amplitude"]
    assert ratio.min() / ratio.max() == pytest.approx(1.0, abs=1e-4)  # the same, second order


def test_shape_is_that_of_uncoupled_oscillators_at_weak_coupling():
    modes = floquet_modes(overdamped(1e-6))
    by_frequency = {round(float(w), 3): modes.isel(mode=k) for k, w in enumerate(modes["frequency"])}
    assert_allclose(by_frequency[1.0]["shape_amplitude"], [1.0, 0.0], atol=1e-5)
    assert_allclose(by_frequency[0.6]["shape_amplitude"], [0.0, 1.0], atol=1e-5)


def test_phase_says_which_oscillator_is_ahead():
    """x_B = Re b e^{-iwt} with b/a from the equation of motion of B: (w_B² - w² - iγw) b = iγw a."""
    modes = floquet_modes(overdamped(0.3)).isel(mode=0)
    w = modes["frequency"].item() - 1j * modes["decay_rate"].item()
    b_over_a = 0.3j * w / (B**2 - w**2 - 0.3j * w)
    a, b = modes["shape_amplitude"].values * np.exp(-1j * modes["shape_phase"].values)
    assert b / a == pytest.approx(b_over_a, rel=1e-12)  # rounding
    assert modes["frequency"] > 0


def test_undriven_multipliers_are_exponentials_over_the_averaging_period():
    machine = static_machine()
    modes = floquet_modes(machine)
    expected = np.exp(rates(machine) * machine.period)
    actual = modes["multiplier_real"].values + 1j * modes["multiplier_imag"].values
    assert all(np.abs(actual - value).min() < 1e-12 for value in expected)  # rounding
    assert_allclose(modes["modulus"], np.abs(actual), rtol=1e-12)


def test_rounding_of_the_rates_is_estimated():
    modes = floquet_modes(overdamped(100.0))
    exact = np.sort(-rates(overdamped(100.0)).real)
    assert np.all(np.abs(modes["decay_rate"] - exact) <= 10 * modes["decay_rate_error"])
    assert np.all(modes["decay_rate_error"] < 1e-10)


# Modes of a driven machine


@every_driven
def test_multipliers_are_those_of_the_equations_of_motion(machine):
    system = TimeDomain(machine)
    expected = np.linalg.eigvals(system.propagators(np.array([system.period]))[-1])
    modes = floquet_modes(machine)
    actual = modes["multiplier_real"].values + 1j * modes["multiplier_imag"].values
    slow = expected[np.abs(expected) > 1e-4]
    # discretisation: 1e-7 of the logarithm; and solve_ivp at 1e-12 of the largest
    assert all(np.abs(actual / value - 1).min() < 1e-6 for value in slow)
    assert np.count_nonzero(modes["modulus"] > 1e-4) == len(slow)
    assert modes.sizes["mode"] == system.size
    scale = np.maximum(np.abs(modes["decay_rate"]), 1e-5 / machine.period)
    assert np.all(modes["decay_rate_error"] <= 1e-7 * scale)


@pytest.mark.parametrize(
    "machine", [*DRIVEN.values(), converter()], ids=[*DRIVEN.keys(), "underflowing multipliers"]
)
def test_decay_rates_add_up_to_the_friction(machine):
    """Liouville: the sum is the period average of -tr G, however far the fast multipliers underflow."""
    system = TimeDomain(machine)
    times = system.period * np.arange(64) / 64
    friction = -np.mean([np.trace(system.generator(t)) for t in times])
    modes = floquet_modes(machine)
    bound = modes["decay_rate_error"].values.sum() + 1e-12 * friction
    assert modes["decay_rate"].values.sum() == pytest.approx(friction, abs=10 * bound)  # discretisation
    assert bound < 1e-7 * friction
    assert_array_equal(np.sort(modes["decay_rate"]), modes["decay_rate"])


def test_mode_whose_multiplier_underflows_keeps_its_rate():
    modes = floquet_modes(converter())
    fastest = modes.isel(mode=-1)
    assert fastest["modulus"] == 0
    # γ_2 = 100 against a driven reservoir of γ_1 = 0.01
    assert fastest["decay_rate"] == pytest.approx(200.0, rel=1e-4)


@every_driven
def test_frequencies_are_the_angles_of_the_multipliers_up_to_the_drive(machine):
    modes = floquet_modes(machine)
    turn = np.exp(-1j * modes["frequency"].values * machine.period)
    multipliers = modes["multiplier_real"].values + 1j * modes["multiplier_imag"].values
    assert_allclose(multipliers, modes["modulus"] * turn, rtol=0, atol=1e-12)  # rounding


@pytest.mark.parametrize("drive_frequency", [0.13, 0.3, 1.3, 40.0])
def test_slow_drive_folds_no_frequency(drive_frequency):
    """The strongest harmonic tells the branch: two lines near the bare frequencies at any Ω."""
    machine = standard_machine(
        drive_frequency=drive_frequency,
        driven_density=DrudeLorentz(gamma=1e-3, cutoff=12.0),
        static_density=Ohmic(gamma=1e-2),
    )
    modes = floquet_modes(machine)
    assert sorted(modes["frequency"].values[:4]) == pytest.approx([-A, -B, B, A], abs=0.01)  # shifted by K'


@every_driven
def test_periodic_part_solves_the_equations_of_motion(machine):
    embedding = Embedding(machine)
    maps = embedding.step_propagators(256)
    logs = log_multipliers(maps)
    for log, shape in zip(logs, periodic_parts(maps, logs), strict=True):
        onward = np.exp(-log / 256) * np.einsum("kij,kj->ki", maps, shape)
        # rounding, against the norm of all 256 states
        assert_allclose(onward, np.roll(shape, -1, axis=0), rtol=0, atol=1e-7)
        assert np.linalg.norm(shape) == pytest.approx(1.0)


def test_static_machine_has_the_same_modes_by_the_periodic_route():
    machine = static_machine()
    maps = Embedding(machine).step_propagators(64)
    logs, constant = log_multipliers(maps), floquet_modes(machine)
    assert_allclose(-logs.real / machine.period, constant["decay_rate"], rtol=1e-9)  # rounding
    for k, shape in enumerate(periodic_parts(maps, logs)):
        frequency, amplitudes = spectral_line(shape, logs[k], machine)
        rate = -logs[k].real / machine.period
        gaps = np.abs(constant["frequency"].values - frequency) + np.abs(constant["decay_rate"].values - rate)
        mode = constant.isel(mode=int(gaps.argmin()))
        assert gaps.min() < 1e-7  # rounding, of rates up to 60
        ratio = np.abs(amplitudes) / np.abs(amplitudes).max()
        assert_allclose(ratio, mode["shape_amplitude"], atol=1e-6)


def test_antiphase_mode_is_damped_by_the_driven_reservoir_when_the_static_one_no_longer_does():
    """(2.9 against 0.4) x 1e-3: the limit of small γ_1 needs γ_1 far below that scale."""
    antiphase = floquet_modes(converter()).isel(mode=1)
    assert antiphase["frequency"] == pytest.approx(ANTIPHASE, abs=1e-3)
    assert abs(antiphase["shape_phase"].sel(oscillator="B")) == pytest.approx(np.pi, abs=0.01)
    assert antiphase["decay_rate"] > 5 * strong_coupling_damping(100.0)


def strong_coupling_damping(gamma):
    return (A**2 - B**2) ** 2 / (16 * ANTIPHASE**2 * gamma)


def test_frequency_modulation_makes_the_mathieu_equation_unstable():
    """ẍ + γẋ + w²(1 + m cos 2wt)² x: growth m w/2 - γ/2, a standing wave at half the drive frequency."""
    depth, gamma = 0.02, 0.004
    machine = Machine(
        frequencies={"A": 1.0},
        drive_frequency=2.0,
        modulation={"A": Drive.cosine(depth)},
        reservoirs=(static(Ohmic(gamma=gamma), 0.1),),
    )
    modes = floquet_modes(machine)
    # discretisation: leading order in the depth
    assert -modes["decay_rate"].values == pytest.approx(
        [depth / 2 - gamma / 2, -depth / 2 - gamma / 2], rel=1e-2
    )
    assert_allclose(modes["frequency"], 1.0, atol=1e-12)
    assert_allclose(np.hypot(modes["multiplier_real"], modes["multiplier_imag"]), modes["modulus"])
    assert np.all(modes["multiplier_real"] < 0)


def test_protocol_is_judged_by_what_it_ends_in():
    machine = standard_machine()
    protocol = Machine(
        frequencies=machine.frequencies,
        reservoirs=machine.reservoirs,
        drive_frequency=machine.drive_frequency,
        chirp={"frequency": 0.7, "start": 5.0, "duration": 3.0},
    )
    expected = floquet_modes(standard_machine(drive_frequency=0.7))
    assert_allclose(floquet_modes(protocol)["decay_rate"], expected["decay_rate"], rtol=1e-7)


# Unstable machine


@pytest.fixture(scope="module")
def growing_mode():
    return floquet_modes(unstable_machine()).isel(mode=0)


@pytest.fixture(scope="module")
def growing_path():
    """Times, and positions after a kick by the equations of motion, dims (time, oscillator); 60 periods."""
    system = TimeDomain(unstable_machine())
    within = system.period * np.arange(16) / 16
    inside = np.concatenate([np.eye(system.size)[None], system.propagators(within[1:])])
    period_map, state, path = system.propagators(np.array([system.period]))[-1], np.ones(system.size), []
    for _ in range(60):
        path.append(inside[:, :2] @ state)
        state = period_map @ state
    return system.period * np.arange(960) / 16, np.concatenate(path)


def test_unstable_machine_grows_as_its_fastest_mode(growing_mode, growing_path):
    times, path = growing_path
    rate = -growing_mode["decay_rate"].item()
    assert rate == pytest.approx(0.0604681, abs=1e-7)  # the number that the docs quote
    assert np.isnan(growing_mode["relaxation_time"])
    size = np.log(np.hypot(*path.T))
    # the pair beats; slope over the last 35 periods, in which the others have decayed by e^{-18}
    slope = np.polyfit(times[400:], size[400:], 1)[0]
    assert slope == pytest.approx(rate, rel=0.01)


def test_frequency_and_shape_are_those_that_a_trajectory_shows(growing_mode, growing_path):
    times, path = (part[400:] for part in growing_path)
    steady = path * (np.exp(growing_mode["decay_rate"].item() * times) * np.hanning(560))[:, None]
    spectrum = np.fft.rfft(steady, 16 * 560, axis=0)  # of e^{+iwt}: conjugate amplitudes
    line = (np.abs(spectrum) ** 2).sum(axis=1).argmax()
    omega = 2 * np.pi * np.fft.rfftfreq(16 * 560, times[1] - times[0])[line]
    assert growing_mode["frequency"].item() == pytest.approx(omega, abs=2e-3)  # a bin is 3.7e-3
    a, b = spectrum[line]
    shape = growing_mode["shape_amplitude"].values * np.exp(1j * growing_mode["shape_phase"].values)
    assert b / a == pytest.approx(shape[1] / shape[0], rel=1e-2)  # discretisation: window


# Spectrum along a parameter


@pytest.fixture(scope="module")
def spectrum():
    return multiplier_spectrum(overdamped, np.geomspace(1e-2, 1e2, 33), "static_gamma", "omega_A")


def test_spectrum_holds_the_modes_of_each_machine(spectrum):
    for gamma in spectrum["static_gamma"].values[::8]:
        there, alone = spectrum.sel(static_gamma=gamma), floquet_modes(overdamped(gamma))
        order = np.lexsort((-there["frequency"], there["decay_rate"]))
        for name in alone.data_vars:
            assert_allclose(there[name].values[order], alone[name].values, err_msg=name)
        assert there["max_multiplier"] == alone["modulus"].max()
        assert there["longest_relaxation_time"] == alone["relaxation_time"].max()


def test_modes_are_followed_along_the_parameter(spectrum):
    decay, w = spectrum["decay_rate"].values, spectrum["frequency"].values
    assert_array_equal(decay[0], np.sort(decay[0]))
    swings = np.abs(w[-1]) > 0.5
    assert np.abs(np.diff(w[:, swings], axis=0)).max() < 0.05
    assert np.abs(np.diff(np.log(decay[:, swings]), axis=0)).max() < 0.5
    assert decay[-1, ~swings].max() / decay[-1, ~swings].min() > 1e4  # the other pair has split
    assert np.abs(np.diff(np.log(decay[20:, ~swings]), axis=0)).max() < 0.5


def test_modes_are_followed_through_a_crossing_of_their_decay_rates():
    """The fast root 2γ_2 passes the cut-off of the driven reservoir at γ_2 = 6."""
    values = np.geomspace(2.0, 40.0, 10)  # nearest neighbors alone would change places
    found = multiplier_spectrum(lambda gamma: converter(static_gamma=gamma), values)
    decay, w = found["decay_rate"].values, found["frequency"].values
    reservoir, fast = np.argmin(np.abs(decay[0] - 12)), np.argmin(np.abs(decay[0] - 4))
    assert_allclose(decay[:, reservoir], 12.0, atol=0.2)
    assert_allclose(decay[:, fast], 2 * values, rtol=0.05)
    assert_allclose(np.abs(w[:, :2]), ANTIPHASE, rtol=0.01)


def test_growth_has_no_relaxation_time():
    found = multiplier_spectrum([engine(0.01, 2.05), unstable_machine()], [0.01, 0.2], "strength")
    assert np.isnan(found["longest_relaxation_time"].values[1])
    assert found["longest_relaxation_time"].values[0] > 0
    assert found["max_multiplier"].values[0] < 1 < found["max_multiplier"].values[1]


# Boundary of stability


def amplifier_threshold(line, line_width, gamma, detuning):
    """RWA: amplitudes damped by γ/2 and line_width/2, coupled by √d/4w and √d/4w_1 at Ω = w + w_1."""
    return 4 * line * line_width * gamma * (1 + (2 * detuning / (gamma + line_width)) ** 2)


@pytest.mark.parametrize("detuning", [0.0, 0.7, -0.7], ids=["resonant", "above", "below"])
def test_threshold_is_that_of_a_parametric_amplifier_as_damping_vanishes(detuning):
    """The drive at the sum of the frequencies; `detuning` in units of the mean width."""
    gaps = []
    for scale in (1.0, 0.25):
        line_width, gamma = 0.02 * scale, 0.01 * scale
        offset = detuning * (line_width + gamma) / 2
        expected = amplifier_threshold(1.2, line_width, gamma, offset)
        found = stability_boundary(
            lambda d, w, widths=(line_width, gamma): amplifier(d, w, 1.2, *widths),
            [2.2 + offset],
            expected * np.array([0.5, 0.8, 1.3, 2.0]),
        )
        gaps.append(found["critical_strength"].item() / expected - 1)
        assert 0.5 < found["critical_angle"].item() < np.pi - 0.1
    # discretisation: beyond the rotating-wave approximation, linear in the damping
    assert abs(gaps[0]) < 0.1
    assert abs(gaps[1]) < max(0.35 * abs(gaps[0]), 2e-3)


def bisected(factory, low, high):
    """The same by bisection on the equations of motion in time."""
    while high / low > 1 + 2e-5:
        middle = np.sqrt(low * high)
        low, high = (middle, high) if growth(factory(middle)) < 0 else (low, middle)
    return np.sqrt(low * high)


@pytest.mark.parametrize("frequency", [1.0, 2.05])
def test_boundary_is_that_of_bisection_in_the_time_domain(frequency):
    found = stability_boundary(engine, [frequency], np.geomspace(0.02, 3.0, 12))
    strength = found["critical_strength"].item()
    expected = bisected(lambda d: engine(d, frequency), 0.9 * strength, 1.1 * strength)
    assert strength == pytest.approx(expected, rel=1e-4)  # discretisation: as asked for
    assert 0 < found["critical_strength_error"].item() < 1e-4 * strength
    assert found["outcome"].item() == 0


def test_counterterm_of_a_frozen_reservoir_pumps_at_twice_the_frequency():
    """Stiffness w² + s(t) with g = 1 + a cos Ωt against a slow Drude reservoir: μ = -1 at the boundary."""

    def pumped(amplitude, frequency):
        return Machine(
            frequencies={"A": 1.0},
            drive_frequency=frequency,
            reservoirs=(
                driven(DrudeLorentz(gamma=20.0, cutoff=0.05), 0.1, {"A": Drive.cosine(amplitude, mean=1.0)}),
                static(Ohmic(gamma=0.01), 0.1),
            ),
        )

    found = stability_boundary(pumped, [2.9], np.geomspace(0.01, 1.0, 12), units="1")
    assert found["critical_angle"].item() == pytest.approx(np.pi, abs=1e-9)
    strength = found["critical_strength"].item()
    assert growth(pumped(0.999 * strength, 2.9)) < 0 < growth(pumped(1.001 * strength, 2.9))
    assert found["critical_strength"].attrs["units"] == "1"


def test_the_first_of_several_crossings_is_found():
    strengths = np.geomspace(0.05, 3.0, 25)
    found = stability_boundary(engine, [1.0], strengths)
    unstable = found["max_multiplier"].values[0] > 1
    assert np.count_nonzero(np.diff(unstable)) > 1  # stable again above it
    first = strengths[np.argmax(unstable)]
    assert strengths[np.argmax(unstable) - 1] < found["critical_strength"].item() <= first


def test_no_crossing_is_nan_with_its_reason():
    found = stability_boundary(engine, [0.3, 2.05], [0.5, 1.0])
    assert np.all(np.isnan(found["critical_strength"]))
    assert np.all(np.isnan(found["critical_angle"]))
    meanings = found["outcome"].attrs["flag_meanings"].split()
    assert [meanings[k] for k in found["outcome"].values] == [
        "stable_up_to_largest_strength",
        "unstable_at_lowest_strength",
    ]
    assert "outcome" in found["critical_strength"].attrs["undefined"]


def test_scan_is_accurate_to_a_hundredth_of_its_logarithm():
    strengths = np.array([0.01, 0.1, 1.0])
    found = stability_boundary(engine, [0.7, 2.05], strengths)
    for i, w in enumerate((0.7, 2.05)):
        for k, d in enumerate(strengths):
            expected = growth(engine(d, w))
            assert np.log(found["max_multiplier"].values[i, k]) == pytest.approx(expected, rel=1e-2)


# Form


@pytest.mark.parametrize(
    "dataset",
    [
        lambda: floquet_modes(unstable_machine()),
        lambda: multiplier_spectrum(overdamped, [0.1, 0.2], "static_gamma", "omega_A"),
        lambda: stability_boundary(engine, [2.05], [0.02, 0.2], units="omega_A^4"),
    ],
    ids=["modes", "spectrum", "boundary"],
)
def test_datasets_state_units_and_survive_the_disk(dataset, tmp_path):
    dataset = dataset()
    for name, variable in dataset.variables.items():
        assert variable.attrs["units"], name
        assert variable.attrs["long_name"], name
    save(dataset, tmp_path / "modes.nc")
    xr.testing.assert_identical(open_dataset(tmp_path / "modes.nc").drop_attrs(), dataset.drop_attrs())


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: multiplier_spectrum([overdamped(1.0)], [1.0, 2.0]), "1 `machines` for 2 `values`"),
        (lambda: multiplier_spectrum(overdamped, []), "at least one number"),
        (lambda: multiplier_spectrum(overdamped, [1.0], "mode"), "taken by a variable"),
        (
            lambda: multiplier_spectrum([overdamped(1.0), static_machine()], [0, 1]),
            "Machine 1 has other oscillators or another number of modes",
        ),
        (lambda: stability_boundary(engine, [1.0], [1.0]), "two or more numbers > 0 in ascending order"),
        (lambda: stability_boundary(engine, [1.0], [1.0, 0.5]), "two or more numbers > 0 in ascending order"),
        (lambda: stability_boundary(engine, [1.0], [0.0, 0.5]), "two or more numbers > 0 in ascending order"),
        (lambda: stability_boundary(engine, [1.0], [0.1, 0.5], tolerance=0), "between 0 and 1"),
    ],
    ids=["lengths", "empty", "name", "kinds", "one", "descending", "zero", "tolerance"],
)
def test_refusals_name_the_argument(ask, sentence):
    with pytest.raises(InputError, match=sentence):
        ask()


def test_period_too_long_for_its_fastest_mode_is_refused(monkeypatch):
    monkeypatch.setattr(floquet, "MAX_STEPS", 4096)
    machine = standard_machine(drive_frequency=1e-4, static_density=Ohmic(gamma=100.0))
    with pytest.raises(NotConvergedError, match="Floquet modes did not converge"):
        floquet_modes(machine)
