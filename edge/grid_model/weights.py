"""The model's weights: which are trained, and safetensors files of them, in half precision, with a hash as version."""

import hashlib
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from edge.grid_model.model import GridModel

#: How the names of the grade's weights begin. Files of before there was a grade have none.
GRADE = "grade."
SHIPPED = Path(__file__).parent.parent / "weights" / "grid.safetensors"


def is_trained(name: str) -> bool:
    """Whether an edge trains a weight.

    All are but the encoder's, which are frozen (section 4.2 of the paper), and the grade's, which Eq. 5 does not judge.
    """
    return not name.startswith(("encoder.", GRADE))


def save(model: GridModel, path: Path) -> None:
    """Write the weights in half precision: an error of 0.001 of a weight does not show, and half the bytes travel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}, path)


def load(path: Path) -> tuple[GridModel, str]:
    """The model and its version, the first 12 hex digits of the file's sha256.

    Raises ValueError if the file cannot be read or holds no weights of this model.
    """
    try:
        return parse(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} holds no weights of this model: {error}") from error


def parse(file: bytes) -> tuple[GridModel, str]:
    """The same as `load`, from the file's bytes. Raises ValueError if they are no weights of this model."""
    model = GridModel()
    try:
        found = {name: tensor.float() for name, tensor in safetensors.torch.load(file).items()}
        grade = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(GRADE)}
        model.load_state_dict({**grade, **found})
    except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"these are no weights of this model: {error}") from error
    return model.requires_grad_(False).eval(), hashlib.sha256(file).hexdigest()[:12]
