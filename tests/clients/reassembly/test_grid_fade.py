import numpy as np
import pytest

from clients.reassembly.grid import STILL, carry_grid
from clients.reassembly.grid_fade import FADE_FRAMES, GridFade


def grid(level: float, shape=(3, 8, 9, 16, 4)) -> np.ndarray:
    return np.full(shape, level, np.float16)


def answered(*levels: float) -> GridFade:
    """A fade after these answers, of which all but the last were shown in full."""
    fade = GridFade()
    for level in levels[:-1]:
        fade.arrive(grid(level), cut=True)
        fade.step()
    fade.arrive(grid(levels[-1]), cut=False)
    return fade


def test_before_the_first_answer_there_is_no_grid():
    assert GridFade().step() is None


def test_the_first_answer_shows_at_once():
    assert (answered(0.5).step() == 0.5).all()


def test_the_next_answer_fades_in_evenly():
    fade = answered(0.0, 1.0)

    levels = [float(fade.step().mean()) for _ in range(FADE_FRAMES + 2)]

    assert levels == pytest.approx([min(1, (i + 1) / FADE_FRAMES) for i in range(FADE_FRAMES + 2)], abs=1e-3)


def test_an_answer_in_the_middle_of_a_fade_starts_from_what_is_shown():
    fade = answered(0.0, 1.0)
    for _ in range(FADE_FRAMES // 2):
        shown = fade.step()
    fade.arrive(grid(0.0), cut=False)

    assert float(fade.step().mean()) == pytest.approx(float(shown.mean()) * (1 - 1 / FADE_FRAMES), abs=1e-3)


@pytest.mark.parametrize(("cut", "shape"), [(True, (3, 8, 9, 16, 4)), (False, (3, 8, 16, 9, 4))])
def test_a_cut_or_a_turned_picture_switches_at_once(cut, shape):
    fade = answered(0.0)
    fade.step()
    fade.arrive(grid(1.0, shape), cut=cut)

    assert (fade.step() == 1).all()


def test_the_grid_on_show_follows_the_motion():
    fade, ramp = GridFade(), grid(0.0) + np.arange(16, dtype=np.float16)[:, None]
    moves = STILL + np.float32([3 / 16, 0, 1])
    fade.arrive(ramp, cut=False)

    assert np.array_equal(fade.step(moves), carry_grid(ramp, moves))
    assert fade.step(moves).mean() > ramp.mean() + 2
