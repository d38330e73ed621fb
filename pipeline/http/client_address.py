"""Finds out which client a request comes from: an IPv4 address, or the /64 network of an IPv6 address. No I/O."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Each customer of an Internet provider has a whole /64 of IPv6 addresses.
IPV6_PREFIX = 64
#: No chain of proxies is longer than this, so a longer header was made up.
MAX_HOPS = 16
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ClientAddresses:
    """Finds the clients behind those proxies that are trusted to name their clients."""

    trusted: Sequence[Network] = ()

    def of(self, peer: str, forwarded_for: str = "") -> str:
        """Return the client's key in budgets. `forwarded_for` is the value of X-Forwarded-For.

        The last hop that is not a trusted proxy is the client; the hops before it are only claims of that client.
        """
        address = parsed(peer)
        if address is None:
            return UNKNOWN
        for hop in reversed(forwarded_for.split(",")[-MAX_HOPS:] if forwarded_for else []):
            if not self.is_proxy(address):
                break
            if (before := parsed(hop.strip())) is None:
                break
            address = before
        return key(address)

    def is_proxy(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self.trusted)


def parsed(text: str) -> Address | None:
    """Return the address in `text`, or None. An IPv4 address mapped into IPv6 becomes IPv4; a zone is left out."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0].removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def key(address: Address) -> str:
    """Return the key by which budgets know the client with this address."""
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False)) if not address.is_loopback else str(address)


def is_local(client: str) -> bool:
    """Return whether a client's key is this machine's loopback address."""
    address = parsed(client)
    return address is not None and address.is_loopback
