"""The encoder, distilled from VGG-19: a picture to features at four levels, called taps."""

import torch.nn.functional as F
from torch import Tensor, nn

#: Channels of the four taps. They stand for VGG-19's relu1_1, relu2_1, relu3_1 and relu3_4.
WIDTHS = (16, 32, 64, 96)
#: Side of one pixel of each tap, in pixels of the picture. The first tap reads 2x2 pixels at once (12 values), so that
#: nothing runs at full scale; the resulting grid is far coarser anyway.
STRIDES = (2, 2, 4, 8)


class Encoder(nn.Module):
    """The taps are linear, with no ReLU after them: a rectified feature would lose half of its distribution."""

    def __init__(self) -> None:
        super().__init__()
        w1, w2, w3, w4 = WIDTHS
        self.unshuffle = nn.PixelUnshuffle(2)
        self.stage1 = nn.Sequential(conv3(12, w1), nn.ReLU(True), conv3(w1, w1))
        self.stage2 = nn.Sequential(nn.ReLU(), conv3(w1, w2), nn.ReLU(True), conv3(w2, w2))
        self.stage3 = nn.Sequential(nn.ReLU(), nn.AvgPool2d(2), conv3(w2, w3), nn.ReLU(True), conv3(w3, w3))
        self.stage4 = nn.Sequential(nn.ReLU(), nn.AvgPool2d(2), conv3(w3, w4), nn.ReLU(True), conv3(w4, w4))

    def forward(self, image: Tensor) -> list[Tensor]:
        """B 3 H W in 0..1, with sides that are multiples of 8 and at least 16, to four taps, fine to coarse."""
        x, taps = self.unshuffle(image - 0.5).to(self.stage1[0].weight.dtype), []
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4):
            x = stage(x)
            taps.append(x)
        return taps


def conv3(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution with reflected borders: zeros there would show in the statistics."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def high_frequencies(x: Tensor) -> Tensor:
    """x minus its 3x3 mean, B C H W. As one convolution this takes a third of the time of avg_pool2d."""
    kernel = x.new_full((x.shape[1], 1, 3, 3), -1 / 9)
    kernel[:, :, 1, 1] = 8 / 9
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, groups=x.shape[1])
