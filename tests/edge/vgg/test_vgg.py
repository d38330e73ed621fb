import torch

from edge.vgg.vgg import VGG
from support.models.teacher import write_vgg


def test_features_have_the_teachers_widths_and_scales(tmp_path):
    vgg = VGG(write_vgg(tmp_path / "vgg.npz"))

    found = vgg(torch.rand(1, 3, 32, 48), ("1_1", "2_1", "3_4"))

    assert {name: tuple(f.shape[1:]) for name, f in found.items()} == {
        "1_1": (64, 32, 48),
        "2_1": (128, 16, 24),
        "3_4": (256, 8, 12),
    }


def test_the_fourth_block_is_there_where_the_file_has_it(tmp_path):
    vgg = VGG(write_vgg(tmp_path / "vgg.pth", "4_1"))

    assert vgg(torch.rand(1, 3, 32, 48), ("4_1",))["4_1"].shape == (1, 512, 4, 6)
