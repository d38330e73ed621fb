"""An executor without threads."""

from collections.abc import Callable
from concurrent.futures import Future


class AtOnce:
    """Calls each function at once, in the caller's thread."""

    def submit(self, function: Callable, *args: object) -> Future:
        future: Future = Future()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future
