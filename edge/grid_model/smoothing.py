"""Meta-smoothing: the network's low-resolution picture becomes a grid of colour transforms that fits any resolution."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.grid_model.grid import luma

#: Half of the kernel psi at the knots 0, 0.5, 1, 1.5 and 2. It is linear between them and 0 from 2.5 on. Training
#: starts from the cubic B-spline.
PSI = (0.6667, 0.4792, 0.1667, 0.0208, 0.0010)
KNOT_GAP = 0.5
#: Levels of luma that the fit distinguishes.
LUMA_LEVELS = 256
#: How far apart two cells of one layer may be and still count as alike: in luma (0..1), in mean colour minus luma
#: (0..1), and in place (cells). More is allowed in luma: the layers distinguish it already, and beside a dark object
#: the cells of a white wall hold some of both. Place hardly counts: what has one colour is recoloured as one. With
#: 0.09, 0.04 and 4 cells, surfaces were half as uneven again at the same strength of style.
ALIKE_LUMA, ALIKE_COLOUR, ALIKE_PLACE = 0.06, 0.025, 30.0
#: The same for two cells at one place, in chroma as a share of luma, and in layers: they are light and shade of one
#: surface.
ALIKE_CHROMA, ALIKE_LAYER = 0.15, 2.0
#: Luma, 0..1, that is added before chroma is divided by it, because chroma is noise in the dark.
DARK = 0.15
#: A share of the mean cell's pixels that draws every coefficient to the identity's, so that each cell has a solution.
LEAST_PULL = 1e-5


class MetaKernel(nn.Module):
    """A continuous 5-tap kernel psi, sampled at psi(u / r) for any real factor r (Eq. 3-4 of the paper).

    The weights of every output sum to one, so a constant stays constant for every r; r = 1 is a plain convolution.
    """

    def __init__(self, psi: tuple[float, ...] = PSI) -> None:
        """`psi` holds the initial values at the knots."""
        super().__init__()
        self.log_psi = nn.Parameter(torch.tensor(psi).log())

    def forward(self, distance: Tensor) -> Tensor:
        """psi at the given distances, in cells; the result has the same shape."""
        knots = torch.arange(len(self.log_psi), device=distance.device)
        tents = F.relu(1 - (distance.abs().unsqueeze(-1) / KNOT_GAP - knots).abs())
        return tents @ self.log_psi.exp()

    def matrix(self, coarse: int, fine: int) -> Tensor:
        """The weights, fine x coarse, that resample a line of `coarse` samples to `fine` ones; r is fine / coarse."""
        device = self.log_psi.device
        here = torch.arange(0.5, fine, device=device) * (coarse / fine)  # in coarse samples
        weights = self(here[:, None] - torch.arange(0.5, coarse, device=device))
        return weights / weights.sum(1, keepdim=True)

    def upsample(self, image: Tensor, height: int, width: int) -> Tensor:
        """Resample B C H W to B C height width."""
        return self.matrix(image.shape[2], height) @ image @ self.matrix(image.shape[3], width).mT


class MetaSmoothing(nn.Module):
    """Fits colour transforms in closed form. The fit is differentiable, so its few parameters train with the network.

    A cell collects the pixels to which psi would spread it. If it saw too few, it borrows from its luma's layer, then
    from the whole picture, then from the identity or another map that is known beforehand. Cells of like colour share
    their equations, so that one surface in the content stays one surface, without halos around objects in front of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.space, self.luma = MetaKernel(), MetaKernel()
        self.log_borrow = nn.Parameter(torch.tensor([0.03, 0.01, 0.001]).log())

    def forward(self, content: Tensor, target: Tensor, depth: int, rows: int, columns: int) -> Tensor:
        """Two pictures (B 3 H W) to the grid (B 3 D R C 4) that turns the first into the second."""
        return self.solve(self.collect(content, target, depth, rows, columns))

    def collect(self, content: Tensor, target: Tensor, depth: int, rows: int, columns: int) -> Tensor:
        """The normal equations of every cell, B 4 7 D R C, with pixels weighted by psi along luma, rows and columns.

        The pictures are transposed, so that each of their columns takes one matrix product.
        """
        content, target = content.mT.contiguous(), target.mT.contiguous()  # B 3 W H
        levels = (luma(content) * LUMA_LEVELS).long().clamp(0, LUMA_LEVELS - 1)
        with torch.autocast(content.device.type, enabled=False):
            layers = self.luma.matrix(depth, LUMA_LEVELS)[levels].mT.contiguous()  # B W D H
            weights = layers[:, :, :, None] * self.space.matrix(rows, content.shape[3]).mT.contiguous()  # B W D R H
            values = normal_equations(content, target).flatten(1, 2).transpose(1, 2)  # B W 28 H
            sums = values @ weights.flatten(2, 3).mT  # B W 28 DR
            sums = self.space.matrix(columns, content.shape[2]).mT @ sums.flatten(2)  # B C 28DR
        return sums.mT.unflatten(1, (4, 7, depth, rows))

    def prefer(self, sums: Tensor, colours: Tensor) -> Tensor:
        """The normal equations (B 4 7 D R C), for which `solve` falls back on this map (B 3 4), not on the identity."""
        change = (colours - torch.eye(3, 4, device=sums.device)).mT  # B 4 3
        change = F.pad(self.log_borrow[2].exp() * change, (4, 0))[..., None, None, None]
        return sums + mean_pixels(sums) * change

    def solve(self, sums: Tensor) -> Tensor:
        """The normal equations (B 4 7 D R C) to the grid (B 3 D R C 4), after the cells have borrowed and shared."""
        layer, whole, identity = self.log_borrow.exp()
        pull = identity * (1 + layer + whole) * mean_pixels(sums)  # as strong as what `prefer` added is by then
        sums = self.borrow(sums).flatten(1, 2)
        sums = share_among_layers(sums, mean_colours(sums))
        sums = share_among_places(sums, mean_colours(sums)).unflatten(1, (4, 7))
        ridge = torch.eye(4, 7, device=sums.device)[..., None, None, None]
        change = eliminate(sums + pull * ridge)
        return (change + ridge[:, :3]).permute(0, 2, 3, 4, 5, 1).contiguous()

    def borrow(self, sums: Tensor) -> Tensor:
        """The normal equations (B 4 7 D R C), with a small share of their layer's and of the whole picture's added."""
        layer, whole, _ = self.log_borrow.exp()
        return sums + layer * sums.mean((4, 5), keepdim=True) + whole * sums.mean((3, 4, 5), keepdim=True)


def share_among_layers(cells: Tensor, colours: Tensor) -> Tensor:
    """Cells (B K D R C), each replaced by a mean over its place's cells that are alike and near in luma.

    `colours` (B 3 D R C) says how alike cells are.
    """
    colours = colours.flatten(3).permute(0, 3, 2, 1)  # B RC D 3
    lumas = luma(colours.movedim(-1, 1))[..., None]
    layers = torch.arange(cells.shape[2], device=cells.device).view(-1, 1).expand_as(lumas)
    chroma = (colours[..., ::2] - lumas) / (lumas + DARK)
    x = torch.cat((chroma / ALIKE_CHROMA, layers / ALIKE_LAYER), -1)
    shared = mean_of_alike(cells.flatten(3).permute(0, 3, 2, 1).contiguous(), x)
    return shared.permute(0, 3, 2, 1).unflatten(3, cells.shape[3:])


def share_among_places(cells: Tensor, colours: Tensor) -> Tensor:
    """Cells (B K D R C), each replaced by a mean over its layer's cells that are alike and near in place.

    `colours` (B 3 D R C) says how alike cells are.
    """
    colours = colours.flatten(3).permute(0, 2, 3, 1)  # B D RC 3
    lumas = luma(colours.movedim(-1, 1))[..., None]
    rows, columns = (torch.arange(n, device=cells.device) for n in cells.shape[3:])
    places = torch.cartesian_prod(rows, columns).expand(*colours.shape[:3], 2)
    x = torch.cat((lumas / ALIKE_LUMA, (colours - lumas) / ALIKE_COLOUR, places / ALIKE_PLACE), -1)
    shared = mean_of_alike(cells.flatten(3).permute(0, 2, 3, 1).contiguous(), x)
    return shared.permute(0, 3, 1, 2).unflatten(3, cells.shape[3:])


def mean_pixels(sums: Tensor) -> Tensor:
    """The weight of the pixels that a cell collected, on average over the cells of B 4 7 D R C: B 1 1 1 1 1."""
    return sums[:, 3:4, 3:4].mean((3, 4, 5), keepdim=True)


def mean_colours(equations: Tensor) -> Tensor:
    """The mean colours (B 3 ...) of the pixels that the normal equations (B 28 ...) were collected from."""
    return equations[:, 3:18:7] / equations[:, 24:25]


def mean_of_alike(cells: Tensor, x: Tensor) -> Tensor:
    """The cells (... N K), each replaced by a mean over all N, weighted by exp(-|a - b|^2) of x (... N M)."""
    with torch.autocast(cells.device.type, enabled=False):
        return (2 * x @ x.mT - x.square().sum(-1)[..., None, :]).softmax(-1) @ cells


def normal_equations(content: Tensor, target: Tensor) -> Tensor:
    """The normal equations of each pixel, B 4 7 H W: x x^T beside x (target - content)^T, for x = (r, g, b, 1)."""
    x = F.pad(content, (0, 0, 0, 0, 0, 1), value=1.0)
    return x[:, :, None] * torch.cat((x, target - content), 1)[:, None]


def eliminate(equations: Tensor) -> Tensor:
    """Solve linear systems B N M ...: each is N rows of a positive definite matrix and its right-hand sides.

    Returns B N M-N .... This is Gauss-Jordan elimination without pivoting, for all cells at once; for 4x4 it takes a
    third of the time of torch.linalg.solve.
    """
    rows = list(equations.unbind(1))
    for i in range(len(rows)):
        pivot = rows[i][:, 1:] / rows[i][:, :1]
        rows = [pivot if j == i else row[:, 1:] - row[:, :1] * pivot for j, row in enumerate(rows)]
    return torch.stack(rows, 1)
