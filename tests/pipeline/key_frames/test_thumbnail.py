import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.key_frames.thumbnail import CUT_LEVELS, CUT_SHARE, THUMBNAIL_SIDE_PX, FrameThumbnail, is_cut
from support.pictures.thumbnails import ENTERED, OTHER, RECOLOURED, STILL, thumbnail


def test_brightness_and_colour_both_tell_a_cut():
    assert is_cut(STILL, OTHER)
    assert is_cut(STILL, RECOLOURED)
    assert not is_cut(STILL, STILL)
    assert not is_cut(STILL, ENTERED)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_the_short_answer_is_the_histograms_own(before, after, contrast, seed):
    """If pixels hardly changed, histograms are not compared; this never hides a cut."""
    noise = np.random.default_rng(seed).integers(-contrast, contrast + 1, (2, 36, 64))
    one, other = (
        thumbnail(np.clip(level + more, 0, 255).astype(np.uint8)) for level, more in zip((before, after), noise)
    )

    change = one.histograms - other.histograms
    moved = np.abs(change).sum(1) / 2 > CUT_SHARE, np.abs(change.cumsum(1)).sum(1) * 8 > CUT_LEVELS + 1e-9
    assert is_cut(one, other) == np.logical_and(*moved).any()


def test_a_coders_noise_in_a_flat_picture_is_no_cut():
    for level in range(1, 254):
        noise = np.random.default_rng(level).integers(-2, 3, (90, 160))
        flat, noisy = (
            thumbnail(np.clip(level + more, 0, 255).astype(np.uint8), level, level) for more in (0 * noise, noise)
        )
        refined = thumbnail(np.full((90, 160), level + 2, np.uint8), max(0, level - 7), min(255, level + 7))

        assert not any(is_cut(flat, other) for other in (noisy, refined)), level


@pytest.mark.parametrize("shape", [(2, 2), (3, 5), (90, 160), (1280, 720), (376, 640), (2, 640)])
def test_any_size_becomes_a_small_picture_whose_shares_sum_to_one(shape):
    y = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    u = y[: (shape[0] + 1) // 2, : (shape[1] + 1) // 2]

    seen = FrameThumbnail.at(y, u, u)

    assert max(seen.luma.shape) == THUMBNAIL_SIDE_PX
    assert seen.histograms.sum(1) == pytest.approx([1, 1, 1])
