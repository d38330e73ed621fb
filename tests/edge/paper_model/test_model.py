import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from edge.paper_model.feature_transforms import FORMS
from edge.paper_model.loss import train_paper
from edge.paper_model.model import PaperModel
from edge.paper_model.stylizer import PaperStylizer
from edge.paper_model.weights import SHIPPED, load, save
from edge.vgg.vgg import VGG
from support.models.teacher import write_vgg
from support.pictures.no_pictures import NO_PICTURES

#: The contents' size, with which the network's input stays small at the default factor.
SIZES = [(1, 1), (1, 400), (400, 1), (2, 3), (36, 64), (65, 33)]


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory):
    torch.set_num_threads(1)
    return write_vgg(tmp_path_factory.mktemp("vgg") / "vgg.npz")


@pytest.fixture(scope="module")
def vgg(vgg_file):
    return VGG(vgg_file)


@pytest.fixture(scope="module")
def weights(vgg, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "paper.safetensors"
    save(PaperModel(vgg), path)
    return path


@pytest.fixture(scope="module")
def stylizer(weights, vgg_file):
    return PaperStylizer.load(weights, vgg_file, device="cpu")


def picture(height, width, seed=0):
    """A picture of soft coloured blobs."""
    small = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    large = F.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)
    return (large[0].permute(1, 2, 0) * 255).byte().numpy()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("height, width", [(16, 24), (24, 36), (40, 51), (7, 9)])
def test_every_form_draws_every_size(vgg, form, height, width):
    model, content, style = PaperModel(vgg, form), torch.rand(2, 3, 16, 24), torch.rand(2, 3, 24, 16)

    with torch.no_grad():
        drawn = model(content, model.encode(style), height, width)

    assert drawn.shape == (2, 3, height, width)
    assert drawn.isfinite().all()


def test_the_deepest_layer_of_the_file_is_the_bottleneck(vgg, tmp_path):
    deep = VGG(write_vgg(tmp_path / "vgg.safetensors", "4_1"))

    assert PaperModel(vgg).bottleneck == "3_1"
    assert PaperModel(deep).bottleneck == "4_1"
    assert PaperModel(deep, bottleneck="3_1").bottleneck == "3_1"


def test_what_is_not_there_is_refused(vgg):
    with pytest.raises(ValueError, match="Eq. 2 has the forms literal, .*, not magic"):
        PaperModel(vgg, "magic")
    with pytest.raises(ValueError, match="end before layer 4_1"):
        PaperModel(vgg, bottleneck="4_1")


def test_gradients_reach_all_but_the_encoder(vgg):
    torch.manual_seed(0)
    model = PaperModel(vgg)
    torch.nn.init.normal_(model.smoothing.project.weight)

    losses = train_paper(model, torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32), random.Random(0))
    sum(losses.values()).backward()

    assert all(parameter.grad is None for parameter in model.encoder.parameters())
    learned = [*model.decoder.parameters(), *model.smoothing.parameters()]
    assert all(parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0 for parameter in learned)


def test_weights_come_back_without_the_encoder(vgg, weights):
    tensors = load_file(weights)

    model, version = load(weights, vgg)

    assert not [name for name in tensors if name.startswith("encoder.")]
    assert len(version) == 12
    assert weights.stat().st_size < 1.3e6
    assert all(torch.equal(model.state_dict()[name], tensor.float()) for name, tensor in tensors.items())


def test_the_same_weights_make_the_same_file(vgg, tmp_path):
    model = PaperModel(vgg)

    for name in "ab":
        save(model, tmp_path / name)

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_weights_of_another_encoder_or_model_are_refused(vgg, weights, tmp_path):
    other = VGG(write_vgg(tmp_path / "vgg.npz"))
    other.layers["1_1"].weight.data += 0.1
    with pytest.raises(ValueError, match="was trained with other VGG-19 weights"):
        load(weights, other)

    save_file(load_file(weights), tmp_path / "nameless.safetensors")
    about = {"about": '{"form": "adain", "bottleneck": "3_1"}'}
    save_file({"a": torch.ones(2)}, tmp_path / "strange.safetensors", about)
    (tmp_path / "text.safetensors").write_text("no weights")
    for name in ("nameless", "strange", "text"):
        with pytest.raises(ValueError, match=f"{name}.safetensors holds no weights of model paper$"):
            load(tmp_path / f"{name}.safetensors", vgg)
    with pytest.raises(ValueError, match="missing.safetensors cannot be read"):
        load(tmp_path / "missing.safetensors", vgg)


def test_shipped_weights_are_small_and_finite_and_know_their_encoder(vgg):
    assert SHIPPED.stat().st_size < 1.3e6
    assert all(tensor.isfinite().all() for tensor in load_file(SHIPPED).values())
    with pytest.raises(ValueError, match="trained with other VGG-19 weights"):
        load(SHIPPED, vgg)


@pytest.mark.parametrize("height, width", SIZES)
def test_every_content_gives_pixels(stylizer, height, width):
    image = picture(height, width)

    styled = stylizer.stylize(image, stylizer.style(image[::-1], long_side=64), factor=1)

    assert styled.shape == image.shape and styled.dtype == np.uint8


@pytest.mark.parametrize("factor", [0.5, 1, 1.5, 3.75, None])
def test_size_and_factor_are_as_asked_for(stylizer, factor):
    image = picture(40, 60)

    styled = stylizer.stylize(image, stylizer.style(image, long_side=64), size=(90, 61), factor=factor)

    assert styled.shape == (61, 90, 3)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_pictures_do_no_harm(stylizer, value):
    flat, photo = np.full((36, 64, 3), value, np.uint8), picture(36, 64)

    for content, style in ((photo, flat), (flat, photo), (flat, flat)):
        assert stylizer.stylize(content, stylizer.style(style, long_side=64), factor=1).shape == (36, 64, 3)


@pytest.mark.parametrize("image", NO_PICTURES)
def test_what_is_no_picture_is_refused(stylizer, image):
    for call in (stylizer.style, lambda image: stylizer.stylize(image, None)):
        with pytest.raises(ValueError, match="a picture must"):
            call(image)


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        ({"factor": 0}, "factor r must be a number above 0"),
        ({"factor": float("nan")}, "factor r must be"),
        ({"factor": 1e-5}, "too small"),
        ({"factor": 1e-300}, "too small"),
        ({"size": (0, 5)}, "1 to 16777216 pixels"),
        ({"size": (9000, 9000)}, "1 to 16777216 pixels"),
    ],
)
def test_sizes_and_factors_that_cannot_be_are_refused(stylizer, wrong, sentence):
    image = picture(36, 64)

    with pytest.raises(ValueError, match=sentence):
        stylizer.stylize(image, stylizer.style(image, long_side=64), **wrong)
