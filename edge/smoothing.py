"""Meta-smoothing: the network's low-resolution picture becomes a grid of colour transforms that fits any resolution."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.grid import luma

#: Half a kernel: psi at 0, 0.5, 1, 1.5 and 2; linear between, 0 from 2.5 on. It starts as the cubic B-spline.
PSI = (0.6667, 0.4792, 0.1667, 0.0208, 0.0010)
KNOT_GAP = 0.5
#: Steps of luma that the fit tells apart.
LUMA_LEVELS = 256
#: Where the entries of a symmetric 4x4 matrix lie in its upper triangle.
SYMMETRIC = torch.tensor([[0, 1, 2, 3], [1, 4, 5, 6], [2, 5, 7, 8], [3, 6, 8, 9]])


class MetaKernel(nn.Module):
    """A continuous 5-tap kernel psi, sampled at psi(u / r) for any real factor r (Eq. 3-4 of the paper).

    The weights of every output sum to one, so a constant stays constant for every r; r = 1 is a plain convolution.
    """

    def __init__(self, psi: tuple[float, ...] = PSI) -> None:
        """`psi` to start with, at its knots."""
        super().__init__()
        self.log_psi = nn.Parameter(torch.tensor(psi).log())

    def forward(self, distance: Tensor) -> Tensor:
        """psi at any distances, in cells."""
        knots = torch.arange(len(self.log_psi), device=distance.device)
        tents = F.relu(1 - (distance.abs().unsqueeze(-1) / KNOT_GAP - knots).abs())
        return tents @ self.log_psi.exp()

    def matrix(self, coarse: int, fine: int) -> Tensor:
        """fine x coarse: the weights that resample a line of `coarse` samples to `fine`; r = fine / coarse."""
        device = self.log_psi.device
        here = (torch.arange(fine, device=device) + 0.5) * coarse / fine  # in coarse samples
        weights = self(here[:, None] - (torch.arange(coarse, device=device) + 0.5))
        return weights / weights.sum(1, keepdim=True)

    def upsample(self, image: Tensor, height: int, width: int) -> Tensor:
        """B C H W to B C height width."""
        return self.matrix(image.shape[2], height) @ image @ self.matrix(image.shape[3], width).mT


class MetaSmoothing(nn.Module):
    """Fits colour transforms in closed form: differentiable, and its few parameters are trained with the network.

    A cell collects the pixels that psi would spread it to. Where it saw too few, it borrows from its luma's layer, then
    from the whole picture, then from the identity.
    """

    def __init__(self) -> None:
        super().__init__()
        self.space, self.luma = MetaKernel(), MetaKernel()
        self.log_borrow = nn.Parameter(torch.tensor([0.03, 0.01, 0.001]).log())

    def forward(self, content: Tensor, target: Tensor, depth: int, rows: int, columns: int) -> Tensor:
        """Two pictures B 3 H W to the grid B 3 D R C 4 that turns the first into the second."""
        with torch.autocast(content.device.type, enabled=False):
            sums = self.collect(normal_equations(content, target), content, depth, rows, columns)
            layer, whole, identity = self.log_borrow.exp()
            sums = sums + layer * sums.mean((2, 3), keepdim=True) + whole * sums.mean((1, 2, 3), keepdim=True)
            left, right = sums[..., SYMMETRIC], sums[..., 10:].unflatten(-1, (4, 3))  # ... 4 4, ... 4 3
            eye = torch.eye(4, device=content.device)
            pixels = left[..., 3:, 3:].mean((1, 2, 3), keepdim=True)
            change = torch.linalg.solve(left + identity * pixels * eye, right)
            return (change + eye[:, :3]).permute(0, 5, 1, 2, 3, 4)

    def collect(self, values: Tensor, content: Tensor, depth: int, rows: int, columns: int) -> Tensor:
        """Sums of B K H W per cell, B D R C K: psi along the luma, the columns and the rows."""
        levels = (luma(content) * LUMA_LEVELS).long().clamp(0, LUMA_LEVELS - 1)
        weights = self.luma.matrix(depth, LUMA_LEVELS)[levels].permute(0, 3, 1, 2).contiguous()  # B D H W
        values = weights[:, :, None] * values[:, None]  # B D K H W
        height, width = content.shape[2:]
        values = self.space.matrix(rows, height).mT @ (values @ self.space.matrix(columns, width))
        return values.permute(0, 1, 3, 4, 2)


def normal_equations(content: Tensor, target: Tensor) -> Tensor:
    """Per pixel, B 22 H W: x x^T (upper triangle, 10) and x (target - content)^T (12) of x = (r, g, b, 1)."""
    x = F.pad(content, (0, 0, 0, 0, 0, 1), value=1.0)
    i, j = torch.triu_indices(4, 4)
    return torch.cat((x[:, i] * x[:, j], (x[:, :, None] * (target - content)[:, None]).flatten(1, 2)), 1)
