"""All styles a session may choose: the shipped ones, and uploaded ones kept in Redis for a day."""
import time

import redis

from pipeline import topology
from pipeline.codec import encode_jpeg, read_style
from pipeline.styles import find_shipped, style_id

#: 1024 px at this quality is below 300 KB, and the network looks at 256 px.
JPEG_QUALITY = 85


class StyleStore:
    """Uploaded styles are known to whoever has their id, and listed nowhere. Methods may raise redis.RedisError."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection

    def find(self, id_or_name: str) -> str | None:
        """The id of a known style; using one keeps it for another day."""
        if style := find_shipped(id_or_name):
            return style.id
        known = _is_id(id_or_name) and self._redis.expire(topology.style(id_or_name), topology.STYLE_TTL_S)
        return id_or_name if known else None

    def jpeg(self, wanted_id: str) -> bytes | None:
        if style := find_shipped(wanted_id):
            return style.jpeg
        return self._redis.get(topology.style(wanted_id)) if _is_id(wanted_id) else None

    def add(self, data: bytes) -> str:
        """Keep an uploaded picture, cleaned and re-encoded; the oldest make room. Returns its id, raises BadImage."""
        jpeg = encode_jpeg(read_style(data), JPEG_QUALITY)
        new_id = style_id(jpeg)
        with self._redis.pipeline() as pipe:
            pipe.set(topology.style(new_id), jpeg, ex=topology.STYLE_TTL_S)
            pipe.zadd(topology.STYLES, {new_id: time.time()})
            pipe.zrange(topology.STYLES, 0, -topology.STYLES_MAX - 1)
            pipe.zremrangebyrank(topology.STYLES, 0, -topology.STYLES_MAX - 1)
            *_, crowded_out, _ = pipe.execute()
        if crowded_out:
            self._redis.delete(*(topology.style(old.decode()) for old in crowded_out))
        return new_id


def _is_id(text: str) -> bool:
    return len(text) == 16 and all(c in "0123456789abcdef" for c in text)
