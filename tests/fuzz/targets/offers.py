"""Offers: the HTTP body, and the SDP in it, answered as far as a machine without a network can."""

import json
from random import Random

from harness import Finding, Target, in_loop
from mutations import lines, tree
from pipeline.contract.errors import BadOffer
from pipeline.gateway.offers import Offer
from targets.peer import session


def body(data: bytes) -> None:
    """An offer's fields, or BadOffer."""
    _offer(data)


def _offer(data: bytes) -> Offer | None:
    try:
        return Offer.parse(data)
    except BadOffer:
        return None


async def sdp(data: bytes) -> None:
    """An answer or BadOffer; and the session ends, once, and leaves nothing behind."""
    text = data.decode("utf8", "surrogateescape")
    words = {"type": "offer", "sdp": text, "style": "dusk", "width": 320, "height": 240}
    offer = _offer(json.dumps(words).encode())
    if offer is None:
        return
    closed: list = []
    opened = session(closed)
    try:
        answer = await opened.answer(offer.sdp)
        if not answer.startswith("v=0"):
            raise Finding(f"answers {answer!r:.40}")
    except BadOffer:
        pass
    finally:
        await opened.close()
    if closed != [opened]:
        raise Finding(f"closed {len(closed)} times")


def _sdp(data: bytes, rng: Random) -> bytes:
    return lines(data.decode("utf8", "replace"), rng).encode("utf8", "replace")


def _body(data: bytes, rng: Random) -> bytes:
    return json.dumps(tree(json.loads(data), rng)).encode()


OFFER = Target("offer", body, _body, max_bytes=40 * 1024)
SDP = Target("sdp", in_loop(sdp), _sdp, max_bytes=40 * 1024)
