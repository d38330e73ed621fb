"""The model's weights as a safetensors file: half precision on disk, and named by their hash."""

import hashlib
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from edge.grid_model.model import GridModel

SHIPPED = Path(__file__).parent.parent / "weights" / "grid.safetensors"


def save(model: GridModel, path: Path) -> None:
    """Half precision: 0.001 of a weight's size does not show, and half the bytes travel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}, path)


def load(path: Path) -> tuple[GridModel, str]:
    """The model and its version, 12 hex of the file's sha256. Raises ValueError where it is no such file."""
    try:
        return parse(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} holds no weights of this model: {error}") from error


def parse(file: bytes) -> tuple[GridModel, str]:
    """As above, of a file's bytes. Raises ValueError."""
    model = GridModel()
    try:
        model.load_state_dict({name: tensor.float() for name, tensor in safetensors.torch.load(file).items()})
    except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"these are no weights of this model: {error}") from error
    return model.requires_grad_(False).eval(), hashlib.sha256(file).hexdigest()[:12]
