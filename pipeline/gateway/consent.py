"""Keeps a client's last choice whether the edge may learn from its key frames, and has the edge act on it."""

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
    """The consent of one session. Nothing is shared before the client has agreed, nor after it has withdrawn that."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._is_shared = self._is_telling = False
        self._by = secrets.token_hex(16)  # a client that sends no name of its own can withdraw only in this session

    @property
    def shared_by(self) -> str:
        """The secret name of the client if its key frames are shared now, otherwise ""."""
        return self._by if self._is_shared else ""

    def choose(self, choice: SharingChoice) -> None:
        """Act on the client's choice. The client is told once the choice has taken effect at the edge."""
        self._is_shared, self._by = choice.on, choice.by or self._by
        if not self._is_telling:
            self._is_telling = True
            self._context.spawn(self._tell_edge())

    def check(self) -> None:
        """Ask the client for its consent again if Redis has lost it; only the client knows whether it still agrees."""
        if self._is_shared and not self._is_telling and not self._context.broker.agrees(self._by):
            self._is_shared = False
            self._context.control.send(SharingForgotten())

    async def _tell_edge(self) -> None:
        """Allow the edge to learn from this client, or withdraw all that was shared, until the last choice is done."""
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
