"""Keeps the style of a session's key frames: the last one that its client chose and that is known here."""

from collections.abc import Callable

import redis

from pipeline.contract.control import ErrorMessage
from pipeline.gateway.session_context import SessionContext

UNKNOWN = "This style is not known here any more; upload it again."


class ChosenStyle:
    """The style of one session. Styles are looked up one at a time, so that a slow look-up undoes no later choice."""

    def __init__(
        self, style_id: str, context: SessionContext, find: Callable[[str], str | None], on_change: Callable[[], None]
    ) -> None:
        """`find` turns a style's id or name into its id, and may block.

        `on_change` is called after each look-up that found a style.
        """
        self.id = self._wanted = style_id
        self._context, self._find, self._on_change = context, find, on_change
        self._is_looking_up = False

    def choose(self, wanted: str) -> None:
        """Change to a style, by its id or name, as soon as it is found. If it is not found, the client is told."""
        self._wanted = wanted
        if not self._is_looking_up:
            self._is_looking_up = True
            self._context.spawn(self._look_up())

    async def _look_up(self) -> None:
        looked_up, found = None, None
        while looked_up != self._wanted:
            looked_up = self._wanted
            try:
                found = await self._context.in_thread(self._find, looked_up)
            except redis.RedisError:
                found = None
        self._is_looking_up = False
        if found is None:
            self._context.control.send(ErrorMessage(UNKNOWN))
            return
        self.id = found
        self._on_change()
