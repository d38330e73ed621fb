"""Whether the edge may learn from one client: what the client chose last, and that the edge acts on it."""

import asyncio
import logging
import secrets

import redis

from pipeline.contract.control import SharingChanged, SharingChoice, SharingForgotten
from pipeline.gateway.session_context import SessionContext

logger = logging.getLogger(__name__)

#: Redis is asked again after this long when it did not take a choice.
RETRY_S = 1.0


class Consent:
    """One session's. Nothing is shared before the client has agreed, nor after it has taken that back."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._is_shared = self._is_telling = False
        self._by = secrets.token_hex(16)  # a client without a name of its own can take back within this session only

    @property
    def shared_by(self) -> str:
        """The secret name of the client if its key frames are shared now, else ""."""
        return self._by if self._is_shared else ""

    def choose(self, choice: SharingChoice) -> None:
        """Act on the client's choice. The client is told once the edge has done so."""
        self._is_shared, self._by = choice.on, choice.by or self._by
        if not self._is_telling:
            self._is_telling = True
            self._context.spawn(self._tell_edge())

    def check(self) -> None:
        """Ask the client again if Redis has forgotten that it agreed: only the client knows whether it still does."""
        if self._is_shared and not self._is_telling and not self._context.broker.agrees(self._by):
            self._is_shared = False
            self._context.control.send(SharingForgotten())

    async def _tell_edge(self) -> None:
        """Have the edge learn from this client, or drop all it has of it; the last choice counts."""
        done = None
        while done is not self._is_shared:
            on = self._is_shared
            try:
                await self._context.in_thread(self._context.broker.share, self._by, on)
                done = on
            except redis.RedisError as error:
                logger.info("stream %s: sharing not changed (%s), trying again", self._context.stream_id, error)
                await asyncio.sleep(RETRY_S)
        self._is_telling = False
        self._context.control.send(SharingChanged(done))
