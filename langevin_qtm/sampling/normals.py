r"""Streams of standard normals: 64 lanes of xoshiro256+ and a branch-free Box-Muller transform.

Every *lane* is a generator of its own; a *group* of 64 lanes fills one *row* of 64 normals at a time.  All lanes
run the same instructions on neighboring memory, so that plain numba code becomes SIMD code.

Generator.  xoshiro256+ [1]_ has a state of four 64-bit words, a linear map over GF(2) of period 2^256 - 1, and the
output s0 + s3 (mod 2^64).  States are random 256-bit numbers: two of n streams of length m overlap with a probability
of about n^2 m 2^-256.  The lowest bits of the output are nearly linear and are not used.

Uniforms.  The top 51 bits k of a word become the odd multiple (2k + 1) 2^-52 of 2^-52: the centers of 2^51 equal
cells of (0, 1), symmetric about 1/2, never 0 or 1.  They are put into the mantissa of a double in (1, 2), as few
processors convert 64-bit integers to doubles in SIMD; subtracting a constant is then exact.

Normals.  Lanes l and l + 32, l = 0..31, yield one word each: the first a radius, the second an angle (Box-Muller),

    r = sqrt(-2 log u),   x_l = +-r cos(theta),   x_(l+32) = +-r sin(theta),   theta = (pi/2) (v - 1/2),

where the top bit of the second word exchanges cos and sin, the next one is the common sign, and v comes from the bits
below.  |theta| < pi/4 makes a quadrant; reflection at the diagonal and at the origin complete the circle.  Both
normals of a pair are in the same row: a row depends on the state alone, not on how calls are divided.

Elementary functions.  Calls to libm would prevent vectorization, hence polynomials with the coefficients of fdlibm
[2]_, which are minimax on the ranges needed here:

    u = 2^k m, sqrt(1/2) <= m < sqrt(2),   s = (m - 1) / (m + 1),   log u = k log 2 + 2 s + s R(s^2),  |R error| < 2^-58
    sin t = t + t^3 S(t^2),   cos t = 1 - t^2/2 + t^4 C(t^2),   |t| <= pi/4,   errors < 2^-58

m and k follow from adding a constant to the bit pattern of u, without a comparison.  Polynomials are split into even
and odd parts (Estrin), as the latency of a Horner chain would dominate.  Rounding included, a normal differs from the
exact image of its two words by less than 1e-15 relative to the radius of its pair.

Tails.  u >= 2^-52 limits |x| to sqrt(104 log 2) = 8.49, beyond which lies a probability of 2e-17.  Near that limit
the radius is coarse: its spacing is 2^-51 / (u r), which is 1e-6 at r = 6.

Reproducibility.  States are integers and agree everywhere.  Normals are bit-for-bit reproducible on one processor type
with one numba version, for any division into calls.  Elsewhere the compiler may fuse other multiplications and
additions (``contract``), which changes last bits; no other reordering is allowed.

.. [1] D. Blackman and S. Vigna, ACM Trans. Math. Softw. 47, 36 (2021).
.. [2] Freely distributable libm (Sun Microsystems, 1993): e_log.c, k_sin.c, k_cos.c.
"""

import math
from collections.abc import Callable

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

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
_compiled = njit(nogil=True, error_model="numpy", fastmath={"contract"})


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
        Word w of lane l at w * LANES + l.  The lowest bit of word 1 is set, as an all-zero lane would stay zero.
    """
    state = np.random.SeedSequence(seed, spawn_key=(group,)).generate_state(4 * LANES, np.uint64)
    state[LANES : 2 * LANES] |= np.uint64(1)
    return state


@_compiled
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


@_compiled
def _between_one_and_two(word):
    """Map the top 51 bits of `word` to a cell center in (1, 2)."""
    return _as_double((word >> np.uint64(12)) | CELL_CENTER)


@_compiled
def _log(u):
    """Natural logarithm of a positive normal number."""
    bits = _as_bits(u) + (ONE_BITS - ROOT_HALF_BITS)
    exponent = _as_double((bits >> np.uint64(52)) | EXPONENT_BITS) - EXPONENT_BIAS
    f = _as_double((bits & MANTISSA) + ROOT_HALF_BITS) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = z * (
        (6.666666666666735130e-01 + w * 2.857142874366239149e-01)
        + (w * w) * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)
    )
    even = w * (
        3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01)
    )
    return exponent * LOG_2 + s * (2.0 + (odd + even))


@_compiled
def _sin(t):
    """Sine for abs(t) <= pi/4."""
    z = t * t
    w = z * z
    low = -1.66666666666666324348e-01 + z * 8.33333333332248946124e-03
    middle = -1.98412698298579493134e-04 + z * 2.75573137070700676789e-06
    high = -2.50507602534068634195e-08 + z * 1.58969099521155010221e-10
    return t + (t * z) * (low + w * (middle + w * high))


@_compiled
def _cos(t):
    """Cosine for abs(t) <= pi/4."""
    z = t * t
    w = z * z
    low = 4.16666666666666019037e-02 + z * -1.38888888888741095749e-03
    middle = 2.48015872894767294178e-05 + z * -2.75573143513906633035e-07
    high = 2.08757232129817482790e-09 + z * -1.13596475577881948265e-11
    return (1.0 - 0.5 * z) + w * (low + w * (middle + w * high))


@_compiled
def _box_muller(radius_word, angle_word):
    """Return the two independent normals made from two words."""
    radius = math.sqrt(-2.0 * _log(_between_one_and_two(radius_word) - 1.0))
    signed_radius = _as_double(_as_bits(radius) | ((angle_word << np.uint64(1)) & SIGN))
    theta = RIGHT_ANGLE * (_between_one_and_two(angle_word << np.uint64(2)) - 1.5)
    x = signed_radius * _cos(theta)
    y = signed_radius * _sin(theta)
    exchange = np.int64(angle_word) < 0
    return (y if exchange else x), (x if exchange else y)


@_compiled
def fill_normals(state, out):
    """Fill `out` with standard normals and advance `state` in place; callable from compiled code.

    Parameters
    ----------
    state : uint64 array, shape (4 * LANES,)
        Lane states, from `seed_lanes`.
    out : float64 array, shape (rows * LANES,)
        Row after row; lane l of row i at i * LANES + l.
    """
    for row in range(out.size // LANES):
        first = row * LANES
        for pair in range(PAIRS):
            radius_word = _next_word(state, pair)
            angle_word = _next_word(state, PAIRS + pair)
            out[first + pair], out[first + PAIRS + pair] = _box_muller(radius_word, angle_word)
