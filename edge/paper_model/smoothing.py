"""Meta-smoothing on pixels (Eq. 3-4): enlarges the decoder's picture by any real factor and smooths distortions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.grid_model.smoothing import MetaKernel

#: The side of the smoothing kernels W_s, and the number N_s of maps that they make.
SIDE, MAPS = 5, 16
#: The initial psi at 0, 0.5, … 2: a tent, which enlarges bilinearly and changes little at r = 1.
TENT = (1.0, 0.5, 0.01, 0.003, 0.001)


class PixelSmoothing(nn.Module):
    """I^r = P(I, W_u^r) * W_s, for every r > 0.

    W_u^r samples psi(u / r). The kernels of W_s sum to zero, and their maps, projected to three channels, are added to
    the picture. So a constant picture stays constant for every r, whatever is learned.
    """

    def __init__(self) -> None:
        super().__init__()
        self.enlarge = MetaKernel(TENT)
        self.smooth = nn.Conv2d(3, MAPS, SIDE, bias=False)
        self.project = nn.Conv2d(MAPS, 3, 1, bias=False)
        nn.init.zeros_(self.project.weight)

    def forward(self, image: Tensor, height: int, width: int) -> Tensor:
        """B 3 H W to B 3 height width, in float32: bfloat16 would show as steps of colour."""
        with torch.autocast(image.device.type, enabled=False):
            large = self.enlarge.upsample(image.float(), height, width)
            kernels = self.smooth.weight - self.smooth.weight.mean((2, 3), keepdim=True)
            maps = F.conv2d(F.pad(large, [SIDE // 2] * 4, mode="replicate"), kernels)
            return large + self.project(maps.relu_())
