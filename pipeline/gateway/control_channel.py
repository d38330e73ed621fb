"""A session's control channel: what its client says, within a budget, and what the gateway says, within a buffer."""

import asyncio
import time
from collections.abc import Callable

from aiortc import RTCDataChannel

from pipeline.basics.token_bucket import TokenBucket
from pipeline.contract.control import (
    ClientMessage,
    ErrorMessage,
    GatewayMessage,
    SharingChoice,
    SizeChange,
    StyleChoice,
    read_client_message,
)
from pipeline.contract.errors import BadMessage
from pipeline.monitoring.metrics import GatewayMetrics

#: Messages at once, and a second. The page sends four when it connects; the load test asks for a few key frames each
#: second.
BURST, PER_S = 30, 10
#: These say how things shall be from now on; the others ask for something now.
LASTING = (StyleChoice, SizeChange, SharingChoice)
#: Two answers waiting on a slow path are enough; the next one is newer anyway.
MAX_BUFFERED_BYTES = 64 * 1024
#: A client has this long to hear why its session ends.
LAST_WORD_S = 1.0


class ControlInbox:
    """One client's messages. A message too many is dropped, but the last of each lasting kind counts in the end.

    No I/O and no clock: `now_s` comes from the caller.
    """

    def __init__(self, now_s: float) -> None:
        self._budget = TokenBucket(BURST, PER_S, now_s)
        self._held: dict[type[ClientMessage], ClientMessage] = {}

    def take(self, text: object, now_s: float) -> ClientMessage | None:
        """The message to act on, or None for one too many. Raises BadMessage for what is no message of a client."""
        has_time = self._budget.take(now_s)
        try:
            message = read_client_message(text)
        except BadMessage:
            if has_time:
                raise
            return None
        if has_time:
            self._held.pop(type(message), None)
            return message
        if isinstance(message, LASTING):
            self._held[type(message)] = message
        return None

    def due(self, now_s: float) -> list[ClientMessage]:
        """The last messages that were too many when they came, as far as there is time for them now."""
        return [self._held.pop(kind) for kind in list(self._held) if self._budget.take(now_s)]


class ControlChannel:
    """One session's. Nothing can be said before the client has opened the channel."""

    def __init__(self, obey: Callable[[ClientMessage], None], metrics: GatewayMetrics) -> None:
        self._obey, self._dropped = obey, metrics.control_dropped
        self._inbox = ControlInbox(time.monotonic())
        self._channel: RTCDataChannel | None = None

    def attach(self, channel: RTCDataChannel) -> bool:
        """Take the client's channel. False if there is one already."""
        if self._channel is not None:
            return False
        self._channel = channel
        channel.on("message", self._on_message)
        return True

    @property
    def is_open(self) -> bool:
        return self._channel is not None and self._channel.readyState == "open"

    def send(self, message: GatewayMessage) -> None:
        """Say something, unless the channel is not open or the client acknowledges nothing of what was said before."""
        if self._channel is None or self._channel.readyState != "open":
            return
        if self._channel.bufferedAmount > MAX_BUFFERED_BYTES:
            self._dropped.labels("unread").inc()
            return
        self._channel.send(message.to_text())

    async def send_last(self, message: GatewayMessage) -> None:
        """Say why the session ends, and wait until that has left, but no longer than LAST_WORD_S.

        The first frame may come before the channel is open.
        """
        try:
            async with asyncio.timeout(LAST_WORD_S):
                while self._channel is None or not self.is_open:
                    await asyncio.sleep(LAST_WORD_S / 20)
                self.send(message)
                while self._channel.bufferedAmount:
                    await asyncio.sleep(LAST_WORD_S / 20)
        except TimeoutError:
            return

    def obey_held(self) -> None:
        """Act on messages that were too many when they came, as far as there is time for them now."""
        for message in self._inbox.due(time.monotonic()):
            self._obey(message)

    def _on_message(self, text: str | bytes) -> None:
        try:
            message = self._inbox.take(text, time.monotonic())
        except BadMessage:
            self._dropped.labels("nonsense").inc()
            self.send(ErrorMessage("This control message makes no sense."))
            return
        if message is None:
            self._dropped.labels("rate").inc()
        else:
            self._obey(message)
