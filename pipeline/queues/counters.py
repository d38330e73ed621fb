"""Counters of processes that have no /metrics of their own: one small hash in Redis, which outlives the processes."""

import math
from collections.abc import Collection, Mapping

import redis

from pipeline.contract import redis_keys

#: A number that Redis computed has no more characters than this.
MAX_NUMBER = 40
#: No real counter reaches this value, and neither does an amount; a larger one was not written by us.
MAX_COUNT = 1e15


def count(connection: redis.Redis, **amounts: float) -> None:
    """Add amounts to counters of pipeline.monitoring.metrics.LearningMetrics, without "mvs_" and "_total"."""
    increase(connection, {f"mvs_{name}_total": amount for name, amount in amounts.items()})


def increase(connection: redis.Redis, amounts: Mapping[str, float]) -> None:
    """Add amounts to counters by their full names. Zeros are not sent.

    A counter that does not hold a number starts again at 0, and so do all if the key does not hold a hash. Raises
    redis.RedisError, and then nothing was added.
    """
    amounts = {sample: float(amount) for sample, amount in amounts.items() if amount and math.isfinite(amount)}
    if failed := _increase(connection, amounts):
        if any("WRONGTYPE" in str(answer) for answer in failed.values()):
            connection.delete(redis_keys.COUNTS)
        else:
            connection.hdel(redis_keys.COUNTS, *failed)
        _increase(connection, {sample: amounts[sample] for sample in failed})


def counts(connection: redis.Redis, known: Collection[str]) -> dict[str, float]:
    """Return the values of the `known` counters, as far as they are there. Nothing else in the hash is read."""
    names = list(known)
    with connection.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hstrlen(redis_keys.COUNTS, name)
        lengths = pipe.execute(raise_on_error=False)
    short = [name for name, length in zip(names, lengths) if isinstance(length, int) and 0 < length <= MAX_NUMBER]
    found = zip(short, connection.hmget(redis_keys.COUNTS, short) if short else ())
    return {name: number for name, text in found if (number := _number(text)) is not None}


def _increase(connection: redis.Redis, amounts: Mapping[str, float]) -> dict[str, object]:
    """Add the amounts; return Redis' answers for counters that it could not add to, or whose value is impossible."""
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
