"""First training of the stylizer: distil a small VGG, then train end to end through the grid."""

import argparse
import copy
import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from cloud.photos import Photos, random_crop, random_grade
from edge.distillation import Targets
from edge.losses import STYLE_LAYERS, style_moments
from edge.model import GridModel
from edge.trainer import Batch, average, distil, stylize, update
from edge.vgg import VGG
from edge.weights import save

logger = logging.getLogger(__name__)

#: Sides of the training pictures, in pixels: squares for the distillation, 3:2 as photos are for the rest.
DISTIL_SIDE, HEIGHT, WIDTH = 128, 128, 192
#: Photos that decide on the principal components.
PCA_PHOTOS = 48
#: Share of the moving average of the weights that one step leaves in place.
EMA = 0.998
#: Steps between checkpoints, and between lines of the log.
CHECKPOINT_STEPS, LOG_STEPS = 250, 50


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of the training."""

    name: str
    steps: int
    batch: int
    rate: float
    betas: tuple[float, float]
    clip: float


def pretrain(photos: Path, vgg: Path, out: Path, *, distil_steps: int = 2500, steps: int = 8000, seed: int = 0,
             checkpoint: Path | None = None, device: str | None = None) -> None:
    """Train on a folder of photos with a VGG-19 file as the teacher and write the weights to `out`.

    An interrupted run goes on from `checkpoint` (default: beside `out`). Raises ValueError for a bad folder or file.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    run = Run(Photos(photos), VGG(vgg).to(device), checkpoint or out.with_suffix(".checkpoint"), seed, device)
    if run.phase == "distil":
        targets = Targets(run.vgg, run.sample())
        warm_up = Phase("distil", distil_steps, batch=6, rate=3e-3, betas=(0.9, 0.99), clip=5.0)
        run.train(warm_up, lambda rng, count: distil(run.model, targets, run.squares(rng, count)))
    end_to_end = Phase("stylize", steps, batch=4, rate=5e-4, betas=(0.5, 0.99), clip=0.5)
    run.train(end_to_end, lambda rng, count: stylize(run.model, run.vgg, run.batch(rng, count)))
    save(run.mean, out)


class Run:
    """What a training run holds between two steps, and how it is written down."""

    def __init__(self, photos: Photos, vgg: VGG, checkpoint: Path, seed: int, device: str) -> None:
        self.photos, self.vgg, self.checkpoint, self.seed, self.device = photos, vgg, checkpoint, seed, device
        self.model = GridModel().to(device, memory_format=torch.channels_last)
        self.mean = copy.deepcopy(self.model)
        self.phase, self.step, self.optimizer_state = "distil", 0, None
        self.moments = cache(self._moments)
        if checkpoint.exists():
            self.restore()

    def train(self, phase: Phase, losses: Callable[[random.Random, int], dict[str, Tensor]]) -> None:
        """All steps of a phase that are not done yet."""
        if self.phase != phase.name:
            self.phase, self.step, self.optimizer_state = phase.name, 0, None
        optimizer = torch.optim.Adam(self.model.parameters(), phase.rate, phase.betas)
        if self.optimizer_state:
            optimizer.load_state_dict(self.optimizer_state)
        log = Log(phase.name)
        for self.step in tqdm(range(self.step, phase.steps), phase.name, initial=self.step, total=phase.steps):
            for group in optimizer.param_groups:
                group["lr"] = phase.rate * (0.02 + 0.98 * (1 + math.cos(math.pi * self.step / phase.steps)) / 2)
            with torch.autocast(self.device, torch.bfloat16):
                found = losses(random.Random(f"{self.seed} {phase.name} {self.step}"), phase.batch)
            if not update(self.model, optimizer, found, phase.clip):
                logger.info("%s step %d skipped: its gradient is not finite", phase.name, self.step)
            average(self.mean, self.model, min(EMA, (self.step + 1) / (self.step + 10)))
            log.add(self.step, found)
            if (self.step + 1) % CHECKPOINT_STEPS == 0 or self.step + 1 == phase.steps:
                self.write(optimizer)
        self.model.load_state_dict(self.mean.state_dict())

    def sample(self) -> Tensor:
        rng = random.Random(f"{self.seed} components")
        return self.squares(rng, PCA_PHOTOS)

    def squares(self, rng: random.Random, count: int) -> Tensor:
        photos = [self.photos.read(rng.randrange(len(self.photos))) for _ in range(count)]
        crops = torch.stack([random_crop(photo, DISTIL_SIDE, DISTIL_SIDE, 0.5, rng) for photo in photos])
        return self.to_device(crops)

    def batch(self, rng: random.Random, count: int) -> Batch:
        """Half pairs of different photos, half two crops of one photo, one of them graded."""
        half = count // 2
        numbers = [rng.randrange(len(self.photos)) for _ in range(count)]
        styles = [rng.randrange(len(self.photos)) for _ in range(half)]
        photos = [self.photos.read(number) for number in numbers]
        content = torch.stack([random_crop(photo, HEIGHT, WIDTH, 0.6, rng) for photo in photos])
        other = torch.stack([random_crop(photo, HEIGHT, WIDTH, 0.6, rng) for photo in photos[half:]])
        both = [random_grade(torch.stack(pair), rng) for pair in zip(content[half:], other, strict=True)]
        truth, graded = torch.stack(both, 1)
        style = torch.cat((torch.stack([self.photos.whole(number, HEIGHT, WIDTH) for number in styles]), graded))
        return Batch(self.to_device(content), self.to_device(style), self.gather(numbers[:half]), self.gather(styles),
                     self.to_device(truth))

    def gather(self, numbers: list[int]) -> list[Tensor]:
        return [torch.cat(layer).to(self.device) for layer in zip(*map(self.moments, numbers), strict=True)]

    @torch.no_grad()
    def _moments(self, number: int) -> list[Tensor]:
        image = self.to_device(self.photos.whole(number, HEIGHT, WIDTH)[None])
        return [moments.cpu() for moments in style_moments(self.vgg(image, STYLE_LAYERS).values())]

    def to_device(self, images: Tensor) -> Tensor:
        return images.to(self.device, memory_format=torch.channels_last)

    def write(self, optimizer: torch.optim.Optimizer) -> None:
        """Replace the checkpoint in one go: an interruption leaves the old one."""
        state = {"phase": self.phase, "step": self.step + 1, "model": self.model.state_dict(),
                 "mean": self.mean.state_dict(), "optimizer": optimizer.state_dict()}
        fresh = self.checkpoint.with_suffix(".new")
        torch.save(state, fresh)
        fresh.replace(self.checkpoint)

    def restore(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.mean.load_state_dict(state["mean"])
        self.phase, self.step, self.optimizer_state = state["phase"], state["step"], state["optimizer"]


class Log:
    """Mean losses every so many steps."""

    def __init__(self, name: str) -> None:
        self.name, self.sums = name, {}

    def add(self, step: int, losses: dict[str, Tensor]) -> None:
        for name, loss in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(loss.detach())
        if (step + 1) % LOG_STEPS == 0:
            line = "  ".join(f"{name} {total / LOG_STEPS:.4f}" for name, total in self.sums.items())
            logger.info("%s %d  %s", self.name, step + 1, line)
            self.sums = {}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos to train on (COCO, for instance)")
    parser.add_argument("--vgg", type=Path, required=True, help="VGG-19 weights as .npz in Keras layout: the teacher")
    parser.add_argument("--out", type=Path, default=Path("grid.safetensors"), help="file for the weights (%(default)s)")
    parser.add_argument("--distil-steps", type=int, default=2500, help="steps of the distillation (%(default)s)")
    parser.add_argument("--steps", type=int, default=8000, help="steps end to end (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pretrain(args.photos, args.vgg, args.out, distil_steps=args.distil_steps, steps=args.steps, seed=args.seed)
