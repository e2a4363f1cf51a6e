"""Normals: the map bit by bit, and the statistics of its output.

Statistical tests have fixed seeds.  A check fails for a correct generator with a probability of at most
FALSE_ALARM, shared evenly (Bonferroni) among the numbers that it looks at.  The slow ones draw 1e9 to 4e9
each, a minute and a half together; `pytest -m slow -s` shows their numbers, quoted in docs/performance.md.
"""

import math

import numpy as np
import pytest
from numba import njit
from scipy import stats

from langevin_qtm.sampling.normals import LANES, PAIRS, fill_normals, reference_normals, seed_lanes

SEED = 271828
FALSE_ALARM = 1e-6
ORDERS = 8
THRESHOLDS = np.array([4.0, 5.0, 6.0])
BILLION = 2**30
LAGS = 8
EDGE = 4.0  # bins of equal width between -EDGE and EDGE, and one beyond on each side
ALL_ONES = 2**64 - 1


def z_limit(checks):
    """Bound on the largest of `checks` standard normals, two-sided."""
    return stats.norm.isf(FALSE_ALARM / (2 * checks))


def draw(state, rows):
    """Return `rows` rows of normals, shape (rows, LANES)."""
    out = np.empty(rows * LANES)
    fill_normals(state, out)
    return out.reshape(rows, LANES)


# ---------------------------------------------------------------------------------------------------- the map


def xoshiro256plus(words):
    """Advance one generator, four Python integers, and return its output."""
    s0, s1, s2, s3 = words
    output = (s0 + s3) & ALL_ONES
    words[:] = (
        s0 ^ s3 ^ s1,
        s1 ^ s2 ^ s0,
        s2 ^ s0 ^ (s1 << 17 & ALL_ONES),
        ((s3 ^ s1) << 45 & ALL_ONES) | ((s3 ^ s1) >> 19),
    )
    return output


def state_with_output(words):
    """Return a state whose lanes yield the given 64 `words` next."""
    state = np.ones(4 * LANES, np.uint64)
    state[:LANES] = words
    state[3 * LANES :] = 0
    return state


def test_agrees_with_the_reference():
    compiled, reference = seed_lanes(SEED, 0), seed_lanes(SEED, 0)
    expected = reference_normals(reference, 2000).reshape(-1, LANES)
    np.testing.assert_allclose(draw(compiled, 2000), expected, rtol=2e-15, atol=0)
    np.testing.assert_array_equal(compiled, reference)


@pytest.mark.parametrize("advance", [draw, reference_normals])
def test_state_advances_as_integers_do(advance):
    state = seed_lanes(SEED, 1)
    lanes = state.reshape(4, LANES).T.tolist()
    advance(state, 100)
    for lane in lanes:
        for _ in range(100):
            xoshiro256plus(lane)
    assert state.reshape(4, LANES).T.tolist() == lanes


def test_words_are_mapped_by_box_muller():
    state = seed_lanes(SEED, 2)
    words = [xoshiro256plus(lane) for lane in state.reshape(4, LANES).T.tolist()]
    row = draw(state, 1)[0]
    for pair in range(PAIRS):
        u = (2 * (words[pair] >> 13) + 1) / 2**52
        assert math.hypot(row[pair], row[PAIRS + pair]) == pytest.approx(
            math.sqrt(-2 * math.log(u)), rel=1e-15
        )


@pytest.mark.parametrize("radius_word", [0, 1, 2**12, 2**63 - 1, 2**63, ALL_ONES - 2**13, ALL_ONES])
def test_extreme_words(radius_word):
    angle_words = [quarter << 62 | rest for quarter in range(4) for rest in (0, 2**61 - 1, 2**61, 2**62 - 1)]
    words = np.array([radius_word] * PAIRS + angle_words * (PAIRS // 16), np.uint64)
    row = draw(state_with_output(words), 1)
    expected = reference_normals(state_with_output(words), 1)
    np.testing.assert_allclose(row[0], expected, rtol=2e-15, atol=0)
    assert np.all((row != 0) & (np.abs(row) < 8.5))
    assert len(np.unique(row.reshape(2, PAIRS)[:, :16], axis=1).T) == 16  # all angles differ


@pytest.mark.parametrize("chunks", [[1] * 7, [3, 4], [6, 1]])
def test_division_into_calls_does_not_matter(chunks):
    whole, divided = seed_lanes(SEED, 3), seed_lanes(SEED, 3)
    expected = draw(whole, sum(chunks))
    np.testing.assert_array_equal(np.concatenate([draw(divided, rows) for rows in chunks]), expected)
    np.testing.assert_array_equal(divided, whole)


def test_compiled_callers_get_the_same_bits():
    @njit(nogil=True)
    def one_row_at_a_time(state, out):
        for first in range(0, out.size, LANES):
            fill_normals(state, out[first : first + LANES])

    out = np.empty(50 * LANES)
    one_row_at_a_time(seed_lanes(SEED, 4), out)
    np.testing.assert_array_equal(out.reshape(50, LANES), draw(seed_lanes(SEED, 4), 50))


def test_no_two_lanes_begin_alike():
    states = np.array([seed_lanes(seed, group) for seed in (0, 1, SEED) for group in range(500)])
    for word in range(4):
        assert len(np.unique(states[:, word * LANES : (word + 1) * LANES])) == 1500 * LANES
    assert np.all(states[:, LANES : 2 * LANES] & 1)
    assert len(np.unique(draw(states[0], 100))) == 100 * LANES


# --------------------------------------------------------------------------------------------- the statistics


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def power_sums(state, rows, scale):
    """Sums of the powers 1..ORDERS of scaled normals, lane l of power p at (p - 1) * LANES + l."""
    out = np.empty(LANES)
    sums = np.zeros(ORDERS * LANES)
    for _ in range(rows):
        fill_normals(state, out)
        for lane in range(LANES):
            x = scale * out[lane]
            power = x
            for order in range(ORDERS):
                sums[order * LANES + lane] += power
                power *= x
    return sums


@njit(nogil=True, error_model="numpy")
def tail_counts(state, rows, thresholds):
    """Numbers of normals above each threshold and below its negative, shape (thresholds, 2)."""
    out = np.empty(LANES)
    counts = np.zeros((thresholds.size, 2), np.int64)
    for _ in range(rows):
        fill_normals(state, out)
        for i in range(thresholds.size):
            above = below = 0
            for lane in range(LANES):
                above += out[lane] > thresholds[i]
                below += out[lane] < -thresholds[i]
            counts[i, 0] += above
            counts[i, 1] += below
    return counts


@njit(nogil=True, error_model="numpy")
def bin_counts(state, rows, bins, scale):
    """Numbers of scaled normals below -EDGE, in `bins` equal bins, and above EDGE."""
    out = np.empty(LANES)
    counts = np.zeros(bins + 2, np.int64)
    for _ in range(rows):
        fill_normals(state, out)
        for lane in range(LANES):
            place = (scale * out[lane] + EDGE) * (bins / (2 * EDGE))
            counts[int(min(max(place + 1.0, 0.0), bins + 1.0))] += 1
    return counts


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def lag_sums(state, chunks, rows):
    """Sums of products with the same lane 1..LAGS rows later, of x and of its whitened square, (2, LAGS)."""
    ahead = LAGS * LANES
    x, square = np.zeros((rows + LAGS) * LANES), np.zeros((rows + LAGS) * LANES)
    sums = np.zeros((2, LAGS, LANES))
    for _ in range(chunks):
        x[:ahead], square[:ahead] = x[-ahead:], square[-ahead:]
        fill_normals(state, x[ahead:])
        for i in range(ahead, x.size):
            square[i] = (x[i] * x[i] - 1.0) * math.sqrt(0.5)
        for first in range(ahead, x.size, LANES):
            for lag in range(LAGS):
                earlier = first - (lag + 1) * LANES
                for lane in range(LANES):
                    sums[0, lag, lane] += x[first + lane] * x[earlier + lane]
                    sums[1, lag, lane] += square[first + lane] * square[earlier + lane]
    return sums.sum(axis=2)


def moment_z(draws, groups, scale=1.0):
    """Deviations of the moments 1..ORDERS of `draws` normals from `groups` groups, in standard errors."""
    rows = draws // (groups * LANES)
    sums = sum(power_sums(seed_lanes(SEED, group), rows, scale) for group in range(groups))
    means = sums.reshape(ORDERS, LANES).sum(axis=1) / draws
    exact = np.array([stats.norm.moment(order) for order in range(1, 2 * ORDERS + 1)])
    variances = exact[1::2] - exact[:ORDERS] ** 2
    return (means - exact[:ORDERS]) / np.sqrt(variances / draws)


def whiten(x):
    """Return the normals `x` and their centered squares, all of mean 0 and variance 1, as further columns."""
    return np.hstack([x, (x * x - 1) / math.sqrt(2)])


def pair_z(draws, groups, chunk=2**13):
    """Correlations of x and x^2 of all lanes of all `groups`, in standard errors, shape (pairs,)."""
    states = [seed_lanes(SEED, group) for group in groups]
    columns = len(groups) * LANES
    chunks = draws // (chunk * columns)
    gram = np.zeros((2 * columns, 2 * columns))
    for _ in range(chunks):
        white = whiten(np.hstack([draw(state, chunk) for state in states]))
        gram += white.T @ white
    first, second = np.triu_indices(2 * columns, 1)
    distinct = second - first != columns  # all but x and its own square
    return gram[first, second][distinct] / math.sqrt(chunks * chunk)


def lag_z(draws, rows=256):
    """Correlations of x and x^2 with themselves at lags 1..LAGS of the same lane, in standard errors."""
    chunks = draws // (rows * LANES)
    terms = LANES * (chunks * rows - np.arange(1, LAGS + 1))
    return lag_sums(seed_lanes(SEED, 0), chunks, rows) / np.sqrt(terms)


def chi_square(draws, bins, groups, scale=1.0):
    """Chi-square of the binned distribution, and its probabilities to be as small and as large."""
    rows = draws // (groups * LANES)
    counts = sum(bin_counts(seed_lanes(SEED, group), rows, bins, scale) for group in range(groups))
    inner = stats.norm.cdf(np.linspace(-EDGE, EDGE, bins + 1))
    expected = draws * np.diff(np.concatenate([[0.0], inner, [1.0]]))
    value = np.sum((counts - expected) ** 2 / expected)
    return value, stats.chi2.cdf(value, bins + 1), stats.chi2.sf(value, bins + 1)


def assert_standard_normal(z):
    """Check the largest of the numbers `z` and, if they are many, their mean square."""
    assert np.abs(z).max() < z_limit(z.size)
    if z.size > 1000:
        assert abs(np.mean(z * z) - 1) < z_limit(1) * math.sqrt(2 / z.size)


def test_moments():
    assert_standard_normal(moment_z(40 * 2**20, groups=4))


def test_moments_have_power():
    assert np.abs(moment_z(40 * 2**20, groups=4, scale=1.001)).max() > z_limit(ORDERS)


def test_distribution():
    x = draw(seed_lanes(SEED, 0), 2**14).ravel()
    assert stats.kstest(x, stats.norm.cdf).pvalue > FALSE_ALARM
    assert stats.kstest(x + 0.01, stats.norm.cdf).pvalue < FALSE_ALARM


def test_correlations():
    assert_standard_normal(pair_z(2**24, groups=(0, 1)))
    assert_standard_normal(lag_z(2**24))


def test_correlations_have_power():
    assert np.abs(pair_z(2**21, groups=(0, 0))).max() > 100


def test_binned_distribution():
    assert min(chi_square(40 * 2**20, 64, groups=4)[1:]) > FALSE_ALARM / 2


def test_binned_distribution_has_power():
    assert chi_square(40 * 2**20, 64, groups=4, scale=1.002)[2] < FALSE_ALARM


def test_compiled_sums_are_those_of_numpy():
    x = draw(seed_lanes(SEED, 5), 300)
    counts = bin_counts(seed_lanes(SEED, 5), 300, 16, 1.0)
    np.testing.assert_array_equal(counts[1:-1], np.histogram(x, np.linspace(-EDGE, EDGE, 17))[0])
    assert counts[0] == np.sum(x < -EDGE)
    assert counts[-1] == np.sum(x > EDGE)
    series = x, (x * x - 1) / math.sqrt(2)
    expected = [[np.sum(y[:-lag] * y[lag:]) for lag in range(1, LAGS + 1)] for y in series]
    np.testing.assert_allclose(lag_sums(seed_lanes(SEED, 5), 10, 30), expected, atol=1e-9)  # rounding


# ------------------------------------------------------------------------------------- the same, 1e9 and more


@pytest.mark.slow
def test_many_moments():
    z = moment_z(4 * BILLION, groups=16)
    print(f"\nmoments 1..{ORDERS}: z =", *np.round(z, 2))
    assert_standard_normal(z)


@pytest.mark.slow
def test_many_tails():
    draws, groups = 4 * BILLION, 16
    counts = sum(
        tail_counts(seed_lanes(SEED, g), draws // (groups * LANES), THRESHOLDS) for g in range(groups)
    )
    expected = draws * stats.norm.sf(THRESHOLDS)
    poisson = stats.poisson(expected[:, None])
    p_values = 2 * np.minimum(poisson.cdf(counts), poisson.sf(counts - 1))
    for row in zip(THRESHOLDS, counts, np.round(expected, 1), np.round(p_values, 3), strict=True):
        print("\nbeyond {}: {} above and below, {} expected, p = {}".format(*row), end="")
    assert p_values.min() > FALSE_ALARM / counts.size


@pytest.mark.slow
def test_many_bins():
    value, below, above = chi_square(4 * BILLION, 4096, groups=16)
    print(f"\nchi-square, 4098 bins: {value:.0f}, p = {above:.3f}")
    assert min(below, above) > FALSE_ALARM / 2


@pytest.mark.slow
def test_many_correlations_of_lanes_and_groups():
    z = pair_z(BILLION, groups=(0, 1, 2, 3))
    print(f"\n{z.size} pairs: largest |z| {np.abs(z).max():.2f}, mean square {np.mean(z * z):.4f}")
    assert_standard_normal(z)


@pytest.mark.slow
def test_many_lags():
    z = lag_z(2 * BILLION)
    print(f"\nlags 1..{LAGS} of x: z =", *np.round(z[0], 2), "and of its square:", *np.round(z[1], 2))
    assert_standard_normal(z)
