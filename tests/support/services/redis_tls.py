"""What a test's Redis needs to speak only TLS."""

import os
import shutil
from pathlib import Path

from support.missing import missing
from workers.process.tls import certificate, names, utc_now


def server() -> str:
    """A server that can: the one of the Python packages, which `uv run` finds first, cannot."""
    return shutil.which("redis-server", path=os.defpath) or missing("the system's redis-server")


def make_certificate(folder: Path) -> Path:
    """A file with a certificate for loopback, which is its own authority, and its key."""
    pem = folder / "redis.pem"
    pem.write_bytes(certificate(names("127.0.0.1"), utc_now()))
    return pem


def options(port: int, pem: Path) -> dict[str, str]:
    """The server's settings for such a file, also for its way to a primary, to replicas and to sentinels."""
    return {
        "port": "0", "tls-port": str(port), "tls-auth-clients": "no", "tls-replication": "yes",
        "tls-cert-file": str(pem), "tls-key-file": str(pem), "tls-ca-cert-file": str(pem),
    }  # fmt: skip
