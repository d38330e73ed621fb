"""Machine code for the loops over pixels."""

from collections.abc import Callable

from numba import njit


def compiled(function: Callable) -> Callable:
    """Machine code, kept on disk between runs where the package's or the user's cache folder can be written."""
    options = {"nogil": True, "fastmath": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep it in
        return njit(**options)(function)
