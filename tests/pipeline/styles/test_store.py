"""Uploaded styles in a real Redis, which several gateways share."""

import pytest
import redis

from pipeline.contract import redis_keys
from pipeline.contract.errors import Busy
from pipeline.pictures.decode import StyleFiles
from pipeline.queues.broker import connect
from pipeline.styles.catalog import shipped
from pipeline.styles.store import StyleStore, crowded_out


class Clock:
    now_s = 1e9

    def __call__(self) -> float:
        self.now_s += 0.001
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(connection: redis.Redis, clock: Clock) -> StyleStore:
    return StyleStore(connection, clock)


def files(number: int) -> StyleFiles:
    return StyleFiles(b"style %d" % number, b"thumbnail %d" % number)


def test_a_style_is_kept_with_its_thumbnail(store):
    style_id = store.save(files(1))

    assert (store.find(style_id), store.jpeg(style_id), store.thumbnail(style_id)) == (
        style_id,
        b"style 1",
        b"thumbnail 1",
    )


def test_whoever_uploaded_a_style_can_delete_it_and_nobody_else(store, connection):
    style_id = store.save(files(1), "mine")

    assert store.delete(style_id, "theirs") is store.delete(style_id, "") is store.delete("x", "mine") is False
    assert store.find(style_id) == style_id
    assert store.delete(style_id, "mine") is True
    assert store.find(style_id) is store.jpeg(style_id) is store.thumbnail(style_id) is None
    assert list(connection.scan_iter("mvs:style*")) == []
    assert store.delete(style_id, "mine") is False


def test_a_style_that_two_uploaded_stays_for_the_second_and_one_without_a_key_for_all(store):
    both, shared = store.save(files(1), "mine"), store.save(files(2))
    store.save(files(1), "theirs")

    assert store.delete(both, "mine") is True and store.find(both) == both
    assert store.delete(both, "theirs") is True and store.find(both) is None
    assert store.delete(shared, "mine") is False and store.find(shared) == shared


def test_the_keys_of_one_style_do_not_grow_without_end_and_hold_no_secret(store, connection):
    for number in range(redis_keys.STYLE_KEYS_MAX + 5):
        style_id = store.save(files(1), f"key {number}")
    keys = redis_keys.style_keys(style_id)

    assert connection.zcard(keys) == redis_keys.STYLE_KEYS_MAX and connection.ttl(keys) > 0
    assert not any(b"key" in member for member in connection.zrange(keys, 0, -1))
    assert store.delete(style_id, "key 0") is False and store.delete(style_id, "key 20") is True


@pytest.mark.parametrize("style_id", ["0123456789abcdef", "", "../../etc/passwd", "0123456789ABCDEF", "x" * 1000])
def test_an_unknown_style_is_none(store, style_id):
    assert store.find(style_id) is store.jpeg(style_id) is store.thumbnail(style_id) is None


def test_a_mix_of_two_known_styles_is_known_by_their_ids(store):
    uploaded, golden, dusk = store.save(files(1)), *(store.find(name) for name in ("golden-hour", "dusk"))

    assert store.find("golden-hour.dusk.35") == f"{golden}.{dusk}.35"
    assert store.find(f"{uploaded}.{dusk}.1") == f"{uploaded}.{dusk}.1"
    assert store.jpeg(f"{uploaded}.{dusk}.1") is None  # it has no picture, so nobody trains on it


@pytest.mark.parametrize(
    "mix", ["dusk.dusk.50", "dusk.0123456789abcdef.50", "dusk.snow.0", "dusk.snow.100", "dusk.snow.5.5", "dusk.snow",
            "dusk.snow.-5", "dusk.snow.05", "Dusk.dusk.50", ".snow.50", "dusk.snow.50.", "a.b.c.50"],
)  # fmt: skip
def test_what_is_no_mix_of_two_known_styles_is_none(store, mix):
    assert store.find(mix) is None


def test_a_known_style_in_another_mood_is_known_by_its_id(store):
    uploaded, golden, dusk = store.save(files(1)), *(store.find(name) for name in ("golden-hour", "dusk"))

    assert store.find("golden-hour~0") == f"{golden}~0"
    assert store.find(f"{uploaded}~100") == f"{uploaded}~100"
    assert store.find(f"golden-hour~40.{dusk}.35") == f"{golden}~40.{dusk}.35"


@pytest.mark.parametrize(
    "mood",
    ["dusk~101", "dusk~", "unknown~40", "0123456789abcdef~40", "dusk~40~40", "dusk~40.Dusk.50", "dusk.snow.50~40"],
)
def test_what_is_no_mood_of_a_known_style_is_none(store, mood):
    assert store.find(mood) is None


@pytest.mark.parametrize("look", ["{dusk}.{shown}.40", "{shown}~30", "{shown}~30.{dusk}~0.40"])
def test_uploads_never_crowd_out_a_part_of_a_look_on_show(store, look):
    shown, dusk = store.save(files(-1)), store.find("dusk")

    store.keep([look.format(dusk=dusk, shown=shown)])
    for number in range(redis_keys.STYLES_MAX + 3):
        store.save(files(number))

    assert store.find(shown)


def test_shipped_styles_are_known_without_redis():
    store = StyleStore(None)  # no connection
    store_style = shipped()[0]

    assert store.find(store_style.name) == store_style.id and store.jpeg(store_style.id) == store_style.jpeg


def test_uploads_never_crowd_out_a_style_on_show(store):
    """Before, 259 uploads did so."""
    shown = store.save(files(-1))
    store.keep({shown, shipped()[0].id})

    for number in range(redis_keys.STYLES_MAX + 10):
        store.save(files(number))

    assert store.jpeg(shown) == b"style -1"


def test_what_was_unused_for_longest_makes_room_with_all_that_belongs_to_it(store, connection):
    ids = [store.save(files(number)) for number in range(redis_keys.STYLES_MAX)]
    store.find(ids[0])

    newest = store.save(files(1000))

    assert store.find(ids[1]) is None and store.thumbnail(ids[1]) is None
    assert store.find(ids[0]) and store.find(ids[2]) and store.find(newest)
    assert connection.zcard(redis_keys.STYLES) == redis_keys.STYLES_MAX
    assert len(connection.keys("mvs:thumbnail:*")) == redis_keys.STYLES_MAX


def test_when_all_are_on_show_a_new_one_is_refused_and_none_lost(store, monkeypatch):
    monkeypatch.setattr(redis_keys, "STYLES_MAX", 5)
    ids = {store.save(files(number)) for number in range(5)}
    store.keep(ids)

    with pytest.raises(Busy, match="looks on show"):
        store.save(files(6))

    assert all(store.jpeg(style_id) for style_id in ids)
    assert store.save(files(3)) in ids


def test_a_lease_ends_when_nobody_renews_it(store, clock, monkeypatch):
    monkeypatch.setattr(redis_keys, "STYLES_MAX", 1)
    old = store.save(files(1))
    store.keep({old})
    clock.now_s += redis_keys.STYLE_LEASE_S + 1

    store.save(files(2))

    assert store.jpeg(old) is None


def test_a_style_that_is_gone_gets_no_place_by_being_kept(store, connection):
    store.keep({"0123456789abcdef"})

    assert connection.zcard(redis_keys.STYLES) == 0


def test_nothing_grows_for_ever(store, connection, clock):
    store.keep({store.save(files(1))})
    clock.now_s += 2 * redis_keys.STYLE_TTL_S

    store.save(files(2))

    assert connection.zcard(redis_keys.STYLES) == 1 and connection.zcard(redis_keys.STYLE_LEASES) == 0


def test_another_gateways_upload_in_between_is_seen(redis_url, store, connection, monkeypatch):
    monkeypatch.setattr(redis_keys, "STYLES_MAX", 3)
    for number in range(3):
        store.save(files(number))
    came = []

    def decide(*args: object) -> list[str]:
        if not came:
            came.append("f" * 16)
            with connect(redis_url) as other:
                other.set(redis_keys.style(came[0]), b"of another gateway")
                other.zadd(redis_keys.STYLES, {came[0]: 2e9})
        return crowded_out(*args)

    monkeypatch.setattr("pipeline.styles.store.crowded_out", decide)

    mine = store.save(files(200))

    assert store.jpeg(mine) and store.jpeg(came[0])
    assert connection.zcard(redis_keys.STYLES) == 3
