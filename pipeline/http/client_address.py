"""Whose request it is, as far as budgets go: an IPv4 address, or the /64 of an IPv6 one. No I/O."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: One line gets as many IPv6 addresses as it likes, all of one /64.
IPV6_PREFIX = 64
#: No chain of proxies is longer; what is beyond was made up.
MAX_HOPS = 16
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ClientAddresses:
    """Finds clients behind proxies that are trusted to say for whom they ask."""

    trusted: Sequence[Network] = ()

    def of(self, peer: str, forwarded_for: str = "") -> str:
        """A key for budgets. `forwarded_for` is X-Forwarded-For: its last hop that is no proxy of ours counts, since
        whatever is left of it came from there."""
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
    """IPv4 within IPv6 is IPv4; a zone is left out."""
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
    """Whether a key is this machine's."""
    address = parsed(client)
    return address is not None and address.is_loopback
