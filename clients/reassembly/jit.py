"""Machine code for the loops over pixels."""

from collections.abc import Callable
from functools import partial

from numba import njit


def compiled(function: Callable) -> Callable:
    """Machine code, kept on disk between runs where the package's or the user's cache folder can be written."""
    compile_ = partial(njit, nogil=True, fastmath=True, error_model="numpy")
    try:
        return compile_(cache=True)(function)
    except RuntimeError:  # no folder to keep it in
        return compile_()(function)
