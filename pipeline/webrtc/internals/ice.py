"""aioice's connection, its sockets, and asyncio's transports below them, under plain names."""

import asyncio
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from aioice.candidate import Candidate
from aioice.ice import CandidatePair, Connection, StunProtocol
from aiortc import RTCDtlsTransport, RTCIceTransport

Address = tuple[str, int]
Received = Callable[[bytes, int], None]

#: What each class must have for this file to work.
NEEDS: dict[type, tuple[str, ...]] = {
    Candidate: ("_network_host",),
    Connection: (
        "_add_remote_candidate",
        "_check_list",
        "_nominated",
        "_protocols",
        "_query_consent_task",
        "_queue",
        "_remote_candidates",
        "data_received",
    ),
    RTCIceTransport: ("_RTCIceTransport__monitor_task", "_connection"),
}
#: Of asyncio; where a loop or a transport has none of these, what needs them is left out.
OPTIONAL = ("_add_reader", "_sock", "_transports")


class OpenConnection(Connection):
    """aioice's, for a class of ours to build on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def admits(self, candidate: Candidate, host: str) -> bool:
        """Whether a remote candidate, which is reached at `host`, may be used. To be overridden."""
        return True

    def _add_remote_candidate(self, remote_candidate: Candidate, network_host: str) -> None:
        if self.admits(remote_candidate, network_host):
            super()._add_remote_candidate(remote_candidate, network_host)

    @property
    def own_hosts(self) -> list[str]:
        """Addresses of our sockets."""
        return [protocol.local_candidate.host for protocol in self._protocols]

    @property
    def remote_addresses(self) -> list[Address]:
        return [(candidate._network_host, candidate.port) for candidate in self._remote_candidates]

    @property
    def waiting(self) -> int:
        """Datagrams that nobody has taken yet."""
        return self._queue.qsize()

    def forget_unused(self) -> bool:
        """Whether there was a candidate in no use that only a check told of; the oldest is gone with its pairs."""
        used = [pair.remote_candidate for pair in self._nominated.values()]
        told = (c for c in self._remote_candidates if c.type == "prflx" and c not in used)
        oldest = next(told, None)
        if oldest is None:
            return False
        self._remote_candidates.remove(oldest)
        for pair in [pair for pair in self._check_list if pair.remote_candidate is oldest]:
            self._check_list.remove(pair)
            if pair.task:
                pair.task.cancel()
        return True


def connection_of(transport: RTCIceTransport) -> Connection:
    return transport._connection


def connection_below(dtls: RTCDtlsTransport) -> Connection:
    return dtls.transport._connection


def selected(connection: Connection) -> CandidatePair | None:
    """The pair that data takes; None once the connection is closed."""
    return connection._nominated.get(1)


def socket_of(pair: CandidatePair) -> socket.socket | None:
    """None for a TURN server's, whose datagrams come in its own."""
    return getattr(pair.protocol.transport, "_sock", None)


def send(connection: Connection, datagram: bytes) -> None:
    """To the peer, past aioice's queue; nowhere once the connection is closed."""
    if pair := selected(connection):
        pair.protocol.transport.sendto(datagram, pair.remote_addr)


def redirect(connection: Connection, received: Received) -> Received:
    """Have what the peer sends, and which is no STUN, given to `received`; returns who got it before."""
    before = connection.data_received
    connection.data_received = received  # type: ignore[method-assign, assignment]  # of this one connection
    return before


def read_with(bound: socket.socket, read: Callable[[], None]) -> None:
    """Have `read` called, in the place of asyncio's own reader, when something waits in the socket of a transport."""
    loop = asyncio.get_running_loop()
    if add_reader := getattr(loop, "_add_reader", None):
        add_reader(bound.fileno(), read)


def wake(connection: Connection) -> None:
    """Whoever still waits for a datagram learns that none will come."""
    connection._queue.put_nowait(None)


def tasks(transport: RTCIceTransport) -> Iterator[asyncio.Future | None]:
    yield getattr(transport, "_RTCIceTransport__monitor_task")
    yield transport._connection._query_consent_task
    yield from (pair.task for pair in transport._connection._check_list)


def abort_sockets(connections: Iterable[Connection]) -> None:
    """Also those that aioice has not noted yet: where gathering is cancelled, it forgets the ones it has made."""
    owners = set(connections)
    for transport in list(getattr(asyncio.get_running_loop(), "_transports", {}).values()):
        protocol = transport.get_protocol()
        if isinstance(protocol, StunProtocol) and protocol.receiver in owners:
            transport.abort()
