"""Errors that the outside world causes: one base class, and a sentence in each error."""


class MVStylizerError(Exception):
    """Something outside the program is wrong. The message is one sentence that says what to do."""


class BadMessage(MVStylizerError):
    """Bytes that are not one of our messages, or not of this version."""


class BadImage(MVStylizerError):
    """A picture that cannot be read, or is larger than the limits."""


class PictureTooHard(BadImage):
    """A picture that would take more time or memory to read than its sender may have."""


class TooLarge(MVStylizerError):
    """A request's body has more bytes than any honest one."""


class TooSlow(MVStylizerError):
    """A request's body did not arrive in time."""


class BadOffer(MVStylizerError):
    """A signalling request that cannot be answered."""


class Misuse(MVStylizerError):
    """What was asked for at the start can never work: to start it again in the same way is of no use."""


class BadSetting(Misuse):
    """A setting or command-line value that makes no sense."""


class Busy(MVStylizerError):
    """No capacity for one more session; try again later."""

    def __init__(self, message: str, retry_after_s: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RedisUnavailable(MVStylizerError):
    """Redis cannot be started or reached."""
