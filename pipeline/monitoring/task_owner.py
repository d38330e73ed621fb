"""An owner for tasks and threads that last as long as the process: what ends one is logged, and it begins anew."""

import asyncio
import logging
import threading
import time
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
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            logger.exception("the task %r was cancelled by what it waited for; it begins anew", name)
        except Exception:
            logger.exception("the task %r failed; it begins anew", name)
        restarted.labels(name).inc()
        await asyncio.sleep(RESTART_S)


def is_cancelled() -> bool:
    """Whether somebody cancelled the present task: a cancellation that comes out of what it awaits is an error."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def keep_thread_running(name: str, work: Callable[[], None], restarted: Callable[[], None] = lambda: None) -> None:
    """A thread that does `work` again and again until the process ends; `restarted` hears of each end."""

    def run() -> None:
        while True:
            try:
                work()
                logger.error("the thread %r ended by itself; it begins anew", name)
            except Exception:
                logger.exception("the thread %r failed; it begins anew", name)
            restarted()
            time.sleep(RESTART_S)

    threading.Thread(target=run, name=name, daemon=True).start()
