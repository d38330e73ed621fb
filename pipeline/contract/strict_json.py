"""Reads JSON as strictly as browsers do. Python's own reader accepts more, and both sides must read the same."""

import json
from typing import Any

from pipeline.contract.errors import BadMessage


def read_object(text: str, *, allow_repeats: bool = True) -> dict[str, Any]:
    """Parse one JSON object; raises BadMessage for anything else, including NaN and infinity, which are not JSON.

    If a key occurs twice, the last value counts, but other readers may take the first one. Without `allow_repeats` such
    an object raises BadMessage.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=None if allow_repeats else _once)
    except (ValueError, RecursionError):
        raise BadMessage("This is not JSON.") from None
    if not isinstance(value, dict):
        raise BadMessage("This is not a JSON object.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key is there twice")
    return fields


def _refuse(constant: str) -> None:
    raise ValueError(constant)
