"""Public names for the private parts of aioice's connection, its sockets, and asyncio's transports below them."""

import asyncio
import socket
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

from aioice.candidate import Candidate
from aioice.ice import CandidatePair, Connection, StunProtocol
from aiortc import RTCDtlsTransport, RTCIceTransport

Address = tuple[str, int]
Received = Callable[[bytes, int], None]

#: The attributes that this file needs of each class.
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
#: Private names of asyncio. Where a loop or a transport lacks one of these, the functions that use it do nothing.
OPTIONAL = ("_add_reader", "_sock", "_transports")


class OpenConnection(Connection):
    """aioice's connection with methods that a subclass may override."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def admits(self, candidate: Candidate, host: str) -> bool:
        """Return whether a remote candidate, which is reached at the address `host`, may be used. May be overridden."""
        return True

    def _add_remote_candidate(self, remote_candidate: Candidate, network_host: str) -> None:
        if self.admits(remote_candidate, network_host):
            super()._add_remote_candidate(remote_candidate, network_host)

    @property
    def own_hosts(self) -> list[str]:
        """The addresses of our own sockets."""
        return [protocol.local_candidate.host for protocol in self._protocols]

    @property
    def remote_addresses(self) -> list[Address]:
        return [(candidate._network_host, candidate.port) for candidate in self._remote_candidates]

    @property
    def waiting(self) -> int:
        """How many received datagrams wait to be read."""
        return self._queue.qsize()

    def forget_unused(self) -> bool:
        """Remove the oldest unused candidate that was learned from a peer's check; return whether there was one."""
        used = [pair.remote_candidate for pair in self._nominated.values()]
        unused = (c for c in self._remote_candidates if c.type == "prflx" and c not in used)
        oldest = next(unused, None)
        if oldest is None:
            return False
        self._remote_candidates.remove(oldest)
        for pair in [pair for pair in self._check_list if pair.remote_candidate is oldest]:
            self._check_list.remove(pair)
            if pair.task:
                pair.task.cancel()
        return True


class _BindingLoop:
    """Stands for the running event loop in aioice, and opens each of its sockets with one that `bind` returns."""

    def __init__(self, bind: Callable[[str], socket.socket]) -> None:
        self._loop, self._bind = asyncio.get_running_loop(), bind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_datagram_endpoint(
        self, protocol_factory: Callable[[], StunProtocol], local_addr: Address
    ) -> tuple[asyncio.DatagramTransport, StunProtocol]:
        """Open a socket at the address of `local_addr`, whose port, 0 in aioice, is left to `bind`."""
        bound = self._bind(local_addr[0])
        return await self._loop.create_datagram_endpoint(protocol_factory, sock=bound)


def asyncio_with(bind: Callable[[str], socket.socket]) -> SimpleNamespace:
    """Return a substitute for the module `asyncio` in aioice, whose sockets are those that `bind(address)` returns.

    An OSError of `bind` makes aioice do without the address; any other error ends the gathering of candidates.
    """
    return SimpleNamespace(**{**vars(asyncio), "get_running_loop": lambda: _BindingLoop(bind)})


def connection_of(transport: RTCIceTransport) -> Connection:
    return transport._connection


def connection_below(dtls: RTCDtlsTransport) -> Connection:
    return dtls.transport._connection


def selected(connection: Connection) -> CandidatePair | None:
    """Return the candidate pair on which data travels; None once the connection is closed."""
    return connection._nominated.get(1)


def socket_of(pair: CandidatePair) -> socket.socket | None:
    """Return the socket of a pair, or None for a pair through a TURN server, which wraps the datagrams."""
    return getattr(pair.protocol.transport, "_sock", None)


def send(connection: Connection, datagram: bytes) -> None:
    """Send a datagram to the peer at once; do nothing once the connection is closed."""
    if pair := selected(connection):
        pair.protocol.transport.sendto(datagram, pair.remote_addr)


def redirect(connection: Connection, received: Received) -> Received:
    """Have the peer's datagrams, except STUN, passed to `received`; return the function that got them before."""
    before = connection.data_received
    connection.data_received = received  # type: ignore[method-assign, assignment]  # of this one connection
    return before


def read_with(bound: socket.socket, read: Callable[[], None]) -> None:
    """Have `read` called instead of asyncio's own reader whenever the socket of a transport has datagrams."""
    loop = asyncio.get_running_loop()
    if add_reader := getattr(loop, "_add_reader", None):
        add_reader(bound.fileno(), read)


def wake(connection: Connection) -> None:
    """Tell the task that waits for a datagram that none will come."""
    connection._queue.put_nowait(None)


def tasks(transport: RTCIceTransport) -> Iterator[asyncio.Future | None]:
    yield getattr(transport, "_RTCIceTransport__monitor_task")
    yield transport._connection._query_consent_task
    yield from (pair.task for pair in transport._connection._check_list)


def abort_sockets(connections: Iterable[Connection]) -> None:
    """Close the sockets of connections, found through the event loop.

    aioice itself forgets sockets that it has just opened when the gathering of candidates is cancelled.
    """
    owners = set(connections)
    for transport in list(getattr(asyncio.get_running_loop(), "_transports", {}).values()):
        protocol = transport.get_protocol()
        if isinstance(protocol, StunProtocol) and protocol.receiver in owners:
            transport.abort()
