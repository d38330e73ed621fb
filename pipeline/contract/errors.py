"""Errors that the outside world causes. They have one base class, and each carries a sentence for people."""


class MVStylizerError(Exception):
    """Something outside the program is wrong. The message is a sentence that says what, or what to do about it."""


class BadMessage(MVStylizerError):
    """Bytes that are not one of our messages, or not of this version."""


class BadImage(MVStylizerError):
    """A picture that cannot be read, or is larger than the limits."""


class PictureTooHard(BadImage):
    """A picture that would take more time or memory to read than one may take."""


class TooLarge(MVStylizerError):
    """A request's body has more bytes than the limit."""


class TooSlow(MVStylizerError):
    """A request's body did not arrive in time."""


class BadOffer(MVStylizerError):
    """A signalling request that cannot be answered."""


class Misuse(MVStylizerError):
    """A process was started in a way that cannot work, so starting it again in the same way is of no use."""


class BadSetting(Misuse):
    """A setting or command-line value that makes no sense."""


class MissingExtra(Misuse):
    """A package that only one of the optional extras brings is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} must be installed first")
        self.extra = extra


class Busy(MVStylizerError):
    """No capacity for one more session; try again later."""

    def __init__(self, message: str, retry_after_s: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RedisUnavailable(MVStylizerError):
    """Redis cannot be started or reached."""
