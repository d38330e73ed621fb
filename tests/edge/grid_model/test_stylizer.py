import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clients.reassembly.grid import apply_grid
from edge.grid_model.colorization import mixed
from edge.grid_model.encoder import STRIDES
from edge.grid_model.grid import cells, slice_grid
from edge.grid_model.stylizer import GridStylizer, batch_size, network_size
from support.pictures.no_pictures import NO_PICTURES

SIZES = [(1, 1), (1, 4000), (4000, 1), (2, 3), (144, 256), (360, 640), (640, 360), (1080, 1920)]


@pytest.fixture(scope="module")
def stylizer():
    torch.set_num_threads(1)
    return GridStylizer.load(device="cpu")


def picture(height, width, seed=0):
    """A picture of soft coloured blobs."""
    small = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    large = torch.nn.functional.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)
    return (large[0].permute(1, 2, 0) * 255).byte().numpy()


def applied(grid, image):
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    return slice_grid(torch.from_numpy(grid)[None].float(), pixels).clamp(0, 1)[0].permute(1, 2, 0).numpy()


def test_the_grid_is_the_one_agreed_on(stylizer):
    grid = stylizer.stylize(picture(360, 640), stylizer.style(picture(200, 300, seed=1)))

    assert grid.shape == (3, 8, 9, 16, 4)
    assert grid.dtype == np.float16
    assert grid.flags.c_contiguous


@pytest.mark.parametrize("height, width", SIZES)
def test_every_size_gives_a_finite_grid(stylizer, height, width):
    image = picture(height, width)

    grid = stylizer.stylize(image, stylizer.style(image[::-1]))

    assert np.isfinite(grid).all()


@given(st.integers(1, 300), st.integers(1, 300))
def test_the_network_sees_a_picture_of_the_encoder_s_sides_with_the_same_cells(stylizer, height, width):
    seen = stylizer.prepare(np.zeros((height, width, 3), np.uint8)).shape[2:]

    assert all(side % STRIDES[-1] == 0 and side >= 16 for side in seen)
    assert cells(*seen) == cells(height, width)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_style_or_content_gives_a_finite_grid(stylizer, value):
    flat, photo = np.full((90, 160, 3), value, np.uint8), picture(90, 160)

    for content, style in ((photo, flat), (flat, photo), (flat, flat)):
        grid = stylizer.stylize(content, stylizer.style(style))
        assert np.isfinite(grid).all()
        assert applied(grid, content).std() < 0.5


def test_a_picture_in_its_own_style_stays_as_it_is(stylizer):
    image = picture(360, 640)

    grid = stylizer.stylize(image, stylizer.style(image))

    error = float(((applied(grid, image) - image / 255) ** 2).mean())
    assert 10 * np.log10(1 / max(error, 1e-12)) > 38


def test_a_black_and_white_style_leaves_a_colourful_picture_grey_to_the_last_bit(stylizer):
    content, style = picture(144, 256), picture(100, 100, seed=1)[..., :1].repeat(3, 2)

    result = apply_grid(content, stylizer.stylize(content, stylizer.style(style)))

    assert (result.max(2) - result.min(2)).max() <= 1


def test_colours_move_towards_the_style(stylizer):
    content, style = picture(144, 256) // 2 + 20, picture(144, 256, seed=1) // 2 + np.uint8([110, 60, 0])

    result = applied(stylizer.stylize(content, stylizer.style(style)), content) * 255

    before, after = (np.abs(image.mean((0, 1)) - style.mean((0, 1))).sum() for image in (content, result))
    assert after < 0.5 * before


def test_same_input_same_grid(stylizer):
    image, style = picture(144, 256), stylizer.style(picture(100, 100, seed=1))

    assert np.array_equal(stylizer.stylize(image, style), stylizer.stylize(image, style))


def test_the_first_key_frame_of_a_stream_is_stylized_as_a_picture(stylizer):
    image, style = picture(144, 256), stylizer.style(picture(100, 100, seed=1))

    grid, _ = stylizer.follow(image, style, None, elapsed_s=0.5)

    assert np.array_equal(grid, stylizer.stylize(image, style))


def test_a_grid_made_ahead_is_the_one_of_a_picture_that_stays(stylizer):
    before, now, style = picture(144, 256), picture(144, 256, seed=2), stylizer.style(picture(100, 100, seed=1))
    _, state = stylizer.follow(before, style, None, elapsed_s=0)
    equations = stylizer.equations(now, style)

    ahead, remembered = stylizer.settle(equations, state, elapsed_s=0.5, lead_s=0.4)

    late, _ = stylizer.settle(equations, remembered, elapsed_s=0.4)
    assert np.array_equal(ahead, late)
    assert not np.array_equal(ahead, stylizer.settle(equations, state, elapsed_s=0.5)[0])
    assert torch.equal(remembered.average, stylizer.settle(equations, state, elapsed_s=0.5)[1].average)


def test_a_stream_moves_towards_what_it_sees(stylizer):
    before, now, style = picture(144, 256), picture(144, 256, seed=2), stylizer.style(picture(100, 100, seed=1))
    old, state = stylizer.follow(before, style, None, elapsed_s=0)
    new = stylizer.stylize(now, style)

    soon, late = (stylizer.follow(now, style, state, elapsed_s=elapsed_s)[0] for elapsed_s in (0.03, 10_000))

    assert np.abs(soon - old).mean() < 0.5 * np.abs(new - old).mean()  # colours that are new to it are taken at once
    assert np.abs(late - new).mean() < 0.01


def test_a_still_stream_keeps_its_grid(stylizer):
    image, style = picture(144, 256), stylizer.style(picture(100, 100, seed=1))
    first, state = stylizer.follow(image, style, None, elapsed_s=0)

    for _ in range(5):
        grid, state = stylizer.follow(image, style, state, elapsed_s=0.5)

    assert np.abs(grid - first).max() < 1e-2


def test_key_frames_in_one_batch_are_drawn_as_each_alone_is(stylizer):
    """Their styles differ, and their sizes, of which the network makes one."""
    pictures = [picture(360, 640), picture(288, 512, seed=1), picture(720, 1280, seed=2)]
    styles = [stylizer.style(picture(100, 140, seed=seed)) for seed in (3, 4, 5)]

    together = stylizer.equations_of_each(pictures, styles)

    assert len({network_size(*image.shape[:2]) for image in pictures}) == 1
    for image, style, found in zip(pictures, styles, together, strict=True):
        alone = stylizer.equations(image, style)
        assert found.shape == alone.shape
        grids = [stylizer.settle(equations, None, elapsed_s=0)[0] for equations in (found, alone)]
        assert np.abs(applied(grids[0], image) - applied(grids[1], image)).max() < 2 / 255


def test_a_gpu_takes_more_key_frames_at_once_than_a_core():
    assert 1 < batch_size("cpu") < batch_size("cuda")


def test_a_turned_phone_begins_anew(stylizer):
    upright, style = picture(256, 144), stylizer.style(picture(100, 100, seed=1))
    _, state = stylizer.follow(picture(144, 256), style, None, elapsed_s=0)

    grid, _ = stylizer.follow(upright, style, state, elapsed_s=0.5)

    assert np.array_equal(grid, stylizer.stylize(upright, style))


@pytest.mark.parametrize("image", NO_PICTURES)
def test_what_is_no_picture_is_refused(stylizer, image):
    with pytest.raises(ValueError, match="a picture must"):
        stylizer.style(image)


def test_views_of_other_arrays_are_accepted(stylizer):
    image = picture(90, 160)

    assert np.isfinite(stylizer.stylize(image[:, ::-1, ::-1], stylizer.style(image[::2, ::2]))).all()


def test_the_version_names_the_weights(stylizer):
    assert len(stylizer.model_version) == 12
    assert GridStylizer.load(device="cpu").model_version == stylizer.model_version


def test_a_file_without_weights_is_refused(tmp_path):
    wrong = tmp_path / "weights.safetensors"
    wrong.write_bytes(b"not weights")

    for path in (wrong, tmp_path / "missing.safetensors"):
        with pytest.raises(ValueError, match=path.name):
            GridStylizer.load(path)


def test_broken_weights_are_named_and_not_remembered():
    stylizer, picture = GridStylizer.load(device="cpu"), np.full((48, 64, 3), 90, np.uint8)
    style = stylizer.style(picture)
    stylizer.model.decoder.picture[0].weight.data.fill_(torch.nan)

    with pytest.raises(ValueError, match="no finite grid"):
        stylizer.follow(picture, style, None, elapsed_s=0)


def test_the_global_look_is_nearer_to_the_whole_look_than_the_mean_of_its_places(stylizer):
    photo, style = picture(180, 320), stylizer.style(picture(200, 300, seed=1))
    whole = stylizer.stylize(photo, style)

    look = stylizer.global_look(photo, style)

    mean = whole.astype(np.float32).mean((2, 3), keepdims=True).astype(np.float16)
    off, mean_off = (np.square(applied(grid, photo) - applied(whole, photo)).mean() for grid in (look, mean))
    assert look.shape == (3, 8, 1, 1, 4) and look.dtype == np.float16
    assert off < mean_off


def test_one_picture_in_several_styles_is_what_each_alone_gives(stylizer):
    content, styles = picture(90, 160), [stylizer.style(picture(80, 80, seed)) for seed in (1, 2, 3)]

    grids = stylizer.previews(content, styles)

    assert grids.shape == (3, 3, 8, 4, 8, 4) and grids.dtype == np.float16
    for grid, style in zip(grids, styles, strict=True):
        assert np.abs(grid - stylizer.previews(content, [style])[0]).max() < 0.05  # bfloat16, in another batch


@pytest.mark.parametrize("share, own", [(0.0, 0), (1.0, 1)])
def test_the_ends_of_a_mix_are_the_looks_themselves(stylizer, share, own):
    content, styles = picture(144, 256), [stylizer.style(picture(120, 160, seed)) for seed in (1, 2)]

    end = stylizer.stylize(content, mixed(*styles, share))

    assert np.abs(end - stylizer.stylize(content, styles[own])).max() < 0.01
