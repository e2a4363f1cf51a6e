"""How kernels are compiled."""

from __future__ import annotations

from numba import njit

compiled = njit(nogil=True, error_model="numpy", fastmath={"contract"})
