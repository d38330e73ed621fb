"""The training step: a batch becomes losses, and the losses become new weights."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.grid_model.colorization import StyleStatistics, each
from edge.grid_model.grid import slice_grid
from edge.grid_model.model import GridModel
from edge.training.adam import Adam
from edge.training.distillation import Targets
from edge.training.losses import (
    STYLE_LAYERS,
    edge_loss,
    glow,
    grid_roughness,
    out_of_range,
    style_distance,
    style_moments,
    unnatural_skin,
    unnatural_sky,
)
from edge.vgg.vgg import VGG

#: Added to the style distance between a pair's own pictures (about 1 on photos), by which its loss is divided. Without
#: it, pairs that are alike would outweigh all others.
DISTANCE_FLOOR = 0.15
#: The weight of each loss.
WEIGHTS = {
    "style": 2.4,
    "edges": 0.9,
    "graded": 2.5,
    "roughness": 0.5,
    "range": 6.0,
    "skin": 14.0,
    "sky": 20.0,
    "glow": 100.0,
    "moved": 2.0,
}


class Batch(NamedTuple):
    """Photos to recolour (B 3 H W in 0..1), and their styles.

    The first half of the styles are other photos. The rest are graded crops of the same photos as their contents, for
    which the right answer is known.
    """

    content: Tensor
    style: Tensor
    own: list[Tensor]  # style moments of the first half of the contents, B 2C per layer
    wanted: list[Tensor]  # style moments of the first half of the styles, B 2C per layer
    truth: Tensor  # the other contents, graded as their styles are
    motion: Tensor  # 1 2 3: the camera motion for the first content, as F.affine_grid takes it


def distil(model: GridModel, targets: Targets, image: Tensor) -> dict[str, Tensor]:
    """Losses of the distillation: taps and decoder levels against the teacher, the picture against `image`."""
    wanted, levels = targets(image), []

    def collect(level: int, features: Tensor) -> Tensor:
        levels.append(features)
        return features

    taps = model.encoder(image)
    picture = model.decoder([tap.detach() for tap in taps], collect)
    pairs = zip(taps + levels[1:], wanted + wanted[-2::-1], strict=True)
    return {
        **{f"features{i}": F.mse_loss(features.float(), target) for i, (features, target) in enumerate(pairs)},
        "picture": 10 * F.l1_loss(picture.float(), F.avg_pool2d(image, 2)),
    }


def stylize(model: GridModel, vgg: VGG, batch: Batch) -> dict[str, Tensor]:
    """Weighted losses of the end-to-end training, by name. All judge the picture that the grid makes, as viewers do."""
    content = torch.cat((batch.content, move(batch.content[:1], batch.motion)))
    grid = model(content, follow(model.style(batch.style)))
    output, pairs = slice_grid(grid, content), len(batch.own[0])
    seen, own = output[:pairs].clamp(0, 1), batch.content[:pairs]
    distance = style_distance(style_moments(vgg(seen, STYLE_LAYERS).values()), batch.wanted)
    losses = {
        "style": (distance / (style_distance(batch.own, batch.wanted) + DISTANCE_FLOOR)).mean(),
        "edges": edge_loss(seen, own),
        "graded": F.l1_loss(output[pairs:-1], batch.truth),
        "roughness": grid_roughness(grid),
        "range": out_of_range(output),
        "skin": unnatural_skin(seen, own),
        "sky": unnatural_sky(seen, own),
        "glow": glow(output, content),
        "moved": F.l1_loss(output[-1:], move(output[:1], batch.motion)),
    }
    return {name: WEIGHTS[name] * loss for name, loss in losses.items()}


def move(image: Tensor, motion: Tensor) -> Tensor:
    """Pictures (B 3 H W) as a camera sees them after a small motion (B 2 3, for F.affine_grid)."""
    where = F.affine_grid(motion, list(image.shape), align_corners=False)
    return F.grid_sample(image.float(), where, padding_mode="reflection", align_corners=False)


def follow(style: StyleStatistics) -> StyleStatistics:
    """The styles of a batch, with the first one repeated for the content that was moved."""
    return each(lambda part: torch.cat((part, part[:1])), style)


def update(model: nn.Module, optimizer: torch.optim.Optimizer | Adam, losses: dict[str, Tensor], clip: float) -> bool:
    """Take one optimizer step. Returns False if a gradient was not finite, and then nothing has changed."""
    optimizer.zero_grad(set_to_none=True)
    torch.stack(list(losses.values())).sum().backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
    if norm.isfinite():
        optimizer.step()
    return bool(norm.isfinite())


@torch.no_grad()
def average(mean: nn.Module, model: nn.Module, decay: float) -> None:
    """Move `mean`, the moving average of the weights, one step towards the model."""
    for old, new in zip(mean.parameters(), model.parameters(), strict=True):
        old.lerp_(new, 1 - decay)
