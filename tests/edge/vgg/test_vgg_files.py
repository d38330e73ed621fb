import numpy as np
import pytest
import torch
from torchvision.models import VGG19_Weights, vgg19

from edge.vgg.vgg import VGG
from edge.vgg.vgg_files import MEAN_RGB, NEEDED, PLACES, TORCHVISION_MEAN, TORCHVISION_STD, read
from support.models.teacher import random_layers, write_vgg


def test_the_first_layer_takes_rgb_in_0_to_1_as_keras_takes_bgr_in_0_to_255(tmp_path):
    file = write_vgg(tmp_path / "vgg.npz")
    kernel, rgb = np.load(file)["block1_conv1/kernel"], np.array([0.2, 0.5, 0.9])
    expected = np.maximum((kernel.sum((0, 1)) * (rgb * 255 - MEAN_RGB)[::-1, None]).sum(0), 0)

    found = VGG(file)(torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, 8, 8), ("1_1",))["1_1"]

    assert np.allclose(found[0, :, 4, 4].numpy(), expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_torchvision_weights_see_what_torchvision_shows_them(tmp_path, suffix):
    file, image = write_vgg(tmp_path / f"vgg{suffix}", "4_1"), torch.rand(1, 3, 8, 8)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (TORCHVISION_MEAN, TORCHVISION_STD))
    expected = torch.conv2d((image - mean) / std, random_layers("1_1")["1_1"]).relu()

    found = VGG(file)(image, ("1_1",))["1_1"]

    assert torch.allclose(found[:, :, 1:-1, 1:-1], expected, atol=1e-5)


def test_places_are_those_of_torchvisions_network(monkeypatch):
    """Untrained weights of torchvision's own network are read as its state dict."""
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in vgg19().state_dict().items() if name.startswith("features")}
    monkeypatch.setattr(
        VGG19_Weights, "get_state_dict", lambda *_, **__: {name: torch.ones(shape) for name, shape in shapes.items()}
    )

    weights = read(None)

    assert list(weights.layers) == [*NEEDED, "4_1"]
    assert weights.layers["3_4"][0].shape == (256, 256, 3, 3)
    assert weights.layers["4_1"][0].shape == (512, 256, 3, 3)


def test_a_failed_download_is_one_sentence(monkeypatch):
    def fail(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(VGG19_Weights, "get_state_dict", fail)

    with pytest.raises(ValueError, match=r"could not be downloaded \(no network\); name a file with --vgg"):
        read(None)


@pytest.mark.parametrize("suffix", [".npz", ".pth", ".safetensors"])
def test_another_file_is_refused(tmp_path, suffix):
    text, missing = tmp_path / f"text{suffix}", tmp_path / f"missing{suffix}"
    text.write_text("no weights")

    with pytest.raises(ValueError, match=rf"{text.name} holds no VGG-19 weights as .*safetensors$"):
        VGG(text)
    with pytest.raises(ValueError, match=rf"{missing.name} cannot be read: .*No such file"):
        VGG(missing)


def test_too_few_layers_and_other_shapes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="convolution 3_4 is missing"):
        VGG(write_vgg(tmp_path / "short.npz", "3_3"))

    torch.save(
        {
            f"features.{place}.{kind}": torch.zeros(8, 3, 3, 3)
            for place in PLACES.values()
            for kind in ("weight", "bias")
        },
        tmp_path / "narrow.pth",
    )
    with pytest.raises(ValueError, match=r"narrow.pth holds .*: convolution 1_1 has shape \(8, 3, 3, 3\)"):
        VGG(tmp_path / "narrow.pth")


def test_code_in_a_state_dict_does_not_run(tmp_path):
    torch.save({"features.0.weight": Trap(tmp_path / "sprung")}, tmp_path / "trap.pth")

    with pytest.raises(ValueError, match="trap.pth holds no VGG-19 weights"):
        VGG(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return type(self.path).touch, (self.path,)
