"""Model `paper`, to the letter of the paper's Figure 4: VGG encoder, colorization, mirrored decoder, meta-smoothing."""

import torch
from torch import Tensor, nn

from edge.paper_model.decoder import MirroredDecoder
from edge.paper_model.feature_transforms import FORMS
from edge.paper_model.smoothing import PixelSmoothing
from edge.vgg.vgg import VGG

#: Sides of the network's input are multiples of this, and at least twice it.
MULTIPLE = 8


class PaperModel(nn.Module):
    """From a content picture and style features to a stylized picture of any size. The encoder is frozen."""

    def __init__(self, vgg: VGG, form: str = "adain", bottleneck: str | None = None) -> None:
        """`form` is one of Eq. 2's FORMS, and `bottleneck` the encoder's last layer, "4_1" or "3_1".

        By default the bottleneck is the deeper one, if the encoder has it. Raises ValueError for any other form, or if
        the encoder does not reach down to the bottleneck.
        """
        super().__init__()
        if form not in FORMS:
            raise ValueError(f"Eq. 2 has the forms {', '.join(FORMS)}, not {form}")
        self.form, self.bottleneck = form, bottleneck or ("4_1" if "4_1" in vgg.layers else "3_1")
        if self.bottleneck not in vgg.layers:
            raise ValueError(f"these VGG-19 weights end before layer {self.bottleneck}")
        self.encoder = vgg
        self.decoder = MirroredDecoder(self.bottleneck)
        self.smoothing = PixelSmoothing()

    def forward(self, content: Tensor, style: Tensor, height: int, width: int) -> Tensor:
        """B 3 H W in 0..1 (sides multiples of 8, at least 16) to B 3 height width; r is height / H."""
        coloured = self.colorize(self.encode(content), style)
        return self.smoothing(self.decoder(coloured), height, width)

    def encode(self, image: Tensor) -> Tensor:
        """A picture (B 3 H W in 0..1) to its features F_c or F_s, in float32."""
        return self.encoder(image, (self.bottleneck,))[self.bottleneck].float()

    def colorize(self, content: Tensor, style: Tensor) -> Tensor:
        """F_cs of Eq. 2, in float32: statistics of bfloat16 are too coarse."""
        with torch.autocast(content.device.type, enabled=False):
            return FORMS[self.form](content, style)


def network_side(side_px: int, factor: float) -> int:
    """The side of the network's input that becomes `side_px` when enlarged by about `factor`."""
    return max(2 * MULTIPLE, round(side_px / factor / MULTIPLE) * MULTIPLE)
