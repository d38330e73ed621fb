"""The losses: what training asks of a stylized picture and of its grid. Each is a scalar unless it says otherwise."""

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from edge.features import normalized
from edge.grid_model.grid import luma
from edge.vgg.vgg import VGG

#: A function from a picture (B 3 H W in 0..1) to the features by which pictures are compared, fine to coarse.
Features = Callable[[Tensor], list[Tensor]]

#: VGG layers whose means and standard deviations make up a picture's style.
STYLE_LAYERS = ("1_1", "2_1", "3_1")
#: The hue of skin, a unit vector in (Cb, Cr); how far from it real complexions lie, as a share of their chroma (22
#: degrees to either side); and how strong a colour cast on top of that may be.
SKIN_HUE, SKIN_SPREAD, SKIN_CAST = (-0.60, 0.80), 0.4, 0.02
#: The luma that skin may reach: in lighter skin a face's features are lost.
SKIN_LIGHT = 0.85
#: By how much green may exceed the other colours where the content is blue, and the share of red by which that limit
#: shrinks towards black, since dark orange looks olive.
GREEN_CAST, OLIVE = 0.02, 0.3
#: How many times steeper than the content the output may be, and the slope of the content from which on this hardly
#: matters.
STEEPER, FLAT = 1.5, 0.01

#: Rows and columns of the parts whose colours `patchiness` compares, and how far two colours, in 0..1, may be apart and
#: still count as alike.
PARTS, ALIKE = (9, 16), 0.05


def style_moments(features: Iterable[Tensor]) -> list[Tensor]:
    """Mean and standard deviation of each layer's channels: a list of B 2C."""
    flat = (f.float().flatten(2) for f in features)
    return [torch.cat((f.mean(2), (f.var(2) + 1e-6).sqrt()), 1) for f in flat]


def style_distance(moments: list[Tensor], target: list[Tensor]) -> Tensor:
    """Squared distance of style moments relative to the target's squared size, summed over the layers: one per B."""
    layers = [(a - b).square().sum(1) / b.square().sum(1) for a, b in zip(moments, target, strict=True)]
    return torch.stack(layers).sum(0)


def vgg_features(vgg: VGG) -> Features:
    """The features by which the paper compares pictures: those of VGG."""
    return lambda image: list(vgg(image, STYLE_LAYERS).values())


def equation5(
    features: Features, output: Tensor, content: Tensor, style: Tensor, *, style_weight: float
) -> dict[str, Tensor]:
    """Eq. 5 of the paper: the content loss, and the style loss times its lambda. Pictures are B 3 H W in 0..1.

    The content loss compares normalised features with the content's, except in the finest layer: plain features would
    also preserve the colours that the style is to change. The style loss compares features' statistics with the
    style's: the features themselves would copy the style's objects.
    """
    seen = [layer.float() for layer in features(output)]
    with torch.no_grad():
        shown = [layer.float() for layer in features(content)]
        wanted = style_moments(features(style))
    apart = [F.mse_loss(normalized(a), normalized(b)) for a, b in zip(seen[1:], shown[1:], strict=True)]
    distance = style_distance(style_moments(seen), wanted).mean()
    return {"content": torch.stack(apart).mean(), "style": style_weight * distance}


def edge_loss(a: Tensor, b: Tensor) -> Tensor:
    """1 - SSIM of the gradient magnitudes of luma: do the same edges stand out in both pictures (B 3 H W)?"""
    return 1 - ssim(gradient(a), gradient(b))


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity of two pictures, B 1 H W in 0..1."""
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a.square(), blur(b * b) - mean_b.square()
    covariance = blur(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + 1e-4) / (mean_a.square() + mean_b.square() + 1e-4)
    return (light * (2 * covariance + 9e-4) / (var_a + var_b + 9e-4)).mean()


def skin(image: Tensor) -> Tensor:
    """Which pixels of B 3 H W have the colour of skin, of any complexion: a boolean mask B H W."""
    toned, off = skin_tone(image)
    return (off.abs() < SKIN_SPREAD * toned) & (toned > 0.03) & (toned < 0.25) & (luma(image) > 0.15)


def unnatural_skin(output: Tensor, content: Tensor) -> Tensor:
    """How far skin has left its hue or become too light; greyer skin costs nothing.

    It is averaged over the skin of each content picture, and then over B.
    """
    toned, off = skin_tone(output)
    excess = F.relu(off.abs() - SKIN_SPREAD * F.relu(toned) - SKIN_CAST) + F.relu(-toned)
    excess = excess + F.relu(luma(output) - luma(content).clamp(min=SKIN_LIGHT))
    mask = skin(content).float()
    return ((excess * mask).mean((1, 2)) / (mask.mean((1, 2)) + 0.05)).mean()


def unnatural_sky(output: Tensor, content: Tensor) -> Tensor:
    """How far blue has turned green or olive, as no sky is.

    It is averaged over the blue pixels of each content picture, and then over B.
    """
    red, green, blue = content.unbind(1)
    mask = ((blue > green + 0.02) & (green > red + 0.02)).float()
    dark = 1 - luma(output).clamp(0, 1)
    excess = F.relu(output[:, 1] - torch.maximum((1 - OLIVE * dark) * output[:, 0], output[:, 2]) - GREEN_CAST)
    return ((excess * mask).mean((1, 2)) / (mask.mean((1, 2)) + 0.05)).mean()


def glow(output: Tensor, content: Tensor) -> Tensor:
    """Slopes of the output where the content (both B 3 H W) is flat: these are halos, blotches and bands."""
    total = output.new_zeros(())
    for axis in (2, 3):
        slope, own = output.diff(dim=axis).abs(), content.diff(dim=axis).abs().amax(1, keepdim=True)
        total = total + (F.relu(slope - STEEPER * own) * torch.exp(-own / FLAT)).mean()
    return total


def skin_tone(image: Tensor) -> tuple[Tensor, Tensor]:
    """The chroma of B 3 H W along the hue that all complexions share, and across it: B H W each."""
    y = luma(image)
    blue, red = 0.564 * (image[:, 2] - y), 0.713 * (image[:, 0] - y)
    return SKIN_HUE[0] * blue + SKIN_HUE[1] * red, SKIN_HUE[1] * blue - SKIN_HUE[0] * red


def grid_roughness(grid: Tensor) -> Tensor:
    """How far a grid's cells (B 3 D R C 4) are from the mean of their two neighbours, along luma, rows and columns."""
    second = (grid.diff(n=2, dim=axis) for axis in (2, 3, 4) if grid.shape[axis] > 2)
    return sum((d.square().mean() for d in second), grid.new_zeros(()))


def place_deviation(grid: Tensor) -> Tensor:
    """How far a grid's cells (B 3 D R C 4) are from their layer's mean over all places."""
    return (grid - grid.mean((3, 4), keepdim=True)).square().mean()


def patchiness(output: Tensor, content: Tensor) -> Tensor:
    """How different the colours are that parts of like colour in the content (both B 3 H W) get in the output."""
    shown, seen = (F.adaptive_avg_pool2d(image.float(), PARTS).flatten(2).mT for image in (content, output))
    alike = torch.exp(-apart(shown) / ALIKE**2)
    return (alike * apart(seen)).mean()


def apart(colours: Tensor) -> Tensor:
    """The squared distances between all pairs of B N 3: B N N."""
    return (colours[:, :, None] - colours[:, None]).square().sum(3)


def out_of_range(image: Tensor) -> Tensor:
    """How far colours lie outside 0..1, where clipping would flatten them."""
    return (F.relu(-image) + F.relu(image - 1)).mean()


def gradient(image: Tensor) -> Tensor:
    """Sobel gradient magnitude of luma, a quarter of the usual scale: B 1 H-2 W-2."""
    y = luma(image)[:, None]
    rows = y[:, :, :-2] + 2 * y[:, :, 1:-1] + y[:, :, 2:]
    columns = y[..., :-2] + 2 * y[..., 1:-1] + y[..., 2:]
    across, down = rows[..., 2:] - rows[..., :-2], columns[:, :, 2:] - columns[:, :, :-2]
    return (across.square() + down.square() + 1e-8).sqrt() / 4


def blur(image: Tensor) -> Tensor:
    """Gaussian blur with 11 taps and sigma 1.5, without a border: B 1 H W to B 1 H-10 W-10."""
    taps = torch.exp(-torch.arange(-5, 6, device=image.device).square() / 4.5)
    taps = taps / taps.sum()
    return F.conv2d(F.conv2d(image, taps.view(1, 1, 1, 11)), taps.view(1, 1, 11, 1))
