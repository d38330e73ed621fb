"""The training loop: steps, the moving average of the weights, checkpoints to resume from, and a log."""

import copy
import logging
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from edge.training.step import average, update

logger = logging.getLogger(__name__)

#: The share of the moving average that one step keeps.
DECAY = 0.998
#: The learning rate falls along a cosine to this share.
LAST_RATE = 0.02
#: Steps between checkpoints, and between lines of the log.
CHECKPOINT_STEPS, LOG_STEPS = 250, 50


Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of the training, with the optimizer's settings."""

    name: str
    steps: int
    rate: float
    betas: tuple[float, float]
    clip: float


class Run(Generic[Model]):
    """The state of a training run, which a checkpoint file keeps across interruptions."""

    def __init__(self, checkpoint: Path, model: Model, first_phase: str, device: str) -> None:
        """Resume from `checkpoint` if the file exists. Raises ValueError if it is of another model."""
        self.checkpoint, self.device = checkpoint, device
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self.mean = copy.deepcopy(self.model)  # moving average of the weights: what is shipped
        self.phase, self.step = first_phase, 0
        self.optimizer: dict[str, Any] | None = None
        if checkpoint.exists():
            self.restore()

    def begin(self, phase: Phase) -> torch.optim.Optimizer:
        """Begin or resume a phase; returns its optimizer, as the checkpoint left it."""
        if self.phase != phase.name:
            self.phase, self.step, self.optimizer = phase.name, 0, None
        optimizer = torch.optim.Adam(self.model.parameters(), phase.rate, phase.betas)
        if self.optimizer:
            optimizer.load_state_dict(self.optimizer)
        return optimizer

    def write(self, optimizer: torch.optim.Optimizer) -> None:
        """Write the checkpoint, so that an interruption meanwhile leaves the old one."""
        state = {
            "phase": self.phase,
            "step": self.step,
            "model": self.model.state_dict(),
            "mean": self.mean.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        fresh = self.checkpoint.with_suffix(".new")
        torch.save(state, fresh)
        fresh.replace(self.checkpoint)

    def restore(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        try:
            self.model.load_state_dict(state["model"])
            self.mean.load_state_dict(state["mean"])
        except RuntimeError as error:
            raise ValueError(f"{self.checkpoint} is a checkpoint of another model") from error
        self.phase, self.step, self.optimizer = state["phase"], state["step"], state["optimizer"]


def train(run: Run, phase: Phase, losses: Callable[[int], dict[str, Tensor]]) -> None:
    """Do the remaining steps of a phase with each step's `losses`. The next phase starts from averaged weights."""
    optimizer = run.begin(phase)
    sums: defaultdict[str, float] = defaultdict(float)
    for step in tqdm(range(run.step, phase.steps), phase.name, initial=run.step, total=phase.steps):
        for group in optimizer.param_groups:
            group["lr"] = phase.rate * cosine(step / phase.steps)
        with torch.autocast(run.device, torch.bfloat16):
            found = losses(step)
        if not update(run.model, optimizer, found, phase.clip):
            logger.info("%s step %d skipped: its gradient is not finite", phase.name, step)
        average(run.mean, run.model, min(DECAY, (step + 1) / (step + 10)))
        log(phase.name, step, found, sums)
        run.step = step + 1
        if run.step % CHECKPOINT_STEPS == 0 or run.step == phase.steps:
            run.write(optimizer)
    run.model.load_state_dict(run.mean.state_dict())


def cosine(progress: float) -> float:
    """The factor of the learning rate: from 1 at a progress of 0 to `LAST_RATE` at 1."""
    return LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * progress)) / 2


def log(name: str, step: int, losses: dict[str, Tensor], sums: dict[str, float]) -> None:
    """Log the mean losses every `LOG_STEPS` steps. They are gathered in `sums`, which the caller keeps."""
    for key, loss in losses.items():
        sums[key] += float(loss.detach()) / LOG_STEPS
    if (step + 1) % LOG_STEPS == 0:
        logger.info("%s %d  %s", name, step + 1, "  ".join(f"{key} {mean:.4f}" for key, mean in sums.items()))
        sums.clear()
