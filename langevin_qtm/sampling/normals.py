r"""Streams of standard normals: 64 lanes of xoshiro256+ and a branch-free Box-Muller transform.

Every *lane* is a generator of its own; a *group* of 64 lanes fills one *row* of 64 normals at a time.  All
lanes run the same instructions on neighboring memory, so that the compiler turns plain loops into SIMD code.

Generator.  The state of xoshiro256+ [1]_ is four 64-bit words, mapped linearly over GF(2) with period
2^256 - 1; the output is s0 + s3 (mod 2^64).  Initial states are hashes of (seed, group): two of n streams of
length m overlap with a probability of about n^2 m / 2^256, and two of n groups coincide with n^2 / 2^129 (the
hash has a pool of 128 bits).  The lowest bits of the output are almost linear too; the last 11 are not used.

Uniforms.  The top 51 bits k of a word give u = (2k + 1) 2^-52: the centers of 2^51 equal cells of (0, 1),
symmetric about 1/2, never 0 or 1.  They enter as the mantissa of a double in (1, 2), since AVX2 cannot
convert 64-bit integers to doubles; subtracting a constant is then exact.

Normals.  Lanes l and l + 32, l = 0..31, give one word each, the first for u, the second for v (Box-Muller):

    r = sqrt(-2 log u),   theta = (pi/2) (v - 1/2),   x[l] = +-r cos(theta),   x[l + 32] = +-r sin(theta).

The top bit of the second word exchanges cos and sin, the next is the common sign, the 51 below are v.
|theta| < pi/4 is a quarter of the circle; the reflections at the diagonal and at the origin complete it.
Both normals of a pair are in the same row, so a row depends on the state alone and not on how the rows are
divided into calls.

Elementary functions.  Calls of libm would prevent vectorization, hence polynomials R, S, C of fdlibm [2]_:

    log(2^k m) = k log 2 + 2 s + s R(s^2),   s = (m - 1) / (m + 1),   sqrt(1/2) <= m < sqrt(2),
    sin t = t + t^3 S(t^2),   cos t = 1 - t^2 / 2 + t^4 C(t^2),   |t| <= pi/4.

They are minimax on just these intervals: R, cos t and (relative) sin t are exact to 2^-58.  Adding a constant
to the bit pattern of u yields k and m without a branch.  With rounding, a normal differs from the exact image
of its words by less than 1e-15 relative (largest of 2.6e7: 5e-16).

Tails.  u >= 2^-52 limits |x| to sqrt(104 log 2) = 8.49; 2e-17 of the exact distribution lies beyond.  The
spacing of r is 2^-51 / (u r): 5e-9 at r = 6, 4e-3 at r = 8.

Reproducibility.  The states are integers and agree everywhere.  The normals are bit-for-bit the same for any
division into calls and on any processor: every operation, fused ones included, rounds once as IEEE 754 says.

.. [1] D. Blackman and S. Vigna, ACM Trans. Math. Softw. 47, 36 (2021).
.. [2] Freely distributable libm, Sun Microsystems (1993): e_log.c, k_sin.c, k_cos.c.
"""

import math
from collections.abc import Callable

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from langevin_qtm.compiled import compiled, fma

LANES = 64  # lanes of a group = normals of a row
PAIRS = LANES // 2  # Box-Muller pairs of a row

LOG_2 = math.log(2.0)
RIGHT_ANGLE = math.pi / 2.0

ONE_BITS = np.uint64(0x3FF0000000000000)  # bits of 1.0
CELL_CENTER = np.uint64(0x3FF0000000000001)  # bits of 1.0, and the last mantissa bit
ROOT_HALF_BITS = np.uint64(0x3FE6A09E667F3BCD)  # bits of sqrt(1/2)
MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
SIGN = np.uint64(0x8000000000000000)
EXPONENT_BITS = np.uint64(0x4330000000000000)  # bits of 2^52: or-ing n < 2^52 gives the double 2^52 + n
EXPONENT_BIAS = 2.0**52 + 1023.0

# fdlibm's Lg7..Lg1, S6..S1 and C6..C1: highest power first
LOG_COEFFICIENTS = (
    1.479819860511658591e-01,
    1.531383769920937332e-01,
    1.818357216161805012e-01,
    2.222219843214978396e-01,
    2.857142874366239149e-01,
    3.999999999940941908e-01,
    6.666666666666735130e-01,
)
SIN_COEFFICIENTS = (
    1.58969099521155010221e-10,
    -2.50507602534068634195e-08,
    2.75573137070700676789e-06,
    -1.98412698298579493134e-04,
    8.33333333332248946124e-03,
    -1.66666666666666324348e-01,
)
COS_COEFFICIENTS = (
    -1.13596475577881948265e-11,
    2.08757232129817482790e-09,
    -2.75573143513906633035e-07,
    2.48015872894767294178e-05,
    -1.38888888888741095749e-03,
    4.16666666666666019037e-02,
)


def _bit_cast(source: types.Type, target: types.Type) -> Callable:
    """Make a function of compiled code that reinterprets the 64 bits of a `source` as a `target`."""

    @intrinsic
    def cast(_typing_context, _value):
        def generate(context, builder, _signature, arguments):
            return builder.bitcast(arguments[0], context.get_value_type(target))

        return target(source), generate

    return cast


_as_double = _bit_cast(types.uint64, types.float64)
_as_bits = _bit_cast(types.float64, types.uint64)


def seed_lanes(seed: int, group: int) -> NDArray[np.uint64]:
    """Return the random initial state of a group of lanes.

    Parameters
    ----------
    seed : int
        Entropy of the simulation, non-negative.
    group : int
        Index of the group, non-negative; groups are statistically independent.

    Returns
    -------
    state : uint64 array, shape (4 * LANES,)
        Word w of lane l at w * LANES + l.  The last bit of word 1 is set, as zeros would stay zeros.
    """
    words = np.random.SeedSequence(seed, spawn_key=(group,)).generate_state(4 * LANES, np.uint64)
    state = np.array(words, np.uint64)
    state[LANES : 2 * LANES] |= np.uint64(1)
    return state


@compiled
def _next_word(state, lane):
    """Advance one lane of `state` and return its output word."""
    s0 = state[lane]
    s1 = state[LANES + lane]
    s2 = state[2 * LANES + lane] ^ s0
    s3 = state[3 * LANES + lane] ^ s1
    state[lane] = s0 ^ s3
    state[LANES + lane] = s1 ^ s2
    state[2 * LANES + lane] = s2 ^ (s1 << np.uint64(17))
    state[3 * LANES + lane] = (s3 << np.uint64(45)) | (s3 >> np.uint64(19))
    return s0 + (s3 ^ s1)


@compiled
def _between_one_and_two(word):
    """Map the top 51 bits of `word` to a cell center in (1, 2)."""
    return _as_double((word >> np.uint64(12)) | CELL_CENTER)


@compiled
def _polynomial(z, coefficients):
    """Evaluate a polynomial whose `coefficients` begin with the highest power."""
    value = coefficients[0]
    for coefficient in coefficients[1:]:
        value = fma(value, z, coefficient)
    return value


@compiled
def _log(u):
    """Natural logarithm of u > 0, subnormal numbers excepted."""
    bits = _as_bits(u) + (ONE_BITS - ROOT_HALF_BITS)
    exponent = _as_double((bits >> np.uint64(52)) | EXPONENT_BITS) - EXPONENT_BIAS
    f = _as_double((bits & MANTISSA) + ROOT_HALF_BITS) - 1.0
    s = f / (2.0 + f)
    z = s * s
    return fma(exponent, LOG_2, s * fma(z, _polynomial(z, LOG_COEFFICIENTS), 2.0))


@compiled
def _sin(t):
    """Sine for abs(t) <= pi/4."""
    z = t * t
    return fma(t * z, _polynomial(z, SIN_COEFFICIENTS), t)


@compiled
def _cos(t):
    """Cosine for abs(t) <= pi/4."""
    z = t * t
    return fma(z * z, _polynomial(z, COS_COEFFICIENTS), fma(-0.5, z, 1.0))


@compiled
def _box_muller(radius_word, angle_word):
    """Return the two independent normals made from two words."""
    radius = math.sqrt(-2.0 * _log(_between_one_and_two(radius_word) - 1.0))
    signed_radius = _as_double(_as_bits(radius) | ((angle_word << np.uint64(1)) & SIGN))
    theta = RIGHT_ANGLE * (_between_one_and_two(angle_word << np.uint64(2)) - 1.5)
    x = signed_radius * _cos(theta)
    y = signed_radius * _sin(theta)
    exchange = np.int64(angle_word) < 0
    return (y if exchange else x), (x if exchange else y)


@compiled
def fill_rows(state, out, first, rows):
    """Fill rows of `out` from `first` on with standard normals and advance `state`; for compiled code."""
    for row in range(first, first + rows):
        lanes = out[row * LANES : (row + 1) * LANES]
        for pair in range(PAIRS):
            radius_word = _next_word(state, pair)
            angle_word = _next_word(state, PAIRS + pair)
            lanes[pair], lanes[PAIRS + pair] = _box_muller(radius_word, angle_word)


@compiled
def fill_normals(state: NDArray[np.uint64], out: NDArray[np.float64]) -> None:
    """Fill `out` with standard normals and advance `state` in place; callable from compiled code.

    Parameters
    ----------
    state : uint64 array, shape (4 * LANES,)
        Lane states, from `seed_lanes`.
    out : float64 array, shape (rows * LANES,)
        Normal of lane l in row i at i * LANES + l.
    """
    fill_rows(state, out, np.int64(0), out.size // LANES)  # np.int64: see `compiled`


def reference_normals(state: NDArray[np.uint64], rows: int) -> NDArray[np.float64]:
    """Return what `fill_normals` computes, up to rounding, by numpy's functions; advance `state` in place.

    Parameters
    ----------
    state : uint64 array, shape (4 * LANES,)
        Lane states.
    rows : int
        Number of rows.

    Returns
    -------
    out : float64 array, shape (rows * LANES,)
    """
    words = np.empty((rows, LANES), np.uint64)
    s0, s1, s2, s3 = state.reshape(4, LANES)
    for row in range(rows):
        words[row] = s0 + s3
        shifted = s1 << 17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3[:] = (s3 << 45) | (s3 >> 19)

    def uniform(bits):
        return ((bits >> 13) * 2 + 1) * 2.0**-52

    radius_word, angle_word = words[:, :PAIRS], words[:, PAIRS:]
    radius = np.sqrt(-2.0 * np.log(uniform(radius_word)))
    signed_radius = np.where((angle_word >> 62) & 1, -radius, radius)
    theta = np.pi / 2 * (uniform(angle_word << 2) - 0.5)
    x, y = signed_radius * np.cos(theta), signed_radius * np.sin(theta)
    exchange = angle_word >> 63 == 1
    return np.hstack([np.where(exchange, y, x), np.where(exchange, x, y)]).ravel()
