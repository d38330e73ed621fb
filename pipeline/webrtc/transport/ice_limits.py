"""Limits whom ICE listens to and whom it sends to: a peer must know the password, and no offer makes us flood a host.

aioice 0.13 parses what anybody sends, answers it, logs its address, and sends up to seven checks from each of our
addresses to each candidate of an offer. It also hands every datagram that is no STUN to DTLS, whoever sent it.
"""

import contextlib
import hmac
import ipaddress
import time
from struct import error as StructError
from typing import Any

from aioice import mdns, stun
from aioice.candidate import Candidate
from aioice.ice import StunProtocol
from dns.exception import DNSException

from pipeline.basics.lru import LruCache
from pipeline.basics.token_bucket import TokenBucket
from pipeline.webrtc.internals.ice import Address, OpenConnection
from pipeline.webrtc.media import refusals

#: How many candidates an offer may name in all, and at one host. A laptop with two networks, VPN and TURN names 12.
MAX_SIGNALLED, MAX_AT_ONE_HOST = 24, 8
#: Remote candidates include the addresses that checks came from, since a phone may roam. Beyond this many, the oldest
#: such address is forgotten.
MAX_REMOTE = 32
#: How many checks are sent to a host before it answers one. Honest ones with two ports, three addresses of ours and the
#: repetitions of 4 s are 24.
MAX_UNANSWERED = 40
#: How many hosts that have not answered yet are sent checks.
MAX_SILENT_HOSTS = 64
#: How many signed messages a connection handles: a browser checks a pair every 50 ms, and later every 2.5 s.
STUN_BURST, STUN_PER_S = 200, 50
#: How many addresses a socket takes data from. Each signed message renews the address that it came from.
MAX_PEER_ADDRESSES = 16
#: How many errors have an effect in one connection. A conflict of roles is an error, and solved after the first one.
MAX_ERRORS = 8
#: A STUN message has a username of 256 bytes from the peer and one from us, and a dozen small attributes. RFC 8489
#: section 6.1 has the same limit.
MAX_STUN_BYTES = 548
#: How many datagrams may wait for DTLS; a flight of its handshake has three.
MAX_QUEUED = 256
#: Lower ports belong to other services, such as DNS; browsers send no checks to such candidates either.
MIN_PORT = 1024

_REQUEST, _RESPONSE, _ERROR = b"\0\1", b"\1\1", b"\1\x11"
_COOKIE = stun.COOKIE.to_bytes(4)
#: The type and length of MESSAGE-INTEGRITY. It and FINGERPRINT are the end of each message (RFC 8445 section 7.1).
_INTEGRITY, _TAIL_BYTES = b"\0\x08\0\x14", 32


def is_signed(data: bytes, key: bytes) -> bool:
    """Return whether a STUN message was signed with `key`; this parses no attributes."""
    end = len(data) - _TAIL_BYTES
    if end < stun.HEADER_LENGTH or data[end : end + 4] != _INTEGRITY:
        return False
    covered = b"".join((data[:2], (end - stun.HEADER_LENGTH + stun.INTEGRITY_LENGTH).to_bytes(2), data[4:end]))
    return hmac.compare_digest(hmac.digest(key, covered, "sha1"), data[end + 4 : end + 24])


def is_message(data: bytes) -> bool:
    """Return whether data has the header and the length of a STUN message of ICE."""
    length = len(data) - stun.HEADER_LENGTH
    return 0 <= length <= MAX_STUN_BYTES - 20 and data[2:8] == length.to_bytes(2) + _COOKIE


def is_reachable(candidate: Candidate, host: str, *, on_loopback: bool) -> bool:
    """Return whether a candidate with the address `host` is one that we may send checks to.

    `on_loopback` says that our own address is a loopback address; only then the candidate's may be one.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    is_one_host = not (address.is_multicast or address.is_unspecified or getattr(address, "ipv4_mapped", None))
    is_in_use = address.version == 6 or not address.is_reserved  # 240.0.0.0/4, with the broadcast address
    is_udp = candidate.transport.lower() == "udp" and candidate.component == 1
    is_numbered = MIN_PORT <= candidate.port < 1 << 16 and 0 <= candidate.priority < 1 << 32
    return is_one_host and is_in_use and is_udp and is_numbered and address.is_loopback <= on_loopback


class GuardedStunProtocol(StunProtocol):
    """One socket of a connection. It takes data only from addresses that sent a signed STUN message lately.

    Data is any datagram whose first byte is above 3 (RFC 7983). Otherwise anybody could end the DTLS handshake of a
    session with a forged ClientHello. The address need not be that of the nominated pair, since the two ends may
    nominate different pairs.
    """

    receiver: "GuardedConnection"

    def __init__(self, receiver: "GuardedConnection") -> None:
        super().__init__(receiver)
        self._peers: LruCache[Address, bool] = LruCache(MAX_PEER_ADDRESSES)

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Replace aioice's method; the fast receive path also calls it, for all that is not the peer's data."""
        address = addr[:2]
        assert isinstance(data, bytes), "asyncio passes bytes for every socket"
        if data[:1] <= b"\3":
            self._stun_received(data, address)
        elif address in self._peers:
            self.receiver.data_received(data, self.local_candidate.component)
        else:
            refusals.count("stranger")

    def _stun_received(self, data: bytes, address: Address) -> None:
        is_request, transaction = data[:2] == _REQUEST, self.transactions.get(data[8:20])
        if not is_message(data) or not (is_request or (data[:2] in (_RESPONSE, _ERROR) and transaction)):
            return refusals.count("stun")
        key = self.receiver.local_password if is_request else self.receiver.remote_password
        if key is not None and not is_signed(data, key.encode()):
            return refusals.count("unsigned")
        if not self.receiver.may_hear(data[:2] == _ERROR):
            return refusals.count("flood")
        try:
            message = stun.parse_message(data)
        except (ValueError, StructError):
            return refusals.count("stun")
        if key is not None:  # without a key there is no peer yet, and this is a STUN server's answer
            self._peers.put(address, True)
        if is_request:
            return self.receiver.request_received(message, address, self)
        self.receiver.answered(address[0])
        if transaction:
            transaction.response_received(message, address)

    def send_stun(self, message: stun.Message, addr: Address) -> None:
        """Send a message as aioice does, but no further checks to a host that does not answer."""
        if message.message_class != stun.Class.REQUEST or self.receiver.may_ask(addr[0]):
            super().send_stun(message, addr)
        else:
            refusals.count("check")


class GuardedConnection(OpenConnection):
    """aioice's connection with limits on candidates, checks and waiting datagrams; it counts what it refuses."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._signalled = self._errors = 0
        self._unanswered: dict[str, int] = {}
        self._stun_budget = TokenBucket(STUN_BURST, STUN_PER_S, time.monotonic())

    def may_hear(self, is_error: bool) -> bool:
        """Count a signed message; return whether it is within the limits."""
        self._errors += is_error
        return self._errors <= MAX_ERRORS and self._stun_budget.take(time.monotonic())

    def may_ask(self, host: str) -> bool:
        """Count a check to a host; return whether it is within the limits."""
        count = self._unanswered.get(host, 0)
        if count >= MAX_UNANSWERED or (count == 0 and len(self._unanswered) >= MAX_SILENT_HOSTS):
            return False
        self._unanswered[host] = count + 1
        return True

    def answered(self, host: str) -> None:
        """Forget the checks to this host, which has answered one."""
        self._unanswered.pop(host, None)

    async def add_remote_candidate(self, remote_candidate: Candidate | None) -> None:
        """Add a candidate of the offer, up to MAX_SIGNALLED; each mDNS name among them costs us a multicast."""
        self._signalled += remote_candidate is not None
        if remote_candidate is None or self._signalled <= MAX_SIGNALLED:
            return await super().add_remote_candidate(remote_candidate)
        refusals.count("candidate")

    def admits(self, candidate: Candidate, host: str) -> bool:
        on_loopback = any(ipaddress.ip_address(own).is_loopback for own in self.own_hosts)
        is_free = sum(known == host for known, _ in self.remote_addresses) < MAX_AT_ONE_HOST
        if is_free and is_reachable(candidate, host, on_loopback=on_loopback):
            return True
        refusals.count("candidate")
        return False

    def check_incoming(self, message: stun.Message, addr: Address, protocol: StunProtocol) -> None:
        """Handle a check as aioice does, but limit the addresses that it remembers, and refuse one without priority."""
        if "PRIORITY" not in message.attributes:
            return refusals.count("stun")
        addresses = self.remote_addresses
        if addr in addresses or len(addresses) < MAX_REMOTE or self.forget_unused():
            super().check_incoming(message, addr, protocol)
        else:
            refusals.count("candidate")

    def switch_role(self, ice_controlling: bool) -> None:
        """Switch the role as aioice does, but at most MAX_ERRORS times."""
        self._errors += 1
        if self._errors <= MAX_ERRORS:
            super().switch_role(ice_controlling)

    def data_received(self, data: bytes, component: int) -> None:
        """Queue a datagram as aioice does, but at most MAX_QUEUED of them."""
        if self.waiting < MAX_QUEUED:
            super().data_received(data, component)
        else:
            refusals.count("queue")


class GuardedMDns(mdns.MDnsProtocol):
    """aioice's mDNS socket, to which anybody in the local network may send anything."""

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Handle a datagram as aioice does, but ignore one that cannot be parsed."""
        with contextlib.suppress(DNSException, ValueError):
            super().datagram_received(data, addr)
