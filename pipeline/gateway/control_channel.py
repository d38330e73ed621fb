"""A session's control channel: receives the client's messages within a budget, and sends the gateway's messages."""

import asyncio
import time
from collections.abc import Callable

from aiortc import RTCDataChannel

from pipeline.basics.token_bucket import TokenBucket
from pipeline.contract.control import (
    ClientMessage,
    ErrorMessage,
    GatewayMessage,
    PauseChange,
    SharingChoice,
    SizeChange,
    StyleChoice,
    read_client_message,
)
from pipeline.contract.errors import BadMessage
from pipeline.monitoring.metrics import GatewayMetrics

#: How many messages a client may send in one burst, and in a second. The page sends four when it connects; the load
#: test asks for a few key frames each second.
BURST, PER_S = 30, 10
#: These messages say how things shall be from now on; the others ask for something once.
LASTING = (StyleChoice, SizeChange, SharingChoice, PauseChange)
#: On a slow path no more than two answers may wait, since the next one is newer anyway.
MAX_BUFFERED_BYTES = 64 * 1024
#: A client has this long to hear why its session ends.
LAST_WORD_S = 1.0


class ControlInbox:
    """Limits the rate of one client's messages.

    A message beyond the budget is dropped, but of each LASTING type the last one is held until there is budget for it.
    This has no clock and does no I/O: `now_s` comes from the caller.
    """

    def __init__(self, now_s: float) -> None:
        self._budget = TokenBucket(BURST, PER_S, now_s)
        self._held: dict[type[ClientMessage], ClientMessage] = {}

    def take(self, text: object, now_s: float) -> ClientMessage | None:
        """Parse a message and return it, or None if it is beyond the budget. Raises BadMessage if it is invalid."""
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
        """Return the messages that were held, as far as there is budget for them now."""
        return [self._held.pop(kind) for kind in list(self._held) if self._budget.take(now_s)]


class ControlChannel:
    """The control channel of one session. Nothing is sent before the client has opened it."""

    def __init__(self, obey: Callable[[ClientMessage], None], metrics: GatewayMetrics) -> None:
        self._obey, self._dropped = obey, metrics.control_dropped
        self._inbox = ControlInbox(time.monotonic())
        self._channel: RTCDataChannel | None = None

    def attach(self, channel: RTCDataChannel) -> bool:
        """Use the client's channel; return False if there is one already."""
        if self._channel is not None:
            return False
        self._channel = channel
        channel.on("message", self._on_message)
        return True

    @property
    def is_open(self) -> bool:
        return self._channel is not None and self._channel.readyState == "open"

    def send(self, message: GatewayMessage) -> None:
        """Send a message, unless the channel is not open, or the client has not acknowledged earlier ones."""
        if self._channel is None or self._channel.readyState != "open":
            return
        if self._channel.bufferedAmount > MAX_BUFFERED_BYTES:
            self._dropped.labels("unread").inc()
            return
        self._channel.send(message.to_text())

    async def send_last(self, message: GatewayMessage) -> None:
        """Send the session's last message, and wait until it has been sent, but no longer than LAST_WORD_S.

        The channel may not be open yet, since the video may come first.
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
        """Act on the messages that were held, as far as there is budget for them now."""
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
