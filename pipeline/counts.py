"""Counters of the processes that have no /metrics: one small hash in Redis, for whoever wants to know."""
import redis

from pipeline import topology


def count(connection: redis.Redis, **amounts: int) -> None:
    """Add to counters, by name; nothing is sent for zeros."""
    with connection.pipeline(transaction=False) as pipe:
        for name, amount in amounts.items():
            if amount:
                pipe.hincrby(topology.COUNTS, name, int(amount))
        pipe.execute()


def counts(connection: redis.Redis) -> dict[str, int]:
    return {name.decode(): int(value) for name, value in sorted(connection.hgetall(topology.COUNTS).items())}
