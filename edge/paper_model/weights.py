"""What model `paper` has learned, as a safetensors file. VGG's own weights stay in their own file."""

import hashlib
import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from edge.paper_model.model import PaperModel
from edge.vgg.vgg import VGG

#: Trained with the original VGG-19, not with torchvision's; how is said in the file beside it.
SHIPPED = Path(__file__).parent.parent / "weights" / "paper.safetensors"


def save(model: PaperModel, path: Path) -> None:
    """Decoder and meta-smoothing in half precision, with the form of Eq. 2 and the VGG they were trained for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    learned = {
        name: tensor.half().contiguous()
        for name, tensor in model.state_dict().items()
        if not name.startswith("encoder.")
    }
    about = {"form": model.form, "bottleneck": model.bottleneck, "vgg": fingerprint(model.encoder, model.bottleneck)}
    save_file(learned, path, {"about": json.dumps(about)})  # several entries would come in any order


def load(path: Path, vgg: VGG) -> tuple[PaperModel, str]:
    """The model and its version, 12 hex of the file's sha256.

    Raises ValueError where it is no such file, or was trained with another VGG: its features mean something else.
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
    """12 hex that name the encoder's weights down to its last layer."""
    digest = hashlib.sha256()
    for name, layer in vgg.layers.items():
        if name <= bottleneck:
            assert isinstance(layer, nn.Conv2d)
            digest.update(layer.weight.detach().float().contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
