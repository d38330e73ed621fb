import pytest
import torch
from safetensors.torch import load_file

import cloud.pretraining.feed
import cloud.pretraining.loop
import cloud.pretraining.pretrain_paper
from cloud.pretraining.pretrain_paper import pretrain_paper
from edge.paper_model.weights import load
from edge.vgg.vgg import VGG
from support.models.teacher import write_photos, write_vgg
from workers.__main__ import main


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder of four small photos and an encoder, with training pictures as small as possible."""
    torch.set_num_threads(1)
    monkeypatch.setattr(cloud.pretraining.feed, "SQUARE", 32)
    monkeypatch.setattr(cloud.pretraining.loop, "CHECKPOINT_STEPS", 2)
    monkeypatch.setattr(cloud.pretraining.pretrain_paper, "START_PHOTOS", 4)
    return write_photos(tmp_path / "photos", 4, (60, 40)), write_vgg(tmp_path / "vgg.npz"), tmp_path


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(data, monkeypatch):
    photos, vgg, folder = data
    pretrain_paper(photos, vgg, folder / "whole.safetensors", steps=4, device="cpu")
    real, calls = cloud.pretraining.pretrain_paper.train_paper, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(cloud.pretraining.pretrain_paper, "train_paper", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pretrain_paper(photos, vgg, folder / "parts.safetensors", steps=4, device="cpu")
    pretrain_paper(photos, vgg, folder / "parts.safetensors", steps=4, device="cpu")

    whole, parts = load_file(folder / "whole.safetensors"), load_file(folder / "parts.safetensors")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_the_command_trains_a_form_and_leaves_the_encoder_as_it_was(data, monkeypatch):
    photos, vgg, folder = data
    monkeypatch.chdir(folder)

    main("pretrain --model paper --form literal --photos photos --vgg vgg.npz --steps 2".split())

    model, _ = load(folder / "paper.safetensors", VGG(vgg))
    assert model.form == "literal"
    state = torch.load(folder / "paper.checkpoint", weights_only=True)["model"]
    assert all(torch.equal(state[f"encoder.{name}"], tensor) for name, tensor in VGG(vgg).state_dict().items())


def test_a_checkpoint_of_another_model_is_refused(data):
    photos, vgg, folder = data
    torch.save(
        {"phase": "distil", "step": 1, "model": {"a": torch.ones(1)}, "mean": {}, "optimizer": None},
        folder / "paper.checkpoint",
    )

    with pytest.raises(ValueError, match="paper.checkpoint is a checkpoint of another model"):
        pretrain_paper(photos, vgg, folder / "paper.safetensors", steps=1, device="cpu")
