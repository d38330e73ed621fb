"""What the small encoder is trained to output: the principal components of the teacher's features."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.grid_model.encoder import WIDTHS
from edge.vgg.vgg import VGG

#: The teacher's layer for each tap, and the factor by which it is averaged down to the tap's scale.
SOURCES = (("1_1", 2), ("2_1", 1), ("3_1", 1), ("3_4", 2))


class Targets(nn.Module):
    """Projects the teacher's features on as many principal components as each tap has channels.

    The components of a tap are scaled together, so that their mean variance is one.
    """

    def __init__(self, vgg: VGG, sample: Tensor) -> None:
        """The components are those of the teacher's features of `sample` (B 3 H W in 0..1)."""
        super().__init__()
        self.vgg = vgg
        for level, (features, width) in enumerate(zip(self.features(sample), WIDTHS, strict=True)):
            mean, basis = principal_components(features.float(), width)
            self.register_buffer(f"mean{level}", mean)
            self.register_buffer(f"basis{level}", basis)

    @torch.no_grad()
    def forward(self, image: Tensor) -> list[Tensor]:
        """B 3 H W in 0..1 to one target per tap, fine to coarse."""
        return [
            project(features.float(), getattr(self, f"mean{level}"), getattr(self, f"basis{level}"))
            for level, features in enumerate(self.features(image))
        ]

    @torch.no_grad()
    def features(self, image: Tensor) -> list[Tensor]:
        found = self.vgg(image, tuple(name for name, _ in SOURCES))
        return [F.avg_pool2d(found[name], shrink) if shrink > 1 else found[name] for name, shrink in SOURCES]


def project(features: Tensor, mean: Tensor, basis: Tensor) -> Tensor:
    return torch.einsum("bchw,ck->bkhw", features - mean, basis)


def principal_components(features: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Mean (C 1 1) and basis (C count) of B C H W, scaled so that the kept components have a mean variance of one."""
    x = features.transpose(0, 1).flatten(1)
    mean = x.mean(1, keepdim=True)
    variances, vectors = torch.linalg.eigh((x - mean) @ (x - mean).T / x.shape[1])
    kept = variances[-count:].flip(0)
    return mean[..., None], vectors[:, -count:].flip(1) / kept.mean().sqrt()
