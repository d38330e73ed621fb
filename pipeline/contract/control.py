"""What a client may say on the control channel, and how often.

A word too many is dropped; but the last one of its kind counts in the end, where it says how things shall be.
"""

import json

from pipeline.contract.token_bucket import TokenBucket

#: A style's name or id, a size, a frame's id, on or off: hundred bytes.
MAX_BYTES = 4096
#: Words at once, and a second. The page says four when it connects; the load test asks for a few key frames a second.
BURST, PER_S = 30, 10
#: How things shall be; the others ask for something now.
LASTING = ("style", "size", "share")


class ControlInbox:
    """One client's words. No I/O and no clock: `now_s` comes from the caller."""

    def __init__(self, now_s: float) -> None:
        self._budget = TokenBucket(BURST, PER_S, now_s)
        self._held: dict[str, dict] = {}

    def take(self, text: str | bytes, now_s: float) -> dict | None:
        """The message to act on, or None for one too many. Raises ValueError for what is no message."""
        has_time = self._budget.take(now_s)
        try:
            message = parse(text)
        except ValueError:
            if has_time:
                raise
            message = {"type": ""}
        if has_time:
            self._held.pop(message["type"], None)
            return message
        if message["type"] in LASTING:
            self._held[message["type"]] = message
        return None

    def due(self, now_s: float) -> list[dict]:
        """Last words that were too many when they came, for which there is time now."""
        return [self._held.pop(kind) for kind in list(self._held) if self._budget.take(now_s)]


def parse(text: str | bytes) -> dict:
    """A JSON object with a type; raises ValueError."""
    if not isinstance(text, str) or len(text) > MAX_BYTES:
        raise ValueError("not a short text")
    try:
        message = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ValueError("not an object with a type")
    return message


def _refuse(constant: str) -> None:
    """NaN and the infinities are Python's, not JSON's."""
    raise ValueError(constant)
