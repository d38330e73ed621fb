"""The training of model `paper`, with a frozen encoder, Eq. 5, and the paper's own settings."""

import math
import random
from pathlib import Path

import torch

from cloud.pretraining.feed import Feed
from cloud.pretraining.loop import Phase, Run, train
from cloud.pretraining.photos import Photos
from edge.paper_model.decoder_init import initialize_decoder
from edge.paper_model.loss import train_paper
from edge.paper_model.model import PaperModel
from edge.paper_model.weights import save
from edge.vgg.vgg import VGG

#: From section 4.2 of the paper, which does not clip gradients.
RATE, BETAS, BATCH = 1e-4, (0.5, 0.999), 2
#: Photos to which the decoder's initial weights are fitted.
START_PHOTOS = 24


def pretrain_paper(
    photos: Path,
    vgg: Path | None,
    out: Path,
    *,
    form: str = "adain",
    steps: int = 4000,
    seed: int = 0,
    device: str | None = None,
) -> None:
    """Train model `paper` on a folder of photos and write its weights to `out`.

    The encoder is the VGG-19 in the file `vgg`, or torchvision's if that is None. An interrupted run goes on from its
    checkpoint beside `out`. Raises ValueError for a bad folder, file or form.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    feed = Feed(Photos(photos), VGG(vgg).to(device), seed, device)
    model, checkpoint = PaperModel(feed.vgg, form).to(device), out.with_suffix(".checkpoint")
    if not checkpoint.exists():
        initialize_decoder(model, feed.squares("start", START_PHOTOS))
    run = Run(checkpoint, model, form, device)
    train(
        run,
        Phase(form, steps, RATE, BETAS, clip=math.inf),
        lambda step: train_paper(
            run.model,
            feed.squares(f"{step} contents", BATCH),
            feed.squares(f"{step} styles", BATCH),
            random.Random(f"{seed} factor {step}"),
        ),
    )
    save(run.mean, out)
