"""A datagram to the peer of a connection, past aioice's queue."""

from aioice.ice import Connection


def leave(ice: Connection, datagram: bytes) -> None:
    """To the peer; nowhere once the connection is closed."""
    if pair := ice._nominated.get(1):
        pair.protocol.transport.sendto(datagram, pair.remote_addr)
