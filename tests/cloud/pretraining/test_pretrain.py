import random

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import cloud.pretraining.feed
import cloud.pretraining.loop
import cloud.pretraining.pretrain
from cloud.pretraining.feed import Feed
from cloud.pretraining.photos import Photos, random_crop, random_grade, random_motion
from cloud.pretraining.pretrain import pretrain
from edge.grid_model.weights import SHIPPED, load
from edge.training.step import move
from edge.vgg.vgg import VGG
from support.models.teacher import write_photos, write_vgg
from support.pictures import profiles


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder of six small photos and a teacher, with training pictures as small as possible."""
    torch.set_num_threads(1)
    monkeypatch.setattr(cloud.pretraining.feed, "SQUARE", 32)
    monkeypatch.setattr(cloud.pretraining.feed, "HEIGHT", 32)
    monkeypatch.setattr(cloud.pretraining.feed, "WIDTH", 48)
    monkeypatch.setattr(cloud.pretraining.pretrain, "COMPONENT_PHOTOS", 6)
    monkeypatch.setattr(cloud.pretraining.loop, "CHECKPOINT_STEPS", 2)
    return write_photos(tmp_path / "photos", 6, (90, 60)), write_vgg(tmp_path / "vgg.npz"), tmp_path


def test_training_writes_weights_that_load(data):
    photos, vgg, folder = data

    pretrain(photos, vgg, folder / "grid.safetensors", distil_steps=3, steps=3, grades=8, device="cpu")

    _, version = load(folder / "grid.safetensors")
    assert len(version) == 12
    assert (folder / "grid.safetensors").stat().st_size < 2e6


def test_photos_are_read_upright_and_in_their_colours(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = profiles.rgb_profile(profiles.ADOBE, 2.2)
    Image.new("RGB", (60, 40), (200, 60, 60)).save(tmp_path / "a.png", exif=exif, icc_profile=profile)

    photo = Photos(tmp_path).read(0)

    assert photo.shape == (3, 60, 40)
    shown = profiles.shown(np.array([200, 60, 60]), profiles.ADOBE, 2.2)
    torch.testing.assert_close(255 * photo[:, 0, 0], torch.tensor(shown).float(), atol=2, rtol=0)


def test_a_file_that_is_no_photo_is_named(tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")

    with pytest.raises(ValueError, match="text.jpg cannot be read as a picture"):
        Photos(tmp_path).read(0)


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(data, monkeypatch):
    photos, vgg, folder = data
    pretrain(photos, vgg, folder / "whole.safetensors", distil_steps=2, steps=4, grades=0, device="cpu")
    real, calls = cloud.pretraining.pretrain.stylize, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(cloud.pretraining.pretrain, "stylize", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pretrain(photos, vgg, folder / "parts.safetensors", distil_steps=2, steps=4, grades=0, device="cpu")
    pretrain(photos, vgg, folder / "parts.safetensors", distil_steps=2, steps=4, grades=0, device="cpu")

    whole, parts = load_file(folder / "whole.safetensors"), load_file(folder / "parts.safetensors")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_weights_are_trained_further_from_where_they_are(data):
    photos, vgg, folder = data

    pretrain(photos, vgg, folder / "further.safetensors", start=SHIPPED, steps=2, grades=0, device="cpu")

    before, after = load_file(SHIPPED), load_file(folder / "further.safetensors")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not any(name.startswith("encoder.") for name in moved)
    assert max((after[name] - before[name]).abs().max() for name in moved) < 0.01


def test_the_model_learns_on_what_it_is_shown(data, caplog, monkeypatch):
    photos, vgg, folder = data
    monkeypatch.setattr(cloud.pretraining.loop, "LOG_STEPS", 10)
    caplog.set_level("INFO")

    pretrain(photos, vgg, folder / "grid.safetensors", distil_steps=30, steps=0, grades=0, device="cpu")

    pictures = [float(line.split("picture ")[1].split()[0]) for line in caplog.messages if "picture" in line]
    assert pictures[-1] < 0.8 * pictures[0]


def test_a_folder_without_photos_is_refused(data):
    _, vgg, folder = data
    (folder / "empty").mkdir()

    with pytest.raises(ValueError, match="no photos"):
        pretrain(folder / "empty", vgg, folder / "grid.safetensors", device="cpu")


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")

    with pytest.raises(ValueError, match="broken.jpg cannot be read as a picture"):
        Photos(tmp_path).read(0)


def test_a_step_is_shown_the_same_again(data):
    photos, vgg, _ = data

    first, again = (Feed(Photos(photos), VGG(vgg), 0, "cpu").batch("7", 4) for _ in range(2))

    assert torch.equal(first.content, again.content)
    assert torch.equal(first.style, again.style)
    assert torch.equal(first.truth, again.truth)


@pytest.mark.parametrize("shape", [(3, 288, 512), (3, 512, 288), (3, 20, 300)])
def test_crops_and_intra_frames_have_the_size_asked_for(shape, tmp_path):
    photo = torch.rand(shape)
    Image.fromarray((photo * 255).byte().permute(1, 2, 0).numpy()).save(tmp_path / "0.png")

    assert random_crop(photo, 32, 48, 0.5, random.Random(0)).shape == (3, 32, 48)
    assert Photos(tmp_path).centre_crop(0, 32, 48).shape == (3, 32, 48)


def test_a_moved_camera_still_sees_only_the_picture():
    corners = torch.tensor([[x, y, 1.0] for x in (-1, 1) for y in (-1, 1)]).T

    motions = [random_motion(random.Random(seed))[0] for seed in range(200)]

    assert (
        max((motion @ corners).abs().max() for motion in motions) < 1.15
    )  # a turned camera sees past a corner, where the picture is reflected
    assert min(motion[0, 0] for motion in motions) < 0.9


def test_a_motion_says_where_pixels_come_from():
    image = torch.rand(1, 3, 16, 24)
    still = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    mirrored = torch.tensor([[[-1.0, 0, 0], [0, 1, 0]]])

    assert torch.allclose(move(image, still), image, atol=1e-5)
    assert torch.allclose(move(image, mirrored), image.flip(3), atol=1e-5)


def test_a_grade_is_the_same_for_all_and_keeps_the_range():
    image = torch.rand(1, 3, 16, 16)

    graded = random_grade(torch.cat((image, image)), random.Random(3))

    assert torch.equal(graded[0], graded[1])
    assert graded.min() >= 0 and graded.max() <= 1
    assert (graded[:1] - image).abs().mean() > 0.01
