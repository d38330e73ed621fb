from hypothesis import given
from hypothesis import strategies as st

from pipeline.basics.lru import LruCache


def test_the_least_recently_used_value_makes_room():
    cache: LruCache[str, int] = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1 and "b" in cache

    cache.put("c", 3)

    assert list(cache) == ["a", "c"]
    assert cache.get("b") is None


def test_a_value_that_is_put_again_is_the_newest():
    cache: LruCache[str, int] = LruCache(2)
    for key, value in [("a", 1), ("b", 2), ("a", 3), ("c", 4)]:
        cache.put(key, value)

    assert [(key, cache.get(key)) for key in list(cache)] == [("a", 3), ("c", 4)]


def test_what_is_discarded_or_cleared_is_gone():
    cache: LruCache[str, int] = LruCache(3)
    for key in "abc":
        cache.put(key, 0)

    cache.discard("a")
    cache.discard("a")
    assert list(cache) == ["b", "c"]
    cache.clear()
    assert len(cache) == 0


@given(st.integers(1, 5), st.lists(st.tuples(st.booleans(), st.integers(0, 9))))
def test_it_holds_the_last_keys_that_were_used(limit, steps):
    cache: LruCache[int, int] = LruCache(limit)
    used: list[int] = []
    for is_put, key in steps:
        if is_put:
            cache.put(key, key)
        if is_put or cache.get(key) is not None:
            used = [other for other in used if other != key] + [key]

    assert list(cache) == used[-limit:]
