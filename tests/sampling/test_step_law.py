"""Law of a step, without sampling: noise correlation, propagators, covariances, composition, convergence."""

import numpy as np
import pytest
from helpers.machines import BROAD_DRUDE, LORENTZIAN, standard_machine, static_machine
from sampler_machines import MACHINES, law, preparation, relative_to_largest
from scipy.integrate import quad_vec, solve_ivp
from scipy.linalg import expm, solve_continuous_lyapunov

from langevin_qtm.errors import NotConvergedError
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.reservoir import DrudeLorentz, Ohmic
from langevin_qtm.sampling.noise_filter import fit_noise_filter
from langevin_qtm.sampling.step_law import resolved_step_law, step_law, substep_edges

START = np.zeros(1)


def coarse_law(machine, steps, edges=None, band=100.0):
    """Law with a cheap noise filter, for comparisons in which only the law matters."""
    embedding = Embedding(machine)
    filters = tuple(fit_noise_filter(c.temperature, band, 1e-2, 1e-2) for c in machine.contacts)
    return step_law(embedding, filters, steps, edges)


def carried(found):
    """Indices of the variables that carry over from step to step."""
    layout = found.layout
    return np.r_[0 : layout.dynamic, layout.dense : layout.size]


# -------------------------------------------------------------------------------------- free reservoir noise


def noise_correlation(found, contact, lags):
    """<ξ(t) ξ(0)> of one contact after so many steps, from propagators and covariances alone."""
    row = np.zeros(found.layout.size)
    row[found.layout.noise[contact].start] = 1.0
    column, values = found.periodic_covariance[0] @ row, {}
    for lag in range(max(lags) + 1):
        values[lag] = row @ column
        column = found.propagator[lag % found.steps] @ column
    return np.array([values[lag] for lag in lags])


def filtered_correlation(found, contact, times):
    """∫dw/2π S(w) cos wt with S the spectrum of the filter times J/w, by Gauss rules on panels."""
    noise_filter, density = found.layout.filters[contact], found.machine.contacts[contact].density
    values = []
    for t in times:
        # stop where sin wt = 0: of the tail, of order w^-4, only w^-5 t^-2 is left
        stop = np.pi * np.ceil(max(1e4 * t, 3e3) / np.pi) / t
        edges = np.union1d(np.geomspace(1e-7, stop, 500), np.linspace(0.0, stop, int(stop * t / 2)))
        nodes, weights = np.polynomial.legendre.leggauss(10)
        middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
        omega, weight = (middle[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()
        excess = noise_filter.power_spectrum(omega) - noise_filter.white**2  # decays like w^-2
        smooth = weight @ (density.friction(omega) * excess * np.cos(omega * t)) / np.pi
        # the white part times J/w is half the memory kernel, in closed form
        values.append(smooth + noise_filter.white**2 * density.memory_kernel(t) / 2)
    return np.array(values)


def drude_correlation(density, temperature, t, terms=200_000):
    """Symmetrised noise correlation of a Drude reservoir at t > 0 as a sum over Matsubara rates."""
    rate = 2 * np.pi * temperature * np.arange(1, terms + 1)
    cutoff, gamma = density.cutoff, density.gamma
    own = gamma * cutoff**2 / 2 / np.tan(cutoff / (2 * temperature)) * np.exp(-cutoff * t)
    return own + 2 * gamma * cutoff**2 * temperature * np.sum(
        rate * np.exp(-rate * t) / (rate**2 - cutoff**2)
    )


LAGS = [1, 2, 5, 20, 64]


@pytest.mark.parametrize("name", ["standard", "independent engine", "zero temperature"])
def test_noise_correlation_over_many_steps_is_the_transform_of_the_filter_spectrum(name):
    found = law(name)
    times = found.machine.period / found.steps * np.array(LAGS)
    for contact, memory in enumerate(found.layout.embedding.memories):
        if memory.size:
            expected = filtered_correlation(found, contact, times)
            sampled = noise_correlation(found, contact, LAGS)
            variance = noise_correlation(found, contact, [0])[0]
            # discretisation: the tail of the integral; rounding: 1e-12 of the variance
            np.testing.assert_allclose(sampled, expected, rtol=1e-6, atol=1e-9 * variance)


def band_and_fit_error(found, contact, t):
    """Bound on the error of the noise correlation of a Drude reservoir at t.

    Fit: relative error of the spectrum on the band, times its integral. Beyond the band the spectrum is flat
    times J/w instead of growing: integrating by parts twice leaves γ w_c² / (π W² t²), doubled for the rest.
    """
    chosen, noise_filter = found.machine.contacts[contact], found.layout.filters[contact]
    omega = np.geomspace(1e-6, noise_filter.band, 4001)
    fit = noise_filter.error * np.trapezoid(chosen.noise_power_spectrum(omega), omega) / np.pi
    density = chosen.density
    return fit + 2 * density.gamma * (density.cutoff / noise_filter.band / t) ** 2 / np.pi


@pytest.mark.parametrize(("name", "contact"), [("standard", 0), ("standard", 1), ("converter", 0)])
def test_noise_correlation_is_that_of_the_drude_reservoir(name, contact):
    found = law(name)
    chosen, step = found.machine.contacts[contact], found.machine.period / found.steps
    for lag, sampled in zip(LAGS, noise_correlation(found, contact, LAGS), strict=True):
        expected = drude_correlation(chosen.density, chosen.temperature, lag * step)
        assert abs(sampled - expected) < band_and_fit_error(found, contact, lag * step)
        classical = chosen.temperature * chosen.density.memory_kernel(lag * step)
        if lag <= 5:  # mutant: classical noise
            assert abs(classical - expected) > 10 * band_and_fit_error(found, contact, lag * step)


# ------------------------------------------------------------------------------- one step, by scipy's routes


@pytest.fixture(scope="module", params=["joint", "independent"])
def static_law(request):
    """Static machine: one generator, so that a step of any length has an exact law."""
    densities = (DrudeLorentz(gamma=0.5, cutoff=10.0), LORENTZIAN, Ohmic(gamma=2.0))
    machine = static_machine(densities=densities, temperatures=(0.2, 0.3, 0.0), wiring=request.param)
    return coarse_law(machine, 256)


def test_covariance_of_a_step_agrees_with_van_loan(static_law):
    layout, duration = static_law.layout, static_law.machine.period / static_law.steps
    drift = layout.generator(START)[0]
    size = len(drift)
    flow = expm(drift * duration)
    kept = carried(static_law)
    # rounding: |drift| t is about 10
    np.testing.assert_allclose(static_law.propagator[0][:, kept], flow[:, kept], rtol=1e-10, atol=1e-11)
    for contact in range(layout.contacts):
        gain = layout.white_input(contact, START)[0]
        block = np.zeros((2 * size, 2 * size))
        block[:size, :size], block[:size, size:], block[size:, size:] = -drift, np.outer(gain, gain), drift.T
        parts = expm(block * duration)
        expected = parts[size:, size:].T @ parts[:size, size:]
        scale = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
        # rounding: Van Loan's block carries e^{|drift| t}
        assert np.all(np.abs(static_law.covariance[contact, 0] - expected) <= 1e-8 * scale + 1e-15)


def test_covariance_of_a_step_agrees_with_quadrature(static_law):
    machine, filters = static_law.machine, static_law.layout.filters
    layout, duration = static_law.layout, machine.period / 16
    found = step_law(layout.embedding, filters, 16)
    drift = layout.generator(START)[0]
    for contact in range(layout.contacts):
        gain = layout.white_input(contact, START)[0]

        def push(s, gain=gain):
            vector = expm(drift * s) @ gain
            return np.outer(vector, vector)

        expected, _ = quad_vec(push, 0.0, duration, epsrel=1e-11, limit=2000)
        scale = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
        # discretisation: of the quadrature
        assert np.all(np.abs(found.covariance[contact, 0] - expected) <= 1e-9 * scale + 1e-15)


@pytest.mark.parametrize("gamma", [1.0, 1e2, 1e4], ids="gamma={:g}".format)
def test_long_steps_of_a_stiff_machine_end_in_equilibrium(gamma):
    machine = static_machine(densities=(Ohmic(gamma=gamma),), temperatures=(0.1,), omega=(1.0,))
    # time for the slow overdamped rate w²/γ to die out, in one step
    machine = machine.model_copy(update={"drive_frequency": 2 * np.pi / (100 * max(gamma, 1.0))})
    found = coarse_law(machine, 1, band=10 * gamma)
    kept = carried(found)
    layout = found.layout
    drift = layout.generator(START)[0][np.ix_(kept, kept)]
    gain = layout.white_input(0, START)[0][kept]
    expected = solve_continuous_lyapunov(drift, -np.outer(gain, gain))
    scale = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
    # rounding: the slow rate is lost against the fast one, eps γ²
    limit = 1e-9 + 1e-14 * gamma**2
    assert np.all(np.abs(found.covariance[0, 0][np.ix_(kept, kept)] - expected) <= limit * scale)


def test_flow_and_noise_of_a_driven_period_agree_with_an_ode_solver():
    machine = standard_machine(
        driven_density=DrudeLorentz(gamma=0.05, cutoff=2.0),
        static_density=DrudeLorentz(gamma=0.5, cutoff=2.0),
    )
    found = coarse_law(machine, 64, band=20.0)
    layout, kept = found.layout, carried(found)
    count = len(kept)

    def rate(t, flat):
        drift = layout.generator(np.array([t]))[0][np.ix_(kept, kept)]
        flow, covariance = flat.reshape(2, count, count)
        inputs = [layout.white_input(c, np.array([t]))[0][kept] for c in range(layout.contacts)]
        change = drift @ covariance
        return np.concatenate(
            [
                (drift @ flow).ravel(),
                (change + change.T + sum(np.outer(b, b) for b in inputs)).ravel(),
            ]
        )

    start = np.concatenate([np.eye(count).ravel(), np.zeros(count**2)])
    solved = solve_ivp(rate, (0.0, machine.period), start, method="DOP853", rtol=1e-10, atol=1e-12).y[:, -1]
    expected_flow, expected_covariance = solved.reshape(2, count, count)
    errors = []
    for steps in (64, 128):
        flow, covariance = period_map(coarse_law(machine, steps, band=20.0))
        errors.append(
            [
                relative_to_largest(flow, expected_flow),
                relative_to_largest(covariance, expected_covariance),
            ]
        )
    order = np.log2(np.divide(*errors))
    assert np.all(np.abs(order - 4) < 0.5), order  # measured order
    assert max(errors[-1]) < 1e-5  # discretisation


def period_map(found):
    """Propagator and noise covariance of the carried variables over one period."""
    kept = carried(found)
    flow, covariance = np.eye(len(kept)), np.zeros((len(kept), len(kept)))
    for step, noise in zip(found.propagator, found.covariance.sum(axis=0), strict=True):
        step, noise = step[np.ix_(kept, kept)], noise[np.ix_(kept, kept)]
        flow, covariance = step @ flow, step @ covariance @ step.T + noise
    return flow, covariance


# ------------------------------------------------------------------------------------------------ composition


@pytest.mark.parametrize("machine", [standard_machine(), static_machine()], ids=["driven", "static"])
def test_substeps_compose_to_the_product_of_steps(machine):
    whole = coarse_law(machine, 8, edges=np.array([0.0, 0.5, 1.0]))
    halves = coarse_law(machine, 16)
    kept, layout = carried(whole), whole.layout
    fresh = np.arange(layout.dynamic, layout.dense)
    for step in range(8):
        first, second = halves.propagator[2 * step], halves.propagator[2 * step + 1]
        both = second[:, kept] @ first[kept]
        both[fresh] += first[fresh]  # force integrals add up
        # rounding
        np.testing.assert_allclose(whole.propagator[step][:, kept], both[:, kept], rtol=1e-11, atol=1e-13)
        early, late = halves.covariance[:, 2 * step], halves.covariance[:, 2 * step + 1]
        added = second[kept][:, kept] @ early[:, kept][:, :, kept] @ second[kept][:, kept].T
        np.testing.assert_allclose(
            whole.covariance[:, step][:, kept][:, :, kept],
            added + late[:, kept][:, :, kept],
            rtol=1e-10,
            atol=1e-14,
        )


def test_substeps_do_not_matter_while_nothing_is_driven():
    machine = static_machine(densities=(BROAD_DRUDE, Ohmic(gamma=20.0)), temperatures=(0.2, 0.1))
    plain, cut = (coarse_law(machine, 4, edges) for edges in (None, np.array([0.0, 0.5, 0.75, 0.99, 1.0])))
    # rounding: of matrix exponentials, times |drift| t
    np.testing.assert_allclose(cut.propagator, plain.propagator, atol=1e-11)
    scale = np.sqrt(plain.covariance.sum(axis=(0, 1)).diagonal())
    deviation = (cut.covariance - plain.covariance) / np.outer(scale, scale)
    assert np.abs(deviation[:, :, carried(cut)][..., carried(cut)]).max() < 1e-11


def test_force_integrals_start_anew_at_every_step():
    found = law("standard")
    assert not found.propagator[:, :, found.layout.dynamic : found.layout.dense].any()


def test_substeps_resolve_the_fastest_rate_at_the_end_of_a_step():
    embedding = Embedding(MACHINES["high cut-off"])
    edges = substep_edges(embedding.machine.period / 64 * 1000.0, 3)
    step = embedding.machine.period / 64
    assert (edges[0], edges[-1]) == (0.0, 1.0)
    assert np.all(np.diff(edges) > 0)
    assert 0 < (edges[-1] - edges[-4]) * step <= 1e-3


# -------------------------------------------------------------------------------------- periodic steady state


@pytest.mark.parametrize("name", ["standard", "converter", "fast drive", "engine", "independent"])
def test_periodic_covariance_obeys_its_recursion_and_is_periodic(name):
    found = law(name)
    covariance = found.periodic_covariance
    noise = found.covariance.sum(axis=0)
    moved = found.propagator @ covariance @ found.propagator.transpose(0, 2, 1) + noise
    expected = np.roll(covariance, -1, axis=0)
    kept = carried(found)
    scale = np.sqrt(covariance.diagonal(axis1=1, axis2=2).mean(axis=0))
    deviation = (moved - expected) / np.outer(scale, scale)
    # rounding: amplified by the memory of the machine in steps
    memory = found.layout.embedding.relaxation_time / found.machine.period * found.steps
    assert np.abs(deviation[:, kept][:, :, kept]).max() < 1e-13 * max(memory, 100.0)


@pytest.mark.parametrize("name", ["standard", "converter", "all that is hard", "zero temperature"])
def test_covariances_are_positive(name):
    found = law(name)
    for matrices in (found.periodic_covariance, found.covariance.sum(axis=0)):
        scale = np.sqrt(np.maximum(matrices.diagonal(axis1=1, axis2=2), 1e-290))
        scaled = matrices / (scale[:, :, None] * scale[:, None, :])
        assert np.linalg.eigvalsh(scaled).min() > -1e-10  # rounding


# ------------------------------------------------------------------------------------------------ convergence


def settling(name, pieces):
    """Deviations of powers and covariances with ever more substeps from those with the most."""
    found = law(name)
    embedding, filters = found.layout.embedding, found.layout.filters
    fastest = float(np.abs(embedding.characteristic_rates()).max())
    laws = [
        step_law(
            embedding,
            filters,
            found.steps,
            substep_edges(embedding.machine.period / found.steps * fastest, p),
        )
        for p in pieces
    ]
    return np.array(
        [
            [
                relative_to_largest(one.steady_power, laws[-1].steady_power),
                relative_to_largest(one.steady_covariance, laws[-1].steady_covariance),
            ]
            for one in laws[:-1]
        ]
    )


@pytest.mark.parametrize(
    "name",
    ["standard", "all that is hard", "weak coupling", pytest.param("converter", marks=pytest.mark.slow)],
)
def test_law_converges_in_the_number_of_substeps(name):
    deviations = settling(name, (1, 2, 16))
    order = np.log2(deviations[0] / deviations[1])
    assert np.all(order > 2.0), order  # measured order
    assert np.all(deviations[0] < 1e-3)


@pytest.mark.slow
def test_high_cutoff_converges_more_slowly_yet_within_the_estimate():
    deviations = settling("high cut-off", (1, 2, 4, 16))
    assert np.all(deviations[:-1] / deviations[1:] > 1.8)
    # the change at a doubling, which is the error estimate, exceeds what is left
    assert np.all(deviations[:-1] - deviations[1:] > 0.5 * deviations[1:])


def test_step_error_is_the_change_at_the_last_doubling():
    found = preparation("weak coupling")
    deviations = settling("weak coupling", (1, 2, 16))
    # the deviation that is left adds to the change
    assert found.step_error == pytest.approx((deviations[0] - deviations[1]).max(), rel=0.3)
    assert deviations[1].max() < found.step_error < 5e-4


def test_law_that_misses_its_tolerance_is_refused():
    machine = standard_machine(static_density=DrudeLorentz(gamma=0.5, cutoff=5.0))
    embedding = Embedding(machine)
    filters = tuple(fit_noise_filter(c.temperature, 10.0, 1e-1, 1e-1) for c in machine.contacts)
    with pytest.raises(
        NotConvergedError, match=r"Step law did not converge: .*loosen `solver\.step_tolerance`\."
    ):
        resolved_step_law(embedding, filters, 8, 1e-15)
