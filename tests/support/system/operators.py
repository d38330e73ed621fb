"""What operators read of a gateway."""

import asyncio
from collections.abc import Callable

from support.webrtc.peers import Running


async def state(running: Running) -> dict:
    async with running.http.get("/status.json") as response:
        return await response.json()


async def reached(running: Running, condition: Callable[[dict], bool]) -> dict:
    """The state, as soon as it meets the condition. Raises TimeoutError if it does not."""
    async with asyncio.timeout(20):
        while not (found := await state(running)) or not condition(found):
            await asyncio.sleep(0.02)
    return found
