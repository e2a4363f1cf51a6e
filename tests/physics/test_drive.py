"""Drives: one real Fourier series, whatever way it is written."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langevin_qtm.errors import InputError
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.reservoir import Ohmic, Reservoir

ROUNDING = 1e-13  # rounding: sums of a few waves of size below 10
ANGLES = 2 * np.pi * np.arange(64) / 64
NUMBERS = st.floats(-2.0, 2.0)
SERIES = st.dictionaries(st.integers(1, 12), st.tuples(NUMBERS, NUMBERS), max_size=4)


@st.composite
def drives(draw):
    waves = [(n, re, im) for n, (re, im) in draw(SERIES).items()]
    return Drive(harmonics=((0, draw(NUMBERS), 0.0), *waves))


@given(drives())
@settings(derandomize=True, max_examples=50, deadline=None)
def test_fourier_transform_of_the_values_gives_the_coefficients(drive):
    spectrum = np.fft.ifft(drive.value(ANGLES))  # (1/N) Σ g(θ) e^{+inθ}
    orders = np.arange(-15, 16)
    np.testing.assert_allclose(drive.coefficients(15), spectrum[orders], rtol=0, atol=ROUNDING)


@given(drives())
@settings(derandomize=True, max_examples=50, deadline=None)
def test_slope_is_the_derivative_of_the_value(drive):
    spectrum = np.fft.ifft(drive.slope(ANGLES))
    orders = np.arange(-15, 16)
    np.testing.assert_allclose(
        -1j * orders * drive.coefficients(15), spectrum[orders], rtol=0, atol=20 * ROUNDING
    )


@given(drives(), st.floats(-10.0, 10.0))
@settings(derandomize=True, max_examples=50, deadline=None)
def test_value_is_the_sum_of_the_coefficients_with_waves_minus_i_n_theta(drive, theta):
    orders = np.arange(-12, 13)
    total = drive.coefficients(12) @ np.exp(-1j * orders * theta)
    assert drive.value(theta) == pytest.approx(total.real, abs=ROUNDING)
    assert total.imag == pytest.approx(0.0, abs=ROUNDING)


def test_a_cosine_has_the_amplitude_phase_and_mean_it_was_given():
    drive = Drive.cosine(amplitude=1.5, phase=0.4, mean=-0.2)
    np.testing.assert_allclose(drive.value(ANGLES), -0.2 + 1.5 * np.cos(ANGLES + 0.4), rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(drive.slope(ANGLES), -1.5 * np.sin(ANGLES + 0.4), rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(drive.coefficients(1)[2], 0.75 * np.exp(-0.4j), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        (0.7, Drive.constant(0.7)),
        (2, Drive.constant(2.0)),
        ({"mean": 0.7}, Drive.constant(0.7)),
        ({"amplitude": 1.2}, Drive.cosine(1.2)),
        ({"phase": 0.3, "amplitude": 1.2}, Drive.cosine(1.2, 0.3)),
        ({"amplitude": 1.2, "phase": 0.3, "mean": 0.1}, Drive.cosine(1.2, 0.3, 0.1)),
        ({"harmonics": [[1, 0.5, 0.0]]}, Drive.cosine(1.0)),
        ({"harmonics": ((0, 0.7, 0.0),)}, Drive.constant(0.7)),
    ],
    ids=["number", "integer", "mean", "amplitude", "amplitude-phase", "cosine", "harmonics", "harmonic-zero"],
)
def test_every_shorthand_of_a_run_file_gives_the_same_coupling(short, long):
    assert Drive.model_validate(short) == long


@pytest.mark.parametrize(
    ("drive", "order"),
    [
        (Drive(harmonics=()), 0),
        (Drive.constant(1.0), 0),
        (Drive.cosine(0.0, mean=1.0), 0),
        (Drive(harmonics=((3, 0.0, 0.0), (2, 0.0, 1e-300))), 2),
        (Drive.cosine(), 1),
        (Drive(harmonics=((64, 1.0, 0.0),)), 64),
    ],
    ids=["empty", "constant", "cosine-without-amplitude", "trailing-zero", "cosine", "highest"],
)
def test_order_counts_nonzero_harmonics_alone(drive, order):
    assert drive.order == order
    assert drive.is_static == (order == 0)


def test_coefficients_of_lower_order_drop_the_harmonics_above():
    drive = Drive(harmonics=((0, 1.0, 0.0), (2, 0.5, 0.25)))
    np.testing.assert_array_equal(drive.coefficients(0), [1.0])
    np.testing.assert_array_equal(drive.coefficients(1), [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(drive.coefficients(2), [0.5 - 0.25j, 0, 1, 0, 0.5 + 0.25j])


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)], ids=str)
def test_value_and_slope_keep_the_shape_of_the_angles(shape):
    for drive in (Drive(harmonics=()), Drive.cosine(mean=1.0)):
        assert np.shape(drive.value(np.zeros(shape))) == shape
        assert np.shape(drive.slope(np.zeros(shape))) == shape


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("cos", r"`: 'cos' is not a coupling: it must be a number, a table with `amplitude`, `phase`"),
        (True, r"`: True is not a coupling"),
        ({}, r"`: {} is not a coupling"),
        ({"amplitude": 1.0, "frequency": 2.0}, r"`: {'amplitude': 1.0, 'frequency': 2.0} is not a coupling"),
        ({"amplitude": 1.0, "harmonics": []}, r"`: {'amplitude': 1.0, 'harmonics': []} is not a coupling"),
        ({"amplitude": "1"}, r".amplitude` = '1' is not allowed: it must be a finite number."),
        ({"phase": float("nan")}, r".phase` = nan is not allowed: it must be a finite number."),
        ({"mean": True}, r".mean` = True is not allowed: it must be a finite number."),
        (float("inf"), r".mean` = inf is not allowed: it must be a finite number."),
        (
            {"harmonics": [[1, 1.0, 0.0], [1, 1.0, 0.0]]},
            r".harmonics` has orders [1, 1]: each order must appear",
        ),
        (
            {"harmonics": [[0, 1.0, 0.1]]},
            r".harmonics` of order 0 must be real: set its imaginary part to 0.",
        ),
        ({"harmonics": [[-1, 1.0, 0.0]]}, r".harmonics.0.0` = -1 is not allowed: it must be greater than"),
        ({"harmonics": [[65, 1.0, 0.0]]}, r".harmonics.0.0` = 65 is not allowed: it must be less than"),
        ({"harmonics": [[1.5, 1.0, 0.0]]}, r".harmonics.0.0` = 1.5 is not allowed"),
        ({"harmonics": [[1, float("inf"), 0.0]]}, r".harmonics.0.1` = inf is not allowed"),
        ({"harmonics": [[1, 1.0]]}, r".harmonics.0.2` is missing; add it."),
        ({"harmonics": 1.0}, r".harmonics` = 1.0 is not allowed: it must be a list"),
    ],
    ids=str,
)
def test_what_is_no_coupling_is_refused_with_its_remedy(data, message):
    with pytest.raises(InputError, match=re.escape("`coupling.A" + message)):
        Reservoir(name="r", temperature=0.0, spectral_density=Ohmic(gamma=1.0), coupling={"A": data})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Drive.constant(float("inf")), r"^`mean` = inf is not allowed"),
        (lambda: Drive.constant("1"), r"^`mean` = '1' is not allowed"),
        (lambda: Drive.cosine(phase=float("nan")), r"^`phase` = nan is not allowed"),
        (lambda: Drive(harmonics=((0, 1.0, 2.0),)), r"^`harmonics` of order 0 must be real"),
        (lambda: Drive(), r"is not a coupling"),
    ],
    ids=["infinite", "text", "nan", "complex-mean", "empty"],
)
def test_python_constructors_refuse_with_the_same_sentences(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_drives_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Drive.constant(1.0).harmonics = ()
