"""What the processes without /metrics count, together: one small hash in Redis, which outlives each of them."""
import redis

from pipeline import topology


def count(connection: redis.Redis, **amounts: float) -> None:
    """Add to counters that pipeline.metrics.LearningMetrics knows; nothing is sent for zeros."""
    with connection.pipeline(transaction=False) as pipe:
        add(pipe, {f"mvs_{name}_total": amount for name, amount in amounts.items()})
        pipe.execute()


def add(pipe: redis.client.Pipeline, amounts: dict[str, float]) -> None:
    """Add to any counters, by sample, as part of a larger errand."""
    for sample, amount in amounts.items():
        if amount:
            pipe.hincrbyfloat(topology.COUNTS, sample, float(amount))


def counts(connection: redis.Redis) -> dict[str, float]:
    """All counters by sample, since Redis began."""
    return {name.decode(): float(value) for name, value in sorted(connection.hgetall(topology.COUNTS).items())}
