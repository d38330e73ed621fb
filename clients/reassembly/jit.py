"""Compiles the loops over pixels to machine code."""

from collections.abc import Callable
from functools import partial

from numba import njit


def compiled(function: Callable) -> Callable:
    """Compile a function with Numba. The code is kept on disk if the package's or the user's cache can be written."""
    compile_ = partial(njit, nogil=True, fastmath=True, error_model="numpy")
    try:
        return compile_(cache=True)(function)
    except RuntimeError:  # no folder to keep it in
        return compile_()(function)
