"""Stores the styles that a session may choose: the shipped ones, and uploads, which Redis keeps for a day."""

import hashlib
import time
from collections.abc import Callable, Collection, Sequence
from typing import cast

import redis

from pipeline.contract import redis_keys
from pipeline.contract.errors import Busy
from pipeline.pictures.decode import StyleFiles
from pipeline.styles.catalog import find_shipped, style_id
from pipeline.styles.mix import StyleMix, parts
from pipeline.styles.mood import StyleMood, without_mood


class StyleStore:
    """The shipped and uploaded styles. Uploads are listed nowhere: only their ids lead to them.

    All methods may raise redis.RedisError.
    """

    def __init__(self, connection: redis.Redis, clock: Callable[[], float] = time.time) -> None:
        """`clock` returns seconds since 1970; the clocks of all gateways must agree."""
        self._redis, self._clock = connection, clock

    def find(self, id_or_name: str) -> str | None:
        """Return the id of a known style or mix of two, with the moods that were named, or None.

        This keeps uploaded styles for another day.
        """
        if mix := StyleMix.parse(id_or_name):
            first, second = self.find(mix.first), self.find(mix.second)
            if first and second and without_mood(first) != without_mood(second):
                return str(StyleMix(first, second, mix.percent))
            return None
        if mood := StyleMood.parse(id_or_name):
            found_style = self.find(mood.style)
            return str(StyleMood(found_style, mood.percent)) if found_style else None
        if style := find_shipped(id_or_name):
            return style.id
        if not _is_id(id_or_name) or not self._redis.expire(redis_keys.style(id_or_name), redis_keys.STYLE_TTL_S):
            return None
        with self._redis.pipeline() as pipe:
            _touch(pipe, id_or_name, self._clock())
            pipe.execute()
        return id_or_name

    def jpeg(self, wanted_id: str) -> bytes | None:
        """Return the picture of a style, or None if the style is unknown."""
        if style := find_shipped(wanted_id):
            return style.jpeg
        return self._bytes(redis_keys.style(wanted_id)) if _is_id(wanted_id) else None

    def thumbnail(self, wanted_id: str) -> bytes | None:
        """Return the thumbnail of an uploaded style, or None. Those of the shipped styles are in `catalog`."""
        return self._bytes(redis_keys.thumbnail(wanted_id)) if _is_id(wanted_id) else None

    def _bytes(self, key: str) -> bytes | None:
        return cast("bytes | None", self._redis.get(key))  # our connections decode nothing

    def keep(self, style_ids: Collection[str]) -> None:
        """Protect styles that are in use: no upload replaces them for STYLE_LEASE_S from now."""
        now_s = self._clock()
        with self._redis.pipeline() as pipe:
            for kept in {part for used in style_ids for part in parts(used)}:
                if _is_id(kept) and not find_shipped(kept):
                    _touch(pipe, kept, now_s)
                    pipe.zadd(redis_keys.STYLE_LEASES, {kept: now_s + redis_keys.STYLE_LEASE_S})
            pipe.execute()

    def save(self, files: StyleFiles, key: str = "") -> str:
        """Save a picture and return its id. If need be, styles that were unused for longest are removed.

        With a secret `key`, whoever knows it may delete the picture. Raises Busy if all styles are in use.
        """
        new_id = style_id(files.style)

        def write(pipe: redis.client.Pipeline) -> None:
            now_s = self._clock()
            leased = _texts(pipe.zrangebyscore(redis_keys.STYLE_LEASES, now_s, "+inf"))
            others = _texts(pipe.zrange(redis_keys.STYLES, 0, -1))
            gone = crowded_out(others, leased, new_id)
            pipe.multi()
            for old in gone:
                _remove(pipe, old)
            pipe.set(redis_keys.style(new_id), files.style, ex=redis_keys.STYLE_TTL_S)
            pipe.set(redis_keys.thumbnail(new_id), files.thumbnail, ex=redis_keys.STYLE_TTL_S)
            pipe.zadd(redis_keys.STYLES, {new_id: now_s})
            if key:
                pipe.zadd(redis_keys.style_keys(new_id), {_digest(key): now_s})
                pipe.zremrangebyrank(redis_keys.style_keys(new_id), 0, -redis_keys.STYLE_KEYS_MAX - 1)
                pipe.expire(redis_keys.style_keys(new_id), redis_keys.STYLE_TTL_S)
            pipe.zremrangebyscore(redis_keys.STYLE_LEASES, "-inf", now_s)
            pipe.zremrangebyscore(redis_keys.STYLES, "-inf", now_s - redis_keys.STYLE_TTL_S)

        # `transaction` calls `write` again if another gateway changed these keys meanwhile.
        self._redis.transaction(write, redis_keys.STYLES, redis_keys.STYLE_LEASES)
        return new_id

    def delete(self, uploaded_id: str, key: str) -> bool:
        """Delete an uploaded picture for somebody who uploaded it; return whether the key is theirs.

        A picture that others uploaded, too, stays for them.
        """
        if not _is_id(uploaded_id):
            return False
        keys, digest = redis_keys.style_keys(uploaded_id), _digest(key)

        def write(pipe: redis.client.Pipeline) -> None:
            is_last = pipe.zrange(keys, 0, -1) == [digest.encode()]
            pipe.multi()
            pipe.zrem(keys, digest)
            if is_last:
                _remove(pipe, uploaded_id)

        # `transaction` calls `write` again if somebody uploads or deletes the same picture meanwhile.
        answers = cast("list[int]", self._redis.transaction(write, keys))
        return bool(answers[0])


def crowded_out(by_last_use: Sequence[str], leased: Collection[str], new_id: str) -> list[str]:
    """Return the styles to remove for a new one, the longest unused first. Raises Busy if too few are free."""
    others = [other for other in by_last_use if other != new_id]
    free = [other for other in others if other not in leased]
    surplus = max(0, len(others) + 1 - redis_keys.STYLES_MAX)
    if surplus > len(free):
        raise Busy("All places for photos are taken by looks on show; choose one of the styles here, or wait a moment.")
    return free[:surplus]


def _texts(members: object) -> list[str]:
    """Decode an answer of Redis that consists of ids."""
    return [member.decode() for member in cast("list[bytes]", members)]


def _touch(pipe: redis.client.Pipeline, used_id: str, now_s: float) -> None:
    pipe.expire(redis_keys.style(used_id), redis_keys.STYLE_TTL_S)
    pipe.expire(redis_keys.thumbnail(used_id), redis_keys.STYLE_TTL_S)
    pipe.expire(redis_keys.style_keys(used_id), redis_keys.STYLE_TTL_S)
    pipe.zadd(redis_keys.STYLES, {used_id: now_s}, xx=True)


def _remove(pipe: redis.client.Pipeline, old_id: str) -> None:
    pipe.delete(redis_keys.style(old_id), redis_keys.thumbnail(old_id), redis_keys.style_keys(old_id))
    pipe.zrem(redis_keys.STYLES, old_id)


def _digest(key: str) -> str:
    """Return what is stored of a key: whoever reads Redis cannot delete pictures with it over HTTP."""
    return hashlib.sha256(key.encode()).hexdigest()


def _is_id(text: str) -> bool:
    return len(text) == 16 and all(c in "0123456789abcdef" for c in text)
