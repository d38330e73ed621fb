"""What a client offers: a POST's body, read as JSON and checked before anything is made of it."""

import json
from dataclasses import dataclass

from pipeline.contract.errors import BadOffer
from pipeline.gateway import sdp_check

#: A browser's offer with one video and one data section has about 6 KB.
MAX_OFFER_BYTES = 32 * 1024
MAX_STYLE_LENGTH = 200
MAX_SIDE_PX = 4096
SENTENCE = "An offer is a JSON object with type, sdp, style, width and height."


@dataclass(frozen=True, slots=True)
class Offer:
    sdp: str
    style: str  # its id or name
    picture_size: tuple[int, int]  # (width, height) without the strip

    @classmethod
    def parse(cls, body: bytes) -> "Offer":
        """Raises BadOffer."""
        try:
            fields = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_refuse)
            offer = cls(fields["sdp"], fields["style"], picture_size(fields))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise BadOffer(SENTENCE) from None
        if fields.get("type") != "offer" or not isinstance(offer.sdp, str) or not isinstance(offer.style, str):
            raise BadOffer(SENTENCE)
        if len(offer.style) > MAX_STYLE_LENGTH:
            raise BadOffer("This style is not known here; choose one of GET /styles or upload it first.")
        sdp_check.check(offer.sdp)
        return offer


def picture_size(message: dict) -> tuple[int, int]:
    """(width, height) of the sent picture without its strip; raises ValueError."""
    size = message.get("width"), message.get("height")
    if not all(type(side) is int and 2 <= side <= MAX_SIDE_PX for side in size):
        raise ValueError(f"width and height must be whole numbers between 2 and {MAX_SIDE_PX}")
    return size


def _once(pairs: list[tuple[str, object]]) -> dict:
    """An object whose keys are there once: what two readers of the same text may disagree about is no offer."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key is there twice")
    return fields


def _refuse(constant: str) -> None:
    raise ValueError(constant)
