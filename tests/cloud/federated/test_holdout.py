"""The hold-out test has fixed pictures, gives the same loss every time, and a larger one for worse models."""

import numpy as np
import pytest

from cloud.federated.fedavg import Contribution, change, merge, read, write
from cloud.federated.holdout import FRAMES, HoldOut, pan
from cloud.federated.registry import SHIPPED
from edge.grid_model.weights import is_trained
from edge.training.retraining import encoder_features
from pipeline.contract.image_codec import decode_image
from pipeline.contract.settings import Settings
from pipeline.styles.catalog import shipped
from workers.aggregate import float32

MOST_LOSS = 1 + Settings().gate_tolerance
BASE = float32(read(SHIPPED.read_bytes()))
TRAINED = {name: array for name, array in BASE.items() if is_trained(name)}


@pytest.fixture(scope="module")
def hold_out() -> HoldOut:
    return HoldOut([decode_image(style.jpeg) for style in shipped()[:4]], encoder_features())


def trained(seed: int) -> np.ndarray:
    """A model whose change is as long as that of a few hundred training steps."""
    noise = np.random.default_rng(seed).normal(0, 1, sum(array.size for array in TRAINED.values()))
    return noise / np.linalg.norm(noise)


def test_a_clip_moves_across_its_picture():
    picture = np.arange(6 * 10 * 3, dtype=np.uint8).reshape(6, 10, 3)

    frames = pan(picture)

    assert [frame.shape for frame in frames] == [(6, 6, 3)] * FRAMES
    assert (frames[0] == picture[:, :6]).all() and (frames[-1] == picture[:, 4:]).all()


def test_the_same_model_has_the_same_loss_and_a_broken_one_a_larger(hold_out):
    noise = np.random.default_rng(0)
    noisy = {name: (array + noise.normal(0, 0.3, array.shape)).astype(np.float32) for name, array in TRAINED.items()}
    loss = hold_out.loss(write(BASE))

    assert hold_out.loss(write(BASE)) == loss > 0
    assert hold_out.loss(write({**BASE, **noisy})) > MOST_LOSS * loss


def test_bytes_that_are_no_model_are_one_error(hold_out):
    with pytest.raises(ValueError, match="no weights of this model"):
        hold_out.loss(b"rubbish")


POISON = {
    "1e30": np.full(sum(array.size for array in TRAINED.values()), 1e30),
    "turned a hundredfold": -100 * trained(0),
    "10^9 examples": 3 * trained(9),
}


@pytest.mark.parametrize("name", POISON)
def test_one_bad_edge_of_four_moves_the_loss_by_less_than_a_twentieth(hold_out, name):
    honest = [Contribution(0.3 * trained(seed), 400, 0) for seed in range(3)]
    bad = Contribution(POISON[name], 10**9 if "examples" in name else 400, 0)

    def loss_of(contributions: list[Contribution]) -> float:
        merged, _ = merge(TRAINED, contributions, norms=[0.3])
        assert np.isfinite(change(merged, TRAINED)).all()
        return hold_out.loss(write({**BASE, **merged}))

    assert loss_of([*honest, bad]) < MOST_LOSS * loss_of(honest)
