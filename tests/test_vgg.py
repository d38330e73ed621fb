import numpy as np
import pytest
import torch

from edge.vgg import MEAN_RGB, VGG
from teacher import write_vgg


def test_features_have_the_teachers_widths_and_scales(tmp_path):
    vgg = VGG(write_vgg(tmp_path / "vgg.npz"))

    found = vgg(torch.rand(1, 3, 32, 48), ("1_1", "2_1", "3_4"))

    assert {name: tuple(f.shape[1:]) for name, f in found.items()} == {
        "1_1": (64, 32, 48), "2_1": (128, 16, 24), "3_4": (256, 8, 12)}


def test_the_first_layer_takes_rgb_in_0_to_1_as_the_file_takes_bgr_in_0_to_255(tmp_path):
    file = write_vgg(tmp_path / "vgg.npz")
    kernel, rgb = np.load(file)["block1_conv1/kernel"], np.array([0.2, 0.5, 0.9])
    expected = np.maximum((kernel.sum((0, 1)) * (rgb * 255 - MEAN_RGB)[::-1, None]).sum(0), 0)

    found = VGG(file)(torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, 8, 8), ("1_1",))["1_1"]

    assert np.allclose(found[0, :, 4, 4].numpy(), expected, rtol=1e-4, atol=1e-2)


def test_another_file_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", something=np.zeros(3))
    (tmp_path / "text.npz").write_text("no archive")

    for name in ("other.npz", "text.npz", "missing.npz"):
        with pytest.raises(ValueError, match=name):
            VGG(tmp_path / name)
