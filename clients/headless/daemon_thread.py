"""Runs what may hang in a thread that does not keep the process alive."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")


async def in_daemon_thread(function: Callable[[], Result]) -> Result:
    """The function's result, or its error. If this is cancelled, the function goes on, and ends with the process.

    asyncio's own threads are waited for at the end: one that hangs in FFmpeg would keep Ctrl-C from ending a command.
    """
    running = asyncio.get_running_loop()
    done: asyncio.Future[Result] = running.create_future()

    def work() -> None:
        try:
            settle, outcome = done.set_result, function()
        except BaseException as error:
            settle, outcome = done.set_exception, error  # type: ignore[assignment]
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            running.call_soon_threadsafe(lambda: done.done() or settle(outcome))

    threading.Thread(target=work, daemon=True).start()
    return await done
