"""Key frames that clients share for training: workers add them, the edge's trainer reads them, clients withdraw them.

A consent is a key in Redis that exists as long as the consent holds, and is valid only in one run of Redis. It is
checked before anything is kept or learned from. If Redis was emptied, or was restored from old data, no consent holds.
"""

import secrets
import time
from collections.abc import Collection
from hashlib import sha256
from typing import NamedTuple, cast

import redis

from pipeline.contract import redis_keys
from pipeline.contract.errors import BadMessage
from pipeline.contract.messages import TrainingSample
from pipeline.queues.counters import count
from pipeline.queues.redis_streams import entries, make_anew

#: How many entries are read at a time; they have a megabyte or two.
PAGE = 32
#: An entry whose time is ahead of our clock by more than this was not written by us: no clock of Redis is so wrong.
MOST_AHEAD_S = 600.0

#: Adds a sample. The keys are the consent, the samples, and the list of the sharer's own entries; the arguments are the
#: token, the sharer, the sample, the largest number of samples and their lifetime in seconds. It returns how many old
#: samples were removed for it, or -1 if there is no consent. It is one script so that no sample is added while its
#: consent is being withdrawn.
ADD = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
local id = redis.call('XADD', KEYS[2], '*', 'by', ARGV[2], 'sample', ARGV[3])
local crowded_out = redis.call('XTRIM', KEYS[2], 'MAXLEN', ARGV[4])
redis.call('RPUSH', KEYS[3], id)
redis.call('LTRIM', KEYS[3], -ARGV[4], -1)
for i = 1, 3 do redis.call('EXPIRE', KEYS[i], ARGV[5]) end
return crowded_out
"""
#: Withdraws a consent and its samples, with the same keys. It returns how many samples it removed.
WITHDRAW = """
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[3]) == 0 then return 0 end
local ids, gone = redis.call('LRANGE', KEYS[3], 0, -1), 0
for _, id in ipairs(ids) do gone = gone + redis.call('XDEL', KEYS[2], id) end
redis.call('DEL', KEYS[3])
return gone
"""

Fields = dict[bytes, bytes]


class Shared(NamedTuple):
    """One sample in the stream, and when it was added, in seconds since 1970."""

    sample: TrainingSample
    taken_s: float


def public_name(secret: str) -> str:
    """Return the name under which a client's pictures are kept in Redis. It does not reveal the secret."""
    return sha256(f"mvstylizer shared by {secret}".encode()).hexdigest()[:32]


class Sharing:
    """The shared samples of one edge. `shared_by` is always a public name. All methods may raise redis.RedisError."""

    def __init__(self, connection: redis.Redis, edge_id: str) -> None:
        self._redis, self._edge_id, self._key = connection, edge_id, redis_keys.samples(edge_id)
        self._add, self._withdraw = connection.register_script(ADD), connection.register_script(WITHDRAW)

    def allow(self, shared_by: str) -> str:
        """Note a consent; return the token for the client's key frames, which is valid until Redis restarts.

        A client that agrees in two sessions has one token.
        """
        key, run = redis_keys.consent(self._edge_id, shared_by), self._run()
        present = cast(bytes, self._redis.get(key) or b"").decode(errors="replace")
        if of_run(present, run) and self._redis.ttl(key) > redis_keys.CONSENT_TTL_S:
            return present
        token = present if of_run(present, run) else f"{run}-{secrets.token_hex(8)}"
        self._redis.set(key, token, ex=redis_keys.CONSENT_TTL_S)
        return token

    def append(self, sample: TrainingSample) -> None:
        """Offer a sample to the trainer, if its sender still agrees. The oldest samples are removed to make room."""
        crowded_out = self._appended(sample) if of_run(sample.consent, self._run()) else -1
        count(
            self._redis,
            samples_added=crowded_out >= 0,
            samples_dropped=max(0, crowded_out),
            samples_without_consent=crowded_out < 0,
        )

    def withdraw(self, shared_by: str) -> None:
        """Withdraw a consent and remove all that the client shared. It is never learned from after this returns."""
        count(self._redis, samples_withdrawn=self._withdraw(keys=self._keys(shared_by)))

    def read(self, after: str) -> tuple[list[Shared], str]:
        """Return the next page of samples after the entry id `after`, and the id to go on from; "0" is the start."""
        page = self._page(after)
        if not page:
            return [], after if self._reaches(after) else "0"
        if any(taken_s(entry_id) > time.time() + MOST_AHEAD_S for entry_id, _ in page):
            self._redis.delete(self._key)  # otherwise Redis would give all later entries times in the future as well
            count(self._redis, samples_refused=len(page))
            return [], "0"
        found = [self._shared(entry_id, fields) for entry_id, fields in page]
        return [shared for shared in found if shared], page[-1][0].decode()

    def standing(self, agreements: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those of the agreements (sharer, token) that hold in Redis now."""
        agreements = list(agreements)
        if not agreements:
            return set()
        with self._redis.pipeline() as pipe:
            pipe.info("server")
            pipe.mget([redis_keys.consent(self._edge_id, shared_by) for shared_by, _ in agreements])
            server, tokens = pipe.execute()
        pairs = zip(agreements, tokens, strict=True)
        return {one for one, token in pairs if token == one[1].encode() and of_run(one[1], server["run_id"])}

    def expire(self) -> float:
        """Remove samples that are older than a day; return the time before which nothing may be kept."""
        oldest_s = time.time() - redis_keys.SAMPLES_TTL_S
        count(self._redis, samples_expired=self._redis.xtrim(self._key, minid=int(oldest_s * 1000), approximate=False))
        return oldest_s

    def _keys(self, shared_by: str) -> list[str]:
        own = redis_keys.shared(self._edge_id, shared_by)
        return [redis_keys.consent(self._edge_id, shared_by), self._key, own]

    def _run(self) -> str:
        """Return the id of this run of Redis."""
        return self._redis.info("server")["run_id"]

    def _appended(self, sample: TrainingSample) -> int:
        limits = redis_keys.SAMPLES_MAXLEN, redis_keys.SAMPLES_TTL_S
        args: list[str | bytes | int] = [sample.consent, sample.shared_by, sample.pack(), *limits]
        try:
            return self._add(keys=self._keys(sample.shared_by), args=args)
        except redis.ResponseError as error:
            make_anew(self._redis, self._key, error)
            return self._add(keys=self._keys(sample.shared_by), args=args)

    def _shared(self, entry_id: bytes, fields: Fields) -> Shared | None:
        """Parse an entry of the stream; return None and delete it if it is no message of ours."""
        try:
            return Shared(TrainingSample.unpack(fields.get(b"sample", b"")), taken_s(entry_id))
        except BadMessage:
            self._redis.xdel(self._key, entry_id)
            count(self._redis, samples_refused=1)
            return None

    def _page(self, after: str) -> list[tuple[bytes, Fields]]:
        try:
            return entries(self._redis.xrange(self._key, f"({after}", count=PAGE))
        except redis.ResponseError as error:
            make_anew(self._redis, self._key, error)
            return []

    def _reaches(self, entry_id: str) -> bool:
        """Return whether the stream reaches up to this id. A stream that was deleted and started anew may not."""
        if entry_id == "0" or not self._redis.exists(self._key):
            return entry_id == "0"
        last = self._redis.xinfo_stream(self._key)["last-generated-id"]
        return order(last) >= order(entry_id.encode())


def of_run(token: str, run: str) -> bool:
    return token.startswith(f"{run}-")


def order(entry_id: bytes) -> tuple[int, ...]:
    return tuple(map(int, entry_id.split(b"-")))


def taken_s(entry_id: bytes) -> float:
    """Return when an entry was added, in seconds since 1970 by Redis' clock."""
    return order(entry_id)[0] / 1000
