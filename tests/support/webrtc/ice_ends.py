"""Two ends of ICE on loopback, and a stranger."""

import contextlib
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from aiortc import rtcicetransport

#: A DTLS 1.2 record that begins a handshake, cut short.
CLIENT_HELLO = bytes.fromhex("16fefd0000000000000000003601000030000000000000003000fefd") + bytes(40)


@contextlib.asynccontextmanager
async def two(addresses: list[str] = ["127.0.0.1"]) -> AsyncIterator[SimpleNamespace]:
    """The end that nominates and the other one, with candidates of each other; not yet connected."""
    ends = [rtcicetransport.Connection(ice_controlling=controls) for controls in (True, False)]
    for end in ends:
        end._local_candidates = await end.get_component_candidates(1, addresses)
        end._local_candidates_end = True
    for end, other in (ends, ends[::-1]):
        end.remote_username, end.remote_password = other.local_username, other.local_password
        for candidate in other.local_candidates:
            await end.add_remote_candidate(candidate)
        await end.add_remote_candidate(None)
    yield SimpleNamespace(near=ends[0], far=ends[1], port=ends[1].local_candidates[0].port)
    for end in ends:
        await end.close()


@contextlib.contextmanager
def stranger(port: int):
    """Sends from a port of its own, and fails where it is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        yield lambda data: other.sendto(data, ("127.0.0.1", port))
        with pytest.raises(BlockingIOError):
            other.recv(100)
