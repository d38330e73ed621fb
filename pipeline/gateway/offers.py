"""The route POST /offer: checks a client's offer, opens a session for it, and returns the answer."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from aiohttp import web

from pipeline.contract.control import picture_size
from pipeline.contract.errors import BadMessage, BadOffer, Busy
from pipeline.contract.strict_json import read_object
from pipeline.gateway import sdp_check
from pipeline.gateway.open_sessions import OpenSessions
from pipeline.gateway.session import Session
from pipeline.http.responses import CLIENT
from pipeline.monitoring.metrics import GatewayMetrics

#: A browser's offer with one video and one data section has about 6 KB.
MAX_OFFER_BYTES = 32 * 1024
MAX_STYLE_LENGTH = 200
MAX_ID_LENGTH = 64
UNKNOWN_STYLE = "This style is not known here; choose one of GET /styles or upload it first."
SENTENCE = "An offer is a JSON object with type, sdp, style, width and height."


@dataclass(frozen=True, slots=True)
class Offer:
    sdp: str
    style: str  # its id or name
    picture_size: tuple[int, int]  # (width, height) without the strip
    replaces: str | None = None  # the stream id of the client's earlier session

    @classmethod
    def parse(cls, body: bytes) -> "Offer":
        """Parse and check the body of a request; raises BadOffer."""
        try:
            fields = read_object(body.decode(), allow_repeats=False)
            offer = cls(fields["sdp"], fields["style"], picture_size(fields), _stream_id(fields.get("replaces")))
        except (UnicodeError, BadMessage, KeyError):
            raise BadOffer(SENTENCE) from None
        if fields.get("type") != "offer" or not isinstance(offer.sdp, str) or not isinstance(offer.style, str):
            raise BadOffer(SENTENCE)
        if len(offer.style) > MAX_STYLE_LENGTH:
            raise BadOffer(UNKNOWN_STYLE)
        sdp_check.check(offer.sdp)
        return replace(offer, sdp=without_local_names(offer.sdp))


def _stream_id(value: object) -> str | None:
    if value is not None and (not isinstance(value, str) or len(value) > MAX_ID_LENGTH):
        raise BadMessage("A stream's id is a short text.")
    return value


def without_local_names(sdp: str) -> str:
    """Remove the candidates whose names only the local network can resolve (mDNS, `.local`).

    aioice waits a second for each of them. They are not needed: the client finds us, and we learn its address from
    that. Browsers name only such candidates to a page without access to the camera. Firefox adds that these are all
    (`a=end-of-candidates`), so that aioice would give up at once; this line is therefore removed as well.
    """
    lines = sdp.splitlines()
    kept = [line for line in lines if not _is_local_name(line)]
    if len(kept) == len(lines) and any(line.startswith("a=candidate:") for line in kept):
        return sdp
    return "\r\n".join([*(line for line in kept if line.strip() != "a=end-of-candidates"), ""])


def _is_local_name(line: str) -> bool:
    words = line.split()
    return line.startswith("a=candidate:") and len(words) > 4 and words[4].lower().rstrip(".").endswith(".local")


class OfferRoute:
    """Answers offers by opening sessions."""

    def __init__(
        self,
        sessions: OpenSessions,
        find_style: Callable[[str], str | None],
        executor: Executor,
        metrics: GatewayMetrics,
    ) -> None:
        """`find_style` turns a style's id or name into its id, and may block."""
        self._sessions, self._find_style, self._executor = sessions, find_style, executor
        self._refused = metrics.offers_refused

    def attach(self, app: web.Application) -> None:
        app.router.add_post("/offer", self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            offer = Offer.parse(await _read_body(request))
            session = await self._open(offer, request[CLIENT])
            sdp = await _answer(session, offer.sdp)
        except (BadOffer, Busy) as error:
            self._refused.labels(type(error).__name__).inc()
            raise
        return web.json_response({"type": "answer", "sdp": sdp, "stream_id": session.stream_id})

    async def _open(self, offer: Offer, client: str) -> Session:
        loop = asyncio.get_running_loop()
        style_id = await loop.run_in_executor(self._executor, self._find_style, offer.style)
        if style_id is None:
            raise BadOffer(UNKNOWN_STYLE)
        return self._sessions.open(
            client=client, style_id=style_id, picture_size=offer.picture_size, replaces=offer.replaces
        )


async def _answer(session: Session, sdp: str) -> str:
    """Return the session's answer to an offer; if there is none, the session is closed."""
    try:
        return await session.answer(sdp)
    except BaseException:
        await session.close()
        raise


async def _read_body(request: web.Request) -> bytes:
    """Return the body of an offer, whose length the server has checked already."""
    charset = (request.charset or "utf-8").lower()
    if request.content_type != "application/json" or charset not in ("utf-8", "utf8"):
        # This check also keeps pages of other sites out, since this content type needs a CORS preflight.
        raise web.HTTPUnsupportedMediaType(text="An offer is application/json in UTF-8.")
    return await request.read()
