"""`mvstylizer pretrain`: the first training of model `grid`, or of model `paper`.

Model `grid` first distils VGG-19 into its encoder and decoder, then learns end to end through the grid.
"""

import argparse
import logging
import random
from pathlib import Path

import torch

from cloud.pretraining.feed import Feed
from cloud.pretraining.grading import graded_pairs, teach
from cloud.pretraining.loop import Phase, Run, train
from cloud.pretraining.photos import Photos
from cloud.pretraining.pretrain_paper import pretrain_paper
from edge.grid_model.model import GridModel
from edge.grid_model.weights import load, save
from edge.paper_model.feature_transforms import FORMS
from edge.training.distillation import Targets
from edge.training.step import distil, stylize
from edge.vgg.vgg import VGG

#: Photos from which the principal components of the teacher's features are computed.
COMPONENT_PHOTOS = 48
#: The learning rate end to end at first, and of a model that is trained further.
RATE, FURTHER_RATE = 5e-4, 3e-4


def pretrain(
    photos: Path,
    vgg: Path | None,
    out: Path,
    *,
    start: Path | None = None,
    distil_steps: int = 1200,
    steps: int = 4000,
    grades: int = 24_000,
    seed: int = 0,
    device: str | None = None,
) -> None:
    """Train model `grid` on a folder of photos, and its grade on as many `grades`, and write its weights to `out`.

    With weights to `start` from, their training goes on: nothing is distilled, and their encoder stays as it is.

    The teacher is the VGG-19 in the file `vgg`, or torchvision's if that is None. An interrupted run goes on from its
    checkpoint beside `out`. Raises ValueError for a bad folder or file.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    feed = Feed(Photos(photos), VGG(vgg).to(device), seed, device)
    model = load(start)[0].requires_grad_(True).train() if start else GridModel()
    model.encoder.requires_grad_(start is None)
    run = Run(out.with_suffix(".checkpoint"), model, "stylize" if start else "distil", device)
    if run.phase == "distil":
        targets = Targets(feed.vgg, feed.squares("components", COMPONENT_PHOTOS))
        train(
            run,
            Phase("distil", distil_steps, rate=3e-3, betas=(0.9, 0.99), clip=5.0),
            lambda step: distil(run.model, targets, feed.squares(f"{step}", 6)),
        )
    train(
        run,
        Phase("stylize", steps, rate=FURTHER_RATE if start else RATE, betas=(0.5, 0.99), clip=0.5),
        lambda step: stylize(run.model, feed.vgg, feed.batch(f"{step}", 4)),
    )
    if grades:
        pairs = graded_pairs(feed.photos, run.mean.cpu(), grades, random.Random(f"{seed} grades"))
        teach(run.mean.grade, pairs, seed)
    save(run.mean, out)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", choices=["grid", "paper"], default="grid", help="what to train (%(default)s)")
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos to train on (COCO, for instance)")
    parser.add_argument(
        "--vgg",
        type=Path,
        help="VGG-19 weights: .npz in Keras layout, .pth or .safetensors in "
        "torchvision's (default: torchvision's download)",
    )
    parser.add_argument("--out", type=Path, help="file for the weights (default: MODEL.safetensors)")
    parser.add_argument("--start", type=Path, help="weights of grid that are trained further (default: from nothing)")
    parser.add_argument("--distil-steps", type=int, default=1200, help="steps of grid's distillation (%(default)s)")
    parser.add_argument("--form", choices=FORMS, default="adain", help="of Eq. 2 in model paper (%(default)s)")
    parser.add_argument("--steps", type=int, default=4000, help="steps end to end (%(default)s)")
    parser.add_argument("--grades", type=int, default=24_000, help="graded pairs that teach the grade (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="decides on every crop, pair and weight (%(default)s)")


def run(args: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    out = args.out or Path(f"{args.model}.safetensors")
    if args.model == "paper":
        pretrain_paper(args.photos, args.vgg, out, form=args.form, steps=args.steps, seed=args.seed)
    else:
        pretrain(
            args.photos,
            args.vgg,
            out,
            start=args.start,
            distil_steps=args.distil_steps,
            steps=args.steps,
            grades=args.grades,
            seed=args.seed,
        )
