"""JSON as browsers write and read it. Python's own reader takes more, and two readers must agree on what they read."""

import json
from typing import Any

from pipeline.contract.errors import BadMessage


def read_object(text: str, *, allow_repeats: bool = True) -> dict[str, Any]:
    """One JSON object. Raises BadMessage for anything else: NaN and the infinities are Python's, not JSON's.

    Where a key is there twice the last one counts, unless that is not allowed: other readers may take the first.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=None if allow_repeats else _once)
    except (ValueError, RecursionError):
        raise BadMessage("This is no JSON.") from None
    if not isinstance(value, dict):
        raise BadMessage("This is no JSON object.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key is there twice")
    return fields


def _refuse(constant: str) -> None:
    raise ValueError(constant)
