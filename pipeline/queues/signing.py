"""Which weights may be believed: a snapshot carries a signature that only this deployment's processes can make.

HMAC-SHA256 with one key for all of them: whoever has the key can sign, and whoever can merely write into Redis cannot.
"""

import hmac
from dataclasses import replace
from typing import Literal

from pipeline.contract.messages import WeightSnapshot

#: What a snapshot is signed as. An edge's weights must not pass for the cloud's.
Kind = Literal["local", "global"]


class Signer:
    """Signs and checks snapshots. Without a key nothing is signed, and nothing is genuine."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def __bool__(self) -> bool:
        return bool(self._key)

    def signed(self, kind: Kind, snapshot: WeightSnapshot) -> WeightSnapshot:
        return replace(snapshot, signature=self._signature(kind, snapshot)) if self else snapshot

    def genuine(self, kind: Kind, snapshot: WeightSnapshot) -> bool:
        """Whether the signature is right. The time it takes does not depend on where signatures differ."""
        return bool(self) and hmac.compare_digest(snapshot.signature, self._signature(kind, snapshot))

    def fingerprint(self) -> str:
        """A text that tells keys apart and reveals nothing of them."""
        return self._mac(b"fingerprint").hex()[:16]

    def _signature(self, kind: Kind, snapshot: WeightSnapshot) -> bytes:
        """The signature of all fields of a snapshot. They include the sha256 of its weights."""
        return self._mac(kind.encode() + b"\0" + replace(snapshot, signature=b"").pack())

    def _mac(self, text: bytes) -> bytes:
        return hmac.digest(self._key, b"mvstylizer snapshot 1\0" + text, "sha256")
