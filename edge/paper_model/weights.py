"""Saves and loads the trained weights of model `paper`; those of VGG-19 stay in their own file."""

import hashlib
import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from edge.paper_model.model import PaperModel
from edge.vgg.vgg import VGG

#: These were trained with the original VGG-19, not with torchvision's; the .json file beside them says how.
SHIPPED = Path(__file__).parent.parent / "weights" / "paper.safetensors"


def save(model: PaperModel, path: Path) -> None:
    """Write decoder and meta-smoothing in half precision, with the form of Eq. 2 and the VGG they were trained for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    learned = {
        name: tensor.half().contiguous()
        for name, tensor in model.state_dict().items()
        if not name.startswith("encoder.")
    }
    about = {"form": model.form, "bottleneck": model.bottleneck, "vgg": fingerprint(model.encoder, model.bottleneck)}
    save_file(learned, path, {"about": json.dumps(about)})  # one entry: several would be written in any order


def load(path: Path, vgg: VGG) -> tuple[PaperModel, str]:
    """The model and its version, the first 12 hex digits of the file's sha256.

    Raises ValueError if the file is not one of model `paper`, or was trained with another VGG, whose features differ.
    """
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})["about"])
        model = PaperModel(vgg, about["form"], about["bottleneck"])
        learned = {name: tensor.float() for name, tensor in load_file(path).items()}
        missing, unknown = model.load_state_dict(learned, strict=False)
        if unknown or any(not name.startswith("encoder.") for name in missing):
            raise KeyError("other layers")
        version = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    except (SafetensorError, RuntimeError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} holds no weights of model paper") from error
    if about.get("vgg") != fingerprint(vgg, model.bottleneck):
        raise ValueError(f"{path} was trained with other VGG-19 weights than these")
    return model.requires_grad_(False).eval(), version


def fingerprint(vgg: VGG, bottleneck: str) -> str:
    """12 hex digits that identify the encoder's weights down to its last layer."""
    digest = hashlib.sha256()
    for name, layer in vgg.layers.items():
        if name <= bottleneck:
            assert isinstance(layer, nn.Conv2d)
            digest.update(layer.weight.detach().float().contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
