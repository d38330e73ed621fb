"""A token bucket, which limits how much of something one peer may have in a burst and in a second."""


class TokenBucket:
    """Holds at most `burst` tokens and gains `per_s` a second. The caller passes the time, in seconds."""

    __slots__ = ("_at_s", "_burst", "_left", "_per_s")

    def __init__(self, burst: float, per_s: float, now_s: float) -> None:
        self._burst, self._per_s = burst, per_s
        self._left, self._at_s = float(burst), now_s

    def take(self, now_s: float, tokens: float = 1.0) -> bool:
        """Take this many tokens and return True; if there are not enough, take none and return False."""
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < tokens:
            return False
        self._left -= tokens
        return True

    def wait_s(self, now_s: float) -> float:
        """Return how many seconds it takes until there is one token."""
        return max(0.0, (1.0 - self._left) / self._per_s - (now_s - self._at_s))
