"""An owner for tasks that last as long as the process: what ends one is logged and counted, and it begins anew."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import Counter

logger = logging.getLogger(__name__)

#: A task that fails at once must not fill a core or the log.
RESTART_S = 1.0


def keep_running(tasks: Mapping[str, Callable[[], Awaitable[None]]], restarted: Counter) -> asyncio.Task[None]:
    """One task that runs all of them, by name, until it is cancelled; `restarted` counts by name."""
    return asyncio.create_task(_keep_all_running(tasks, restarted))


async def _keep_all_running(tasks: Mapping[str, Callable[[], Awaitable[None]]], restarted: Counter) -> None:
    async with asyncio.TaskGroup() as group:
        for name, work in tasks.items():
            group.create_task(_keep_one_running(name, work, restarted), name=name)


async def _keep_one_running(name: str, work: Callable[[], Awaitable[None]], restarted: Counter) -> None:
    while True:
        try:
            await work()
            logger.error("the task %r ended by itself; it begins anew", name)
        except Exception:
            logger.exception("the task %r failed; it begins anew", name)
        restarted.labels(name).inc()
        await asyncio.sleep(RESTART_S)
