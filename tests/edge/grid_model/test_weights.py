import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from edge.grid_model.model import GridModel
from edge.grid_model.weights import SHIPPED, load, save


def test_weights_come_back_in_half_precision(tmp_path):
    model = GridModel()

    save(model, tmp_path / "new" / "weights.safetensors")
    loaded, _ = load(tmp_path / "new" / "weights.safetensors")

    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.half().float())


def test_the_version_follows_the_content(tmp_path):
    first, second = tmp_path / "1.safetensors", tmp_path / "2.safetensors"
    save(GridModel(), first)
    save(GridModel(), second)

    assert load(first)[1] != load(second)[1]


def test_weights_of_another_model_are_refused(tmp_path):
    tensors = load_file(SHIPPED)
    tensors.pop("encoder.stage1.0.weight")
    save_file(tensors, tmp_path / "other.safetensors")

    with pytest.raises(ValueError, match="other.safetensors holds no weights of this model"):
        load(tmp_path / "other.safetensors")


def test_shipped_weights_are_small():
    assert SHIPPED.stat().st_size < 1.5e6


def test_the_sidecar_tells_about_the_shipped_weights():
    sidecar = json.loads(SHIPPED.with_suffix(".json").read_text())

    assert sidecar["model_version"] == load(SHIPPED)[1]
    assert sidecar["bytes"] == SHIPPED.stat().st_size
