"""Integrals over noise frequencies: adaptive Gauss–Kronrod on a mesh graded towards the known lines.

The integrands are analytic but for poles near the real axis: lines of the machine at Im s + nΩ with
half width |Re s|, thermal structure of width 2πT around nΩ, reservoir edges. `line_mesh` refines until
no interval is longer than its distance to the nearest pole (a Gauss rule then converges geometrically,
however sharp the line), and the tail [W, ∞) is mapped to u = 1/w, where the integrands are analytic.
`integrate` then bisects whatever interval still misses its share of the tolerance. Needle-sharp lines
are never searched for blindly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langevin_qtm.errors import NotConvergedError
from langevin_qtm.physics.conventions import FloatArray

# Kronrod's 21-point extension of the 10-point Gauss rule (QUADPACK qk21): nodes x >= 0, both weights.
_NODES = np.array([
    0.995657163025808080735527280689003, 0.973906528517171720077964012084452,
    0.930157491355708226001207180059508, 0.865063366688984510732096688423493,
    0.780817726586416897063717578345042, 0.679409568299024406234327365114874,
    0.562757134668604683339000099272694, 0.433395394129247190799265943165784,
    0.294392862701460198131126603103866, 0.148874338981631210884826001129720, 0.0,
])  # fmt: skip
_KRONROD = np.array([
    0.011694638867371874278064396062192, 0.032558162307964727478818972459390,
    0.054755896574351996031381300244580, 0.075039674810919952767043140916190,
    0.093125454583697605535065465083366, 0.109387158802297641899210590325805,
    0.123491976262065851077958109585166, 0.134709217311473325928054001771707,
    0.142775938577060080797094273138717, 0.147739104901338491374841515972068,
    0.149445554002916905664936468389821,
])  # fmt: skip
NODES = np.concatenate([-_NODES, _NODES[-2::-1]])
KRONROD = np.concatenate([_KRONROD, _KRONROD[-2::-1]])
GAUSS = np.zeros(21)
GAUSS[1::2] = np.polynomial.legendre.leggauss(10)[1]
RULES = np.stack([KRONROD, KRONROD - GAUSS])

MAX_NODES_PER_CALL = 1008
MAX_INTERVALS = 4000  # rounding, too, makes errors that no bisection removes


@dataclass(frozen=True)
class Integral:
    """Value of a vector of integrals over [0, ∞), with error estimate.

    Attributes
    ----------
    value : (output,) array
    error : (output,) array
        |Gauss - Kronrod| summed over the mesh: for integrands that are smooth between breakpoints an upper
        estimate, far above the error of `value`.
    """

    value: NDArray
    error: FloatArray


class Layout:
    """Packing of named arrays into one vector of integrals, and the scale each is judged by."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], groups: Sequence[tuple[str, ...]]):
        self.shapes = shapes
        sizes = [int(np.prod(shape)) for shape in shapes.values()]
        starts = np.cumsum([0, *sizes])
        self.slices = {n: slice(a, b) for n, a, b in zip(shapes, starts[:-1], starts[1:], strict=True)}
        self.groups = groups
        self.size = sum(sizes)

    def split(self, vector: FloatArray) -> dict[str, FloatArray]:
        """Named arrays from one vector of integrals."""
        return {name: vector[part].reshape(self.shapes[name]) for name, part in self.slices.items()}

    def pack(self, nodes: int, **arrays: FloatArray) -> FloatArray:
        """Dims (node, output)."""
        return np.concatenate([arrays[name].reshape(nodes, -1) for name in self.shapes], axis=1)

    def scale(self, total: FloatArray) -> FloatArray:
        """Largest magnitude of the group of each output."""
        scale = np.empty(len(total))
        for group in self.groups:
            largest = max(float(np.abs(total[self.slices[name]]).max(initial=0.0)) for name in group)
            for name in group:
                scale[self.slices[name]] = max(largest, 1e-290)
        return scale

    def unpack(self, result: Integral) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """Named values and errors."""
        return self.split(result.value), self.split(result.error)


def line_mesh(
    centers: FloatArray,
    widths: FloatArray,
    kinks: FloatArray,
    stop: float,
    ellipses: FloatArray | float = 3.0,
) -> FloatArray:
    """Breakpoints on [0, stop]; no pole is inside the Bernstein ellipse of any interval.

    The distances of a pole on the ellipse ρ to both ends of an interval of length h add up to
    (ρ + 1/ρ) h/2; it leaves an error of order ρ^{-2n} in an n-point Gauss rule.

    Parameters
    ----------
    centers, widths : (pole,) arrays
        Poles at centers ± i widths, widths > 0.
    kinks : array
        Points where the integrand is not smooth; they become breakpoints.
    stop : float
        End of the mesh.
    ellipses : (pole,) array or float
        ρ > 1 for each pole.
    """
    poles, axis = centers + 1j * widths, 0.5 * (ellipses + 1.0 / np.asarray(ellipses))
    edges = np.append(np.unique(kinks[(kinks > 0) & (kinks < stop)]), stop)
    mesh = [0.0]
    for edge in edges:
        while mesh[-1] < edge:
            left = mesh[-1]
            # the longest h with |p - left| + |p - left - h| >= axis h for every pole p
            fits = 2 * (axis * np.abs(poles - left) - (centers - left)) / (axis**2 - 1)
            right = left + max(fits.min(initial=edge), 64 * np.spacing(left))
            grain = np.exp2(np.floor(np.log2(right - left)) - 5)  # so that middle and length are exact
            mesh.append(min(edge, np.floor(right / grain) * grain))
    return np.array(mesh)


def integrate(
    integrand: Callable[[FloatArray], NDArray],
    mesh: FloatArray,
    scale: Callable[[NDArray], FloatArray],
    tolerance: float,
    max_rounds: int = 30,
) -> Integral:
    """∫_0^∞ dw integrand(w) for a vector-valued integrand.

    Parameters
    ----------
    integrand : callable
        Maps frequencies (node,) to values (node, output); decays at least like 1/w² beyond the mesh.
    mesh : array
        Breakpoints from `line_mesh`; beyond its end the variable 1/w takes over.
    scale : callable
        Maps the current values (output,) to the magnitudes (output,) that errors are compared with.
    tolerance : float
        Error allowed, relative to `scale`.
    max_rounds : int
        Rounds of bisection.

    Raises
    ------
    NotConvergedError
        When an error estimate stays above tolerance.
    """
    stop = mesh[-1]
    # The tail is carried as intervals of -1/w < 0, shifted out of the way of [0, stop] by its sign.
    tail = np.linspace(-1.0 / stop, 0.0, 3)
    left = np.concatenate([mesh[:-1], tail[:-1]])
    right = np.concatenate([mesh[1:], tail[1:]])
    values, errors = _apply_rule(integrand, left, right)
    for _ in range(max_rounds):
        total = values.sum(axis=0)
        allowed = tolerance * scale(total)
        error = errors.sum(axis=0)
        if np.all(error <= allowed):
            return Integral(total, error)
        if len(left) > MAX_INTERVALS:
            break
        split = _worst(errors, allowed)
        middle = 0.5 * (left[split] + right[split])
        new_left = np.concatenate([left[split], middle])
        new_right = np.concatenate([middle, right[split]])
        new_values, new_errors = _apply_rule(integrand, new_left, new_right)
        keep = ~split
        left, right = np.concatenate([left[keep], new_left]), np.concatenate([right[keep], new_right])
        values = np.concatenate([values[keep], new_values])
        errors = np.concatenate([errors[keep], new_errors])
    with np.errstate(divide="ignore", invalid="ignore"):
        worst = float(np.nanmax(errors.sum(axis=0) / scale(values.sum(axis=0))))
    raise NotConvergedError("Frequency integral", worst, tolerance, "loosen `tolerance`")


def _worst(errors: FloatArray, allowed: FloatArray) -> NDArray:
    """Fewest intervals whose absence halves the errors allowed, from errors (interval, output); a mask."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.nan_to_num(errors / allowed, posinf=1e300).max(axis=1)
    order = np.argsort(share)
    split = np.empty(len(share), dtype=bool)
    split[order] = np.cumsum(share[order]) > 0.5
    return split


def _apply_rule(
    integrand: Callable[[FloatArray], NDArray], left: FloatArray, right: FloatArray
) -> tuple[NDArray, FloatArray]:
    """Kronrod values and |Kronrod - Gauss| of every interval, dims (interval, output)."""
    values, errors = [], []
    per_call = max(1, MAX_NODES_PER_CALL // len(NODES))
    for start in range(0, len(left), per_call):
        a, b = left[start : start + per_call], right[start : start + per_call]
        half = 0.5 * (b - a)
        point = 0.5 * (a + b)[:, None] + half[:, None] * NODES
        in_tail = point < 0
        omega = np.where(in_tail, -1.0 / np.where(in_tail, point, -1.0), point)
        jacobian = np.where(in_tail, omega**2, 1.0) * half[:, None]
        f = integrand(omega.ravel()).reshape(*point.shape, -1)
        kronrod, difference = np.moveaxis(RULES * jacobian[:, None] @ f, 1, 0)
        values.append(kronrod)
        errors.append(np.abs(difference))
    return np.concatenate(values), np.concatenate(errors)
