"""The models on disk, loaded for one process that stylizes files."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.contract.errors import BadSetting

if TYPE_CHECKING:
    from edge.grid_model.stylizer import Stylizer
    from edge.paper_model.stylizer import PaperStylizer


def load_stylizer(weights: Path | None = None) -> "Stylizer":
    """Model grid, on one thread: the network is small, and decoder and encoder need the other cores."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch  # takes seconds: only after the arguments are known to be good

    from edge.grid_model.stylizer import Stylizer

    torch.set_num_threads(1)
    return Stylizer.load(weights)


def load_paper(weights: Path | None, vgg: Path | None) -> "PaperStylizer":
    """Model paper; its weights go with the VGG-19 they were trained with, and with no other."""
    if weights is None and vgg is None:  # before 575 MB are downloaded that do not go with them
        raise BadSetting("The shipped weights of model paper go with the original VGG-19: name its file with --vgg.")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from edge.paper_model.stylizer import PaperStylizer  # torch takes seconds

    return PaperStylizer.load(weights, vgg)
