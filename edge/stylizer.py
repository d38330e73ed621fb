"""What every model of this project can do, and what a model of yours must do to be used in its place.

A package of yours offers one by an entry point in the group `mvstylizer.stylizers`: its name is what `--stylizer NAME`
means, and its object is a function that takes what follows a colon in `--stylizer NAME:ARGUMENT`, or "".
"""

from importlib.metadata import entry_points
from typing import Any, Protocol, TypeVar

import numpy as np

#: The group of entry points.
GROUP = "mvstylizer.stylizers"
Statistics = TypeVar("Statistics")
State = TypeVar("State")


class Stylizer(Protocol[Statistics, State]):
    """A model. It holds weights and nothing else: the caller keeps styles' statistics and streams' states.

    Pictures are RGB uint8 H W 3 of any size.
    """

    #: Identifies the weights; it is shown to operators.
    model_version: str

    def style(self, picture: np.ndarray) -> Statistics:
        """What the model needs of a style picture. It is computed once and passed with each key frame."""

    def follow(
        self, picture: np.ndarray, statistics: Statistics, state: State | None, *, elapsed_s: float
    ) -> tuple[np.ndarray, State]:
        """The answer to a stream's next key frame, and the state to pass with the one after.

        The answer is either a grid of colour transforms, float16 3 D R C 4 (see `clients.reassembly.grid`), or the
        stylized picture, RGB uint8, of any size. `state` is None for a single picture and for a new scene or style;
        `elapsed_s` is the time since the key frame before.

        An edge worker always passes None: key frames of a stream may go to several workers, and what keeps the picture
        from flickering there is the average of the fitted grids. Raises ValueError with a sentence if it has no answer.
        """


def find(name: str) -> Any:
    """The stylizer that `NAME` or `NAME:ARGUMENT` means. Raises ValueError with a sentence if it cannot be loaded."""
    name, _, argument = name.partition(":")
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        raise ValueError(f"there is no stylizer {name}; these are installed: {', '.join(sorted(found))}")
    return found[name].load()(argument)
