"""Factors of the noise of a step: what they leave out, how many normals they take."""

import numpy as np
import pytest
from sampler_machines import law, relative_to_largest
from threadpoolctl import threadpool_limits

from langevin_qtm.sampling.factors import NEGLIGIBLE, step_factors
from langevin_qtm.sampling.step_law import StepLaw

NAMES = [
    "standard",
    "converter",
    "fast drive",
    "engine",
    "independent",
    "all that is hard",
    "zero temperature",
]


def noise_map(factors):
    """Noise of z, force integrals and filter states as linear maps of the normals, (phase, state, normal)."""
    steps = len(factors.noise)
    filters = np.broadcast_to(factors.filter_noise, (steps, *factors.filter_noise.shape))
    return np.concatenate([factors.noise, filters], axis=1)


def drawn_law(found, factors):
    """The law of the steps with the covariance that the factors draw from."""
    drawn = noise_map(factors)
    return StepLaw(found.layout, found.propagator, (drawn @ drawn.swapaxes(1, 2))[None])


@pytest.fixture(scope="module", params=NAMES)
def factored(request):
    found = law(request.param)
    return found, step_factors(found)


def test_factors_reproduce_the_noise_of_every_step(factored):
    found, factors = factored
    expected = found.covariance.sum(axis=0)
    kept = found.layout.carried
    scale = np.sqrt(found.periodic_covariance.diagonal(axis1=1, axis2=2).mean(axis=0))[kept]
    deviation = (drawn_law(found, factors).covariance[0] - expected)[:, kept][:, :, kept] / np.outer(
        scale, scale
    )
    # discretisation: a direction left out has a variance of at most NEGLIGIBLE over a memory of 1000 steps or
    # more, and by Cauchy-Schwarz moves covariances with the others by no more than the root of that
    own = deviation.diagonal(axis1=1, axis2=2)
    assert np.abs(own).max() <= len(kept) * NEGLIGIBLE / 1e3
    assert np.abs(deviation).max() <= np.sqrt(len(kept) * NEGLIGIBLE / 1e3)


def test_what_factors_leave_out_does_not_move_the_steady_state(factored):
    found, factors = factored
    drawn = drawn_law(found, factors)
    # discretisation: far below the tolerance of the step law, 5e-4
    assert relative_to_largest(drawn.steady_power, found.steady_power) < 5e-5
    assert relative_to_largest(drawn.steady_covariance, found.steady_covariance) < 5e-5


def test_force_integrals_have_the_noise_of_the_law(factored):
    found, factors = factored
    fresh = slice(found.layout.dynamic, found.layout.dense)
    expected = found.covariance.sum(axis=0)[:, fresh, fresh]
    # discretisation: directions left out, relative to the integrals themselves
    scale = np.abs(expected).max() + (found.propagator[:, fresh] ** 2).sum(axis=2).max()
    drawn = drawn_law(found, factors).covariance[0][:, fresh, fresh]
    assert np.abs(drawn - expected).max() < 1e-4 * scale


def test_drift_and_decay_are_those_of_the_law(factored):
    found, factors = factored
    layout = found.layout
    np.testing.assert_array_equal(factors.drift, found.propagator[:, : layout.dense][:, :, layout.carried])
    rates = np.concatenate([one.rates for one in layout.filters])
    # rounding: of matrix exponentials
    expected = np.exp(-rates * found.machine.period / found.steps)
    np.testing.assert_allclose(factors.decay, expected, rtol=1e-12, atol=1e-14)


def test_number_of_normals_is_frugal(factored):
    found, factors = factored
    bodies, contacts, filters = found.layout.bodies, found.layout.contacts, len(factors.decay)
    assert factors.normals < 2 * bodies + contacts + filters
    assert np.all(np.abs(noise_map(factors)).max(axis=(0, 1)) > 0)  # none of them wasted
    assert np.linalg.matrix_rank(factors.filter_noise, tol=0.0) <= filters


def test_fast_drive_needs_few_normals():
    # over a step of 0.0005 hardly any filter state is fresh, and all move alike
    found = law("all that is hard")
    factors = step_factors(found)
    assert factors.normals < len(factors.decay) / 2


def test_contacts_do_not_share_normals_of_their_filters():
    factors = step_factors(law("independent"))
    for start, stop, first, end in factors.blocks:
        own = np.zeros_like(factors.filter_noise, dtype=bool)
        own[start:stop, first:end] = True
        assert not factors.filter_noise[start:stop][~own[start:stop]].any()
        assert np.abs(factors.filter_noise[start:stop, first:end]).max() > 0


def test_factors_agree_whatever_the_number_of_blas_threads():
    found = law("converter")
    results = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            results.append(noise_map(step_factors(found)))
    products = [drawn @ drawn.swapaxes(1, 2) for drawn in results]
    assert results[0].shape == results[1].shape
    np.testing.assert_allclose(products[0], products[1], atol=1e-12 * np.abs(products[0]).max())  # rounding


def test_factors_of_a_halved_noise_are_noticed():
    found = law("standard")
    weaker = StepLaw(found.layout, found.propagator, 0.99 * found.covariance)
    drawn = drawn_law(weaker, step_factors(weaker))
    assert relative_to_largest(drawn.steady_covariance, found.steady_covariance) > 5e-3
