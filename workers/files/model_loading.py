"""Loads the models for a process that stylizes files."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.contract.errors import BadSetting

if TYPE_CHECKING:
    from edge.grid_model.stylizer import GridStylizer
    from edge.paper_model.stylizer import PaperStylizer
    from edge.training.losses import Features


def load_stylizer(weights: Path | None = None, name: str = "grid") -> "GridStylizer":
    """Load the stylizer of a name (see `edge.stylizer`), model grid by default, for which there may be other weights.

    It runs on one thread: the network is small, and video coding needs the other cores.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch  # this takes seconds, so it comes after the arguments have been checked

    from edge.any_model.fitted import load_named
    from edge.grid_model.stylizer import GridStylizer

    torch.set_num_threads(1)
    if name == "grid":
        return GridStylizer.load(weights)
    if weights is not None:
        raise BadSetting("--weights is for the models grid and paper; another stylizer's file follows its name.")
    return load_named(name)


def load_features(vgg: Path | None, device: str) -> "Features":
    """Load the features by which styles are compared: VGG-19's from its file, or the shipped encoder's."""
    from edge.training.retraining import encoder_features, features_from

    return features_from(vgg, device) if vgg else encoder_features(device=device)


def load_paper(weights: Path | None, vgg: Path | None) -> "PaperStylizer":
    """Load model paper. Its weights fit only the VGG-19 with which they were trained.

    Raises BadSetting if neither file is given.
    """
    if weights is None and vgg is None:  # otherwise 575 MB would be downloaded that do not fit the shipped weights
        raise BadSetting("The shipped weights of model paper go with the original VGG-19: name its file with --vgg.")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from edge.paper_model.stylizer import PaperStylizer  # it imports torch, which takes seconds

    return PaperStylizer.load(weights, vgg)
