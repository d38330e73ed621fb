"""A client that outlives its gateway: the camera plays on, and the client connects again until a gateway answers."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable

from aiortc import MediaStreamTrack
from aiortc.contrib.media import MediaBlackhole, MediaRelay

from clients.net.connection import Connection
from pipeline.contract.control import ClientMessage
from pipeline.contract.errors import Busy, MVStylizerError

logger = logging.getLogger(__name__)

#: The longest pauses before the first retry, and before all retries after the first few.
FIRST_RETRY_S, LAST_RETRY_S = 0.5, 4.0


class ReconnectingClient:
    """Sends a camera's frames through one connection after another. Frames that come between two are not sent."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        camera: MediaStreamTrack,
        *,
        size: tuple[int, int],
        style: str,
        on_open: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        """`connect` makes a new Connection that is not open yet; `on_open` is called with each one that was opened.

        `size` is the video's (width, height); `style` is what Connection.open takes.
        """
        self._connect, self._camera, self._on_open = connect, camera, on_open
        self._size, self._style = size, style
        self._relay, self._clock = MediaRelay(), MediaBlackhole()
        self._connection = connect()
        self._keeper: asyncio.Task | None = None

    async def open(self) -> None:
        """Connect for the first time. Raises what Connection.open raises: only a lost connection is made again."""
        await self._open()
        self._clock.addTrack(self._relay.subscribe(self._camera))  # the camera runs on while nothing is connected
        await self._clock.start()
        self._keeper = asyncio.create_task(self._keep())

    def send(self, message: ClientMessage) -> None:
        """Send a control message to the gateway; it is lost where none is connected."""
        self._connection.send(message)

    async def close(self) -> None:
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._clock.stop()
        await self._connection.close()

    async def _open(self) -> None:
        track = self._relay.subscribe(self._camera, buffered=False)
        await self._connection.open(track, size=self._size, style=self._style)
        self._on_open(self._connection)

    async def _keep(self) -> None:
        while True:
            await self._connection.lost.wait()
            logger.warning("the gateway is gone, trying again")
            await self._reopen()

    async def _reopen(self) -> None:
        attempt = 0
        while True:
            with contextlib.suppress(ConnectionError):
                await self._connection.close()
            self._connection = self._connect()
            try:
                return await self._open()
            except Busy as refusal:
                delay_s = refusal.retry_after_s * (1 + random.random() / 2)
            except MVStylizerError as error:
                logger.info("%s", error)
                delay_s, attempt = retry_delay_s(attempt, random.random()), attempt + 1
            await asyncio.sleep(delay_s)


def retry_delay_s(attempt: int, spread: float) -> float:
    """The pause before a retry, with attempts counted from 0. The page computes it in the same way.

    It doubles with each attempt. A random `spread`, 0..1, keeps clients from coming back all at once.
    """
    return min(FIRST_RETRY_S * 2**attempt, LAST_RETRY_S) * (0.5 + spread / 2)
