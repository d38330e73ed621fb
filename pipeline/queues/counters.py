"""The counters that processes without /metrics share: one small hash in Redis, which outlives each of them."""

import math
from collections.abc import Collection, Mapping

import redis

from pipeline.contract import redis_keys

#: Redis makes no longer number by adding.
MAX_NUMBER = 40
#: No counter and nothing that is added to one reaches this. A larger number was not counted.
MAX_COUNT = 1e15


def count(connection: redis.Redis, **amounts: float) -> None:
    """Add to counters that pipeline.monitoring.metrics.LearningMetrics knows. Zeros are not sent."""
    increase(connection, {f"mvs_{name}_total": amount for name, amount in amounts.items()})


def increase(connection: redis.Redis, amounts: Mapping[str, float]) -> None:
    """Add to any counters, by sample. A counter that holds no number begins anew, and so does a hash that is none.

    Raises redis.RedisError, and then nothing was added.
    """
    amounts = {sample: float(amount) for sample, amount in amounts.items() if amount and math.isfinite(amount)}
    if failed := _increase(connection, amounts):
        if any("WRONGTYPE" in str(answer) for answer in failed.values()):
            connection.delete(redis_keys.COUNTS)
        else:
            connection.hdel(redis_keys.COUNTS, *failed)
        _increase(connection, {sample: amounts[sample] for sample in failed})


def counts(connection: redis.Redis, known: Collection[str]) -> dict[str, float]:
    """The `known` counters that were counted since Redis began. Nothing else in the hash is read."""
    names = list(known)
    with connection.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hstrlen(redis_keys.COUNTS, name)
        lengths = pipe.execute(raise_on_error=False)
    short = [name for name, length in zip(names, lengths) if isinstance(length, int) and 0 < length <= MAX_NUMBER]
    found = zip(short, connection.hmget(redis_keys.COUNTS, short) if short else ())
    return {name: number for name, text in found if (number := _number(text)) is not None}


def _increase(connection: redis.Redis, amounts: Mapping[str, float]) -> dict[str, object]:
    """Returns Redis' answers for the counters that it could not add to, or that are beyond what they may be."""
    if not amounts:
        return {}
    with connection.pipeline() as pipe:
        for sample, amount in amounts.items():
            pipe.hincrbyfloat(redis_keys.COUNTS, sample, amount)
        answers = pipe.execute(raise_on_error=False)
    return {sample: answer for sample, answer in zip(amounts, answers) if not _is_count(answer)}


def _number(text: bytes | str | None) -> float | None:
    try:
        number = float(text or b"")
    except ValueError:
        return None
    return number if _is_count(number) else None


def _is_count(number: object) -> bool:
    return isinstance(number, float) and 0 <= number <= MAX_COUNT
