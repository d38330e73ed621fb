import pytest
import torch
import torch.nn.functional as F

from edge.paper_model.decoder import MirroredDecoder
from edge.paper_model.decoder_init import initialize_decoder
from edge.paper_model.model import PaperModel
from edge.vgg.vgg import VGG
from support.models.teacher import write_vgg


@pytest.mark.parametrize("bottleneck, channels, scale, count", [("3_1", 256, 4, 5), ("4_1", 512, 8, 9)])
def test_it_undoes_the_encoders_scales_and_widths(bottleneck, channels, scale, count):
    decoder = MirroredDecoder(bottleneck)

    picture = decoder(torch.rand(1, channels, 4, 6))

    assert picture.shape == (1, 3, 4 * scale, 6 * scale)
    assert len(decoder.layers) == count


@pytest.mark.parametrize("form", ["adain", "literal"])
def test_it_starts_out_drawing_what_the_encoder_saw(tmp_path, form):
    torch.manual_seed(0)
    model = PaperModel(VGG(write_vgg(tmp_path / "vgg.npz")), form)
    photos = F.interpolate(torch.rand(12, 3, 4, 4), (32, 32), mode="bilinear")

    initialize_decoder(model, photos)

    with torch.no_grad():
        drawn = model(photos, model.encode(photos), 32, 32)
    assert (drawn - photos).square().mean() < 0.3 * (photos - photos.mean((0, 2, 3), keepdim=True)).square().mean()
