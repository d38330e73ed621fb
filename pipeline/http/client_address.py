"""Which client a request comes from, as budgets see it: an IPv4 address or the /64 network of an IPv6 one. No I/O."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: A customer of an Internet provider has as many IPv6 addresses as they like, all in one /64.
IPV6_PREFIX = 64
#: No chain of proxies is longer than this; the rest of a longer header was made up.
MAX_HOPS = 16
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ClientAddresses:
    """Finds the clients behind those proxies that are trusted to name them."""

    trusted: Sequence[Network] = ()

    def of(self, peer: str, forwarded_for: str = "") -> str:
        """The client's key in budgets. `forwarded_for` is the value of X-Forwarded-For.

        The last hop that is not a trusted proxy is the client: the hops before it are only what that client said.
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
    """The address in `text`, or None. An IPv4 address mapped into IPv6 becomes IPv4, and a zone is left out."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0].removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def key(address: Address) -> str:
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False)) if not address.is_loopback else str(address)


def is_local(client: str) -> bool:
    """Whether a client's key is this machine's loopback address."""
    address = parsed(client)
    return address is not None and address.is_loopback
