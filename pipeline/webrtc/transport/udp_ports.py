"""Binds the UDP sockets of sessions to ports of a range, so that a firewall need not open all ports."""

import errno
import random
import socket
from collections.abc import Iterator

from pipeline.contract.errors import Busy


class UdpPorts:
    """The ports of a range. Each socket gets the next free one, so that a port rests for as long as possible.

    What is still under way to an ended session then reaches no other one. The first port is a random one, since several
    gateways of one machine may share the range.
    """

    def __init__(self, ports: range, first: int | None = None) -> None:
        """`first` is the index of the port that is tried first; by default it is random."""
        self._ports = ports
        self._next = random.randrange(len(ports)) if first is None else first

    def bind(self, address: str) -> socket.socket:
        """Return a new socket at an IP address of this machine.

        Raises Busy if all ports are in use there, and OSError if the address cannot be used at all.
        """
        bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._bind(bound, address)
        except BaseException:
            bound.close()
            raise
        return bound

    def _bind(self, unbound: socket.socket, address: str) -> None:
        for port in self._in_turn():
            try:
                return unbound.bind((address, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        raise Busy(f"All UDP ports from {self._ports[0]} to {self._ports[-1]} are in use; try again in a moment.")

    def _in_turn(self) -> Iterator[int]:
        """Yield each port once, and remember where the next socket begins."""
        for _ in self._ports:
            port = self._ports[self._next]
            self._next = (self._next + 1) % len(self._ports)
            yield port
