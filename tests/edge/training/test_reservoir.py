"""The trainer's samples are bounded, evenly chosen, and can be forgotten."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from edge.training.reservoir import Reservoir, SharedKeyFrame


def sample(number: int, shared_by: str = "a") -> SharedKeyFrame:
    return SharedKeyFrame(shared_by, "style", b"%d" % number, float(number))


def kept(reservoir: Reservoir) -> set[SharedKeyFrame]:
    return set(reservoir.draw(1000))


@given(st.integers(1, 20), st.integers(1, 200))
def test_it_never_holds_more_than_its_capacity(capacity, arrivals):
    reservoir = Reservoir(capacity)
    for number in range(arrivals):
        reservoir.observe(sample(number))

    assert len(reservoir) == min(capacity, arrivals)


def test_early_and_late_samples_have_the_same_chance():
    chosen = Counter()
    for seed in range(400):
        reservoir = Reservoir(10, seed)
        for number in range(40):
            reservoir.observe(sample(number))
        chosen.update(int(one.picture) // 10 for one in kept(reservoir))

    assert all(850 < chosen[quarter] < 1150 for quarter in range(4))


def test_what_nobody_agrees_to_any_more_goes_and_its_place_is_free_again():
    reservoir = Reservoir(4)
    for number in range(4):
        reservoir.observe(sample(number, "ab"[number % 2]))

    reservoir.keep_standing({("b", "")})
    assert {one.shared_by for one in kept(reservoir)} == {"b"}
    reservoir.observe(sample(9))

    assert len(reservoir) == 3 and sample(9) in kept(reservoir)


def test_what_is_too_old_goes():
    reservoir = Reservoir(8)
    for number in range(4):
        reservoir.observe(sample(number))

    reservoir.expire(before_s=2.0)

    assert kept(reservoir) == {sample(2), sample(3)}
