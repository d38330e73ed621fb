"""Networks in ONNX files, of every kind that is taken, and of many that are not."""

import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from edge.any_model.onnx_network import OnnxStylizer, network_size
from support.models.onnx_networks import colour_network

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
STYLE = np.full((10, 12, 3), (51, 0, 0), np.uint8)


def drawn(stylizer: OnnxStylizer, picture: np.ndarray = PICTURE) -> np.ndarray:
    answer, state = stylizer.follow(picture, stylizer.style(STYLE), None, elapsed_s=0.0)
    assert state is None
    return answer


def swapped(picture: np.ndarray) -> np.ndarray:
    return picture[..., ::-1] * np.array([1, 0.5, 1])


@pytest.mark.parametrize("levels", ["1", "255", "-1..1", ""])
def test_a_network_gets_and_gives_its_own_levels(tmp_path: Path, levels: str):
    bias = (0, -0.5, 0) if levels == "-1..1" else (0, 0, 0)
    network = colour_network(tmp_path / "net.onnx", bias=bias)

    answer = drawn(OnnxStylizer(network, levels))

    assert answer.dtype == np.uint8 and np.abs(answer - swapped(PICTURE)).max() <= 1


@pytest.mark.parametrize(("scale", "bias", "levels"), [
    (1.0, 0.0, (0.0, 1.0)), (255.0, 0.0, (0.0, 255.0)), (2.0, -1.0, (-1.0, 1.0)),
])  # fmt: skip
def test_levels_are_found_out_by_a_trial(tmp_path: Path, scale: float, bias: float, levels: tuple[float, float]):
    network = colour_network(tmp_path / "net.onnx", matrix=np.eye(3) * min(scale, 1.4), bias=(bias,) * 3)
    if scale == 255:
        network = colour_network(tmp_path / "net.onnx", matrix=np.eye(3), bias=(20.0,) * 3)

    assert OnnxStylizer(network)._range == levels


def test_a_network_with_two_inputs_gets_the_style(tmp_path: Path):
    stylizer = OnnxStylizer(colour_network(tmp_path / "net.onnx", matrix=np.eye(3) / 2, styled=True), "1")

    assert np.abs(drawn(stylizer) - (PICTURE / 2 + [51, 0, 0])).max() <= 1


def test_a_network_of_one_size_gets_that_size(tmp_path: Path):
    stylizer = OnnxStylizer(colour_network(tmp_path / "net.onnx", shape=(1, 3, 40, 24)))

    assert drawn(stylizer).shape == (40, 24, 3)


@pytest.mark.parametrize(("size", "network"), [
    ((480, 640), (384, 512)), ((1080, 1920), (288, 512)), ((5, 4000), (8, 512)), ((64, 48), (64, 48)),
])  # fmt: skip
def test_a_network_of_any_size_gets_small_pictures(size: tuple[int, int], network: tuple[int, int]):
    assert network_size(*size) == network


@pytest.mark.parametrize(("options", "sentence"), [
    ({"shape": (1, 1, 8, 8), "matrix": np.ones((3, 1))}, "not float32 1 3 H W"),
    ({"shape": (4, 3, 8, 8)}, "not float32 1 3 H W"), ({"out_channels": 2}, "answers with the shape"),
    ({"kind": TensorProto.FLOAT16}, "not float32 1 3 H W|onnxruntime can run"),
    ({"bias": (float("nan"),) * 3}, "numbers that are not finite"),
])  # fmt: skip
def test_other_networks_are_refused_in_a_sentence(tmp_path: Path, options: dict, sentence: str):
    try:
        network = colour_network(tmp_path / "net.onnx", **options)
    except Exception:  # ONNX itself refuses it
        pytest.skip("no such network can be written")

    with pytest.raises(ValueError, match=sentence):
        OnnxStylizer(network)


@pytest.mark.parametrize(("argument", "sentence"), [
    ("", "name the file of the network"), ("none.onnx", "is not a file"), ("text.onnx", "onnxruntime can run"),
    ("net.onnx?16", "must be one of 1, 255, -1..1"),
])  # fmt: skip
def test_what_is_no_network_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str, sentence: str):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.onnx").write_text("hello")
    colour_network(tmp_path / "net.onnx")

    with pytest.raises(ValueError, match=sentence):
        OnnxStylizer.of_argument(argument)


def test_without_onnxruntime_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    with pytest.raises(ValueError, match=r"pip install 'mvstylizer\[onnx\]'"):
        OnnxStylizer(tmp_path / "net.onnx")
