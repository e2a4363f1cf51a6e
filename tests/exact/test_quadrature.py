"""Quadrature over noise frequencies: needles, kinks, tails, and errors that bound the true ones."""

import numpy as np
import pytest

from langevin_qtm.errors import NotConvergedError
from langevin_qtm.exact.quadrature import GAUSS, KRONROD, NODES, Layout, integrate, line_mesh

ROUNDING = 1e-14  # rounding: sums of 21 terms, or of a few hundred intervals
NONE = np.zeros(0)


def absolute(total):
    """Scale of one: the tolerance is absolute."""
    return np.ones(len(total))


def single(function, mesh, tolerance=1e-10, **options):
    """Value and error of one integral over [0, ∞)."""
    result = integrate(lambda w: function(w)[:, None], mesh, absolute, tolerance, **options)
    return float(result.value[0]), float(result.error[0])


def lorentzian(w, center, width):
    return width / np.pi / ((w - center) ** 2 + width**2)


def moments(weights):
    return np.array([weights @ NODES**k for k in range(40)])


EXACT_MOMENTS = np.array([2.0 / (k + 1) if k % 2 == 0 else 0.0 for k in range(40)])


def test_kronrod_rule_is_exact_to_degree_31_and_no_further():
    np.testing.assert_allclose(moments(KRONROD)[:32], EXACT_MOMENTS[:32], rtol=0, atol=ROUNDING)
    assert abs(moments(KRONROD)[32] - EXACT_MOMENTS[32]) > 1e-12


def test_embedded_gauss_rule_is_exact_to_degree_19_and_no_further():
    np.testing.assert_allclose(moments(GAUSS)[:20], EXACT_MOMENTS[:20], rtol=0, atol=ROUNDING)
    assert abs(moments(GAUSS)[20] - EXACT_MOMENTS[20]) > 1e-7
    assert np.count_nonzero(GAUSS) == 10


def test_nodes_ascend_and_mirror_each_other():
    assert np.all(np.diff(NODES) > 0)
    np.testing.assert_array_equal(NODES, -NODES[::-1])
    np.testing.assert_array_equal(KRONROD, KRONROD[::-1])


# Integrand, poles (centers, widths), kinks, value
KNOWN = {
    "needle": (
        lambda w: lorentzian(w, 0.7, 1e-9),
        ([0.7], [1e-9]),
        NONE,
        0.5 + np.arctan(0.7e9) / np.pi,
    ),
    "needle-at-zero": (lambda w: lorentzian(w, 0.0, 1e-9), ([0.0], [1e-9]), NONE, 0.5),
    "needle-beside-a-broad-line": (
        lambda w: lorentzian(w, 2.0, 1e-9) + lorentzian(w, 1.0, 3.0),
        ([2.0, 1.0], [1e-9, 3.0]),
        NONE,
        1.0 + (np.arctan(2e9) + np.arctan(1 / 3)) / np.pi,
    ),
    "two-needles-closer-than-their-width": (
        lambda w: lorentzian(w, 1.0, 1e-7) + lorentzian(w, 1.0 + 3e-8, 1e-7),
        ([1.0, 1.0 + 3e-8], [1e-7, 1e-7]),
        NONE,
        1.0 + 2 * np.arctan(1e7) / np.pi,
    ),
    "tail-of-second-order": (lambda w: 1 / (1 + w) ** 2, ([-1.0], [1e-3]), NONE, 1.0),
    "tail-far-beyond-the-mesh": (lambda w: 1e3 / (1e6 + w**2), ([0.0], [1.0]), NONE, np.pi / 2),
    "kink": (lambda w: np.abs(w - 1) / (1 + w**2) ** 2, ([0.0], [1.0]), np.array([1.0]), 0.5),
    "kink-not-declared": (
        lambda w: np.abs(w - 1) / (1 + w**2) ** 2,
        ([0.0], [1.0]),
        20.0 / 2.0 ** np.arange(6),
        0.5,
    ),
    "jump": (
        lambda w: np.where(w < np.sqrt(2), 1.0, 0.0) / (1 + w**2),
        ([0.0], [1.0]),
        np.array([np.sqrt(2)]),
        np.arctan(np.sqrt(2)),
    ),
    "thermal": (lambda w: w / np.expm1(np.minimum(w, 700.0)), ([0.0], [2 * np.pi]), NONE, np.pi**2 / 6),
    "oscillating-tail": (lambda w: np.cos(3 * np.exp(-w)) * np.exp(-w), ([0.0], [0.5]), NONE, np.sin(3) / 3),
}


@pytest.mark.parametrize("case", KNOWN.values(), ids=KNOWN.keys())
@pytest.mark.parametrize("tolerance", [1e-4, 1e-7, 1e-10])
def test_integrals_of_known_value_are_within_their_error_estimate(case, tolerance):
    function, (centers, widths), kinks, exact = case
    mesh = line_mesh(np.array(centers), np.array(widths), kinks, 20.0)
    value, error = single(function, mesh, tolerance)
    # rounding: of nodes against the width of a needle, averaged over the nodes on it
    rounding = 3 * ROUNDING + np.finfo(float).eps * np.max(np.abs(centers) / np.array(widths)) / 40
    assert error <= tolerance
    assert abs(value - exact) <= error + rounding
    assert abs(value - exact) <= tolerance + rounding


def test_a_needle_costs_few_nodes_because_the_mesh_knows_it():
    mesh = line_mesh(np.array([0.7]), np.array([1e-9]), NONE, 20.0)
    assert len(mesh) < 150  # two intervals for each halving down to 1e-9
    nodes = []
    single(lambda w: nodes.append(len(w)) or lorentzian(w, 0.7, 1e-9), mesh)
    assert sum(nodes) < 15000


@pytest.mark.parametrize("ellipse", [1.3, 3.0, None])
def test_mesh_keeps_poles_outside_the_bernstein_ellipses_of_its_intervals(ellipse):
    rng = np.random.default_rng(3)
    centers, widths = rng.uniform(-5, 15, 30), 10.0 ** rng.uniform(-8, 1, 30)
    ellipses = rng.uniform(1.1, 6.0, 30) if ellipse is None else ellipse
    mesh = line_mesh(centers, widths, np.array([1.0, np.pi, -1.0, 50.0]), 10.0, ellipses)
    assert mesh[0] == 0.0
    assert mesh[-1] == 10.0
    assert np.all(np.diff(mesh) > 0)
    assert 1.0 in mesh
    assert np.pi in mesh
    middle, half = 0.5 * (mesh[1:] + mesh[:-1])[:, None], 0.5 * np.diff(mesh)[:, None]
    pole = (centers + 1j * widths - middle) / half
    joukowski = np.abs(pole + np.sqrt(pole - 1) * np.sqrt(pole + 1))
    assert np.all(joukowski >= ellipses * (1 - 1e-6))  # rounding: next to needles


def test_mesh_is_as_coarse_as_the_poles_allow():
    """Every interval but those cut short by an edge has a pole on its ellipse."""
    mesh = line_mesh(np.array([0.7, 3.0]), np.array([1e-6, 0.1]), NONE, 20.0, 3.0)
    middle, half = 0.5 * (mesh[1:] + mesh[:-1])[:, None], 0.5 * np.diff(mesh)[:, None]
    pole = (np.array([0.7 + 1e-6j, 3 + 0.1j]) - middle) / half
    joukowski = np.abs(pole + np.sqrt(pole - 1) * np.sqrt(pole + 1)).min(axis=1)
    assert np.all(joukowski[:-1] < 3.3)  # breakpoints are rounded down to a sixteenth of an interval


def test_needle_narrower_than_the_spacing_of_floats_ends_the_mesh_nevertheless():
    mesh = line_mesh(np.array([1000.0 / 3]), np.array([1e-14]), NONE, 1e3)
    assert mesh[-1] == 1e3
    assert len(mesh) < 300


def test_bisection_is_spent_where_it_is_needed():
    calls = []

    def integrand(w):
        calls.append(w)
        return (1 / (1 + w**2) + lorentzian(w, 7.3, 1e-3))[:, None]

    integrate(integrand, np.linspace(0.0, 20.0, 101), absolute, 1e-9)
    again = np.concatenate(calls[-2:])
    assert np.all(np.abs(again - 7.3) < 0.4)


def test_vector_integrals_are_judged_each_by_its_own_scale():
    layout = Layout({"large": (2,), "small": (1, 1), "alone": ()}, [("large", "small"), ("alone",)])

    def integrand(w):
        wave = lorentzian(w, 1.0, 0.1)
        large, small = 1e6 * np.stack([wave, -wave], axis=1), 1e-6 * wave[:, None, None]
        return layout.pack(len(w), large=large, small=small, alone=1e-9 * wave)

    mesh = line_mesh(np.array([1.0]), np.array([0.1]), NONE, 10.0)
    result = integrate(integrand, mesh, layout.scale, 1e-8)
    values, errors = layout.unpack(result)
    exact = 0.5 + np.arctan(10.0) / np.pi
    np.testing.assert_allclose(values["large"], [1e6 * exact, -1e6 * exact], rtol=1e-8)  # discretisation
    assert values["small"].shape == (1, 1)
    assert values["alone"].shape == ()
    assert errors["alone"] <= 1e-8 * values["alone"]
    scales = layout.split(layout.scale(result.value))
    assert scales["small"][0, 0] == scales["large"][0] == pytest.approx(1e6 * exact)
    assert scales["alone"] == pytest.approx(1e-9 * exact)


def test_result_does_not_depend_on_how_nodes_are_batched(monkeypatch):
    import langevin_qtm.exact.quadrature as quadrature

    mesh = line_mesh(np.array([0.7]), np.array([1e-3]), NONE, 20.0)
    results = []
    for nodes in (21, 168, 10**6):
        monkeypatch.setattr(quadrature, "MAX_NODES_PER_CALL", nodes)
        results.append(single(lambda w: lorentzian(w, 0.7, 1e-3), mesh))
    assert results[0] == results[1] == results[2]


def test_integrals_that_are_zero_converge_at_once():
    layout = Layout({"none": (3,)}, [("none",)])
    result = integrate(lambda w: np.zeros((len(w), 3)), np.array([0.0, 1.0]), layout.scale, 1e-9)
    np.testing.assert_array_equal(result.value, 0.0)
    np.testing.assert_array_equal(result.error, 0.0)


def test_divergent_integral_is_refused_with_the_error_it_reached():
    mesh = np.array([0.0, 1.0, 2.0])
    with pytest.raises(NotConvergedError, match=r"Frequency integral did not converge") as refusal:
        single(lambda w: 1 / (1 + w), mesh, 1e-9)
    assert refusal.value.error > refusal.value.target == 1e-9
    assert np.isfinite(refusal.value.error)


def test_singularity_that_bisection_cannot_resolve_is_refused():
    with pytest.raises(NotConvergedError):
        single(lambda w: np.exp(-w) * np.abs(w - 1 / 3) ** -0.9, np.array([0.0, 10.0]), 1e-9)


def test_rounding_errors_are_not_bisected_without_end():
    nodes, rng = [], np.random.default_rng(0)

    def noisy(w):
        nodes.append(len(w))
        return np.exp(-w) * (1 + 1e-6 * rng.standard_normal(len(w)))

    with pytest.raises(NotConvergedError):
        single(noisy, np.linspace(0.0, 20.0, 50), 1e-12)
    assert sum(nodes) < 1e6


def test_needle_that_the_mesh_does_not_know_is_at_least_not_reported_with_a_small_error_when_seen():
    mesh = line_mesh(np.array([0.0]), np.array([1.0]), NONE, 20.0)
    value, error = single(lambda w: lorentzian(w, 0.7, 1e-2), mesh)
    # discretisation: broad enough to be seen, then bisected down to its width
    assert abs(value - (0.5 + np.arctan(70.0) / np.pi)) <= error
