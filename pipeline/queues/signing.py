"""Signs snapshots of weights, so that only weights from this deployment's own processes are used.

The signature is HMAC-SHA256 with one key for all processes. Somebody who can only write to Redis cannot sign.
"""

import hmac
from dataclasses import replace
from typing import Literal

from pipeline.contract.messages import WeightSnapshot

#: This is part of what is signed, so that an edge's weights cannot pass for the cloud's.
Kind = Literal["local", "global"]


class Signer:
    """Signs and checks snapshots. Without a key it signs nothing, and takes no snapshot as genuine."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def __bool__(self) -> bool:
        return bool(self._key)

    def signed(self, kind: Kind, snapshot: WeightSnapshot) -> WeightSnapshot:
        """Return the snapshot with its signature, or unchanged if there is no key."""
        return replace(snapshot, signature=self._signature(kind, snapshot)) if self else snapshot

    def genuine(self, kind: Kind, snapshot: WeightSnapshot) -> bool:
        """Return whether the signature is right. The time that this takes reveals nothing of the right one."""
        return bool(self) and hmac.compare_digest(snapshot.signature, self._signature(kind, snapshot))

    def fingerprint(self) -> str:
        """Return a text that differs between keys, but does not reveal the key."""
        return self._mac(b"fingerprint").hex()[:16]

    def _signature(self, kind: Kind, snapshot: WeightSnapshot) -> bytes:
        """Return the signature of all fields of a snapshot, which include the SHA-256 of its weights."""
        return self._mac(kind.encode() + b"\0" + replace(snapshot, signature=b"").pack())

    def _mac(self, text: bytes) -> bytes:
        return hmac.digest(self._key, b"mvstylizer snapshot 1\0" + text, "sha256")
