"""Runs tasks and threads that live as long as the process. If one ends, the reason is logged and it is restarted."""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import Counter

logger = logging.getLogger(__name__)

#: The pause before a restart, so that a task that fails at once does not fill a core or the log.
RESTART_S = 1.0


def keep_running(tasks: Mapping[str, Callable[[], Awaitable[None]]], restarted: Counter) -> asyncio.Task[None]:
    """Return a task that runs all of these until it is cancelled; `restarted` counts the restarts of each by name."""
    return asyncio.create_task(_keep_all_running(tasks, restarted))


async def _keep_all_running(tasks: Mapping[str, Callable[[], Awaitable[None]]], restarted: Counter) -> None:
    async with asyncio.TaskGroup() as group:
        for name, work in tasks.items():
            group.create_task(_keep_one_running(name, work, restarted), name=name)


async def _keep_one_running(name: str, work: Callable[[], Awaitable[None]], restarted: Counter) -> None:
    while True:
        try:
            await work()
            logger.error("the task %r ended by itself; it is restarted", name)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            logger.exception("the task %r was cancelled by what it waited for; it is restarted", name)
        except Exception:
            logger.exception("the task %r failed; it is restarted", name)
        restarted.labels(name).inc()
        await asyncio.sleep(RESTART_S)


def is_cancelled() -> bool:
    """Return whether the present task itself was cancelled, and not only what it awaits, which would be an error."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def keep_thread_running(name: str, work: Callable[[], None], restarted: Callable[[], None] = lambda: None) -> None:
    """Start a thread that runs `work` until the process ends. If `work` returns or fails, `restarted` is called and it
    is run again."""

    def run() -> None:
        while True:
            try:
                work()
                logger.error("the thread %r ended by itself; it is restarted", name)
            except Exception:
                logger.exception("the thread %r failed; it is restarted", name)
            restarted()
            time.sleep(RESTART_S)

    threading.Thread(target=run, name=name, daemon=True).start()
