"""Parses the head of an HTTP request strictly, before any server sees it. No I/O.

If two parsers disagree about where a request ends, a second request can be smuggled behind the first. Therefore only
Content-Length is accepted here, and a head that could be understood in two ways is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

#: Browsers send 1 KB and 20 headers; cookies of other services on the same host may add some.
MAX_HEAD_BYTES = 16 * 1024
MAX_HEADERS = 64
MAX_TARGET_LENGTH = 2048
#: No body's length has more digits.
MAX_LENGTH_DIGITS = 12
METHODS = ("GET", "HEAD", "POST")
#: Browsers ask with this whether a page of another site may send a request.
PREFLIGHT = "OPTIONS"
#: These headers may occur only once in a head, since it would be unclear which of two counts.
ONCE = frozenset((
    "host", "content-length", "content-type", "origin", "authorization", "sec-fetch-site", "expect", "cookie",
))  # fmt: skip

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
#: A path without escapes and without a fragment. aiohttp decodes escapes and drops fragments, so that /%63onfig and
#: /config#x would circumvent the checks of /config.
_TARGET = re.compile(rb"/[0-9A-Za-z._~/-]*(\?[!-\"$-~]*)?")


class RequestRefused(Exception):
    """A request is refused, with an HTTP status and a sentence; `reason` is the label under which it is counted."""

    def __init__(self, status: int, sentence: str, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.reason, self.retry_after_s = status, sentence, reason, retry_after_s


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request. `headers` has names in lower case; values of a repeated header are joined by commas."""

    method: str
    path: str  # without the query
    headers: Mapping[str, str]
    length: int  # bytes of the body

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Parse a head, which is everything before the empty line. Raises RequestRefused."""
        first, *lines = data.split(b"\r\n")
        method, path = _request_line(first)
        if len(lines) > MAX_HEADERS:
            raise RequestRefused(431, "This request has more headers than any browser's.", "head")
        headers: dict[str, str] = {}
        for line in lines:
            name, value = _header(line)
            if name in headers and name in ONCE:
                raise RequestRefused(400, "This request has a header twice that may be there once.", "head")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return cls(method, path, headers, _length(headers))


def _request_line(line: bytes) -> tuple[str, str]:
    words = line.split(b" ")
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]) or words[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise RequestRefused(400, "This is not an HTTP/1.1 request.", "head")
    if (method := words[0].decode()) not in (*METHODS, PREFLIGHT):
        raise RequestRefused(405, "There is only GET, HEAD and POST here.", "method")
    if len(words[1]) > MAX_TARGET_LENGTH:
        raise RequestRefused(414, "This address is too long.", "head")
    if not _TARGET.fullmatch(words[1]):
        raise RequestRefused(400, "A request's target is a path.", "head")
    return method, words[1].partition(b"?")[0].decode()


def _header(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
        raise RequestRefused(400, "This request has a malformed header.", "head")
    return name.decode().lower(), value.strip(b" \t").decode("latin-1")


def _length(headers: Mapping[str, str]) -> int:
    """Return the body's length in bytes. Encoded bodies are refused: they would be decompressed on the event loop."""
    if "host" not in headers:
        raise RequestRefused(400, "A request names its host.", "head")
    if "transfer-encoding" in headers:
        raise RequestRefused(411, "Say with Content-Length how long the body is.", "encoding")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestRefused(415, "Send the body as it is, without Content-Encoding.", "encoding")
    if "upgrade" in headers:
        raise RequestRefused(400, "There is no other protocol here.", "head")
    if headers.get("expect", "100-continue").lower() != "100-continue":
        raise RequestRefused(417, "There is only 100-continue to expect here.", "head")
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_LENGTH_DIGITS):
        raise RequestRefused(400, "This Content-Length is not a number.", "head")
    return int(text)
