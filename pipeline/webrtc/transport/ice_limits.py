"""Whom ICE listens to and whom it sends to: only who knows the password is a peer, and no offer makes us flood a host.

aioice 0.13 parses what anybody sends, answers it, logs its address, and asks each candidate of an offer up to seven
times from each of our addresses. It also hands every datagram that is no STUN to DTLS, whoever sent it.
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

#: Candidates that an offer may name, and of them at one host. A laptop with two networks, VPN and TURN names about 12.
MAX_SIGNALLED, MAX_AT_ONE_HOST = 24, 8
#: Remote candidates with those that checks came from; beyond, the oldest of those is forgotten. A phone may roam.
MAX_REMOTE = 32
#: Checks sent to a host before it answers one: two ports, three of our addresses and what is repeated in 4 s are 24.
MAX_UNANSWERED = 40
#: Hosts that have not answered yet.
MAX_SILENT_HOSTS = 64
#: Signed messages a connection handles at once, and a second: a browser checks a pair every 50 ms, later every 2.5 s.
STUN_BURST, STUN_PER_S = 200, 50
#: Ports of one peer per socket that data may come from; each signed message renews its own.
MAX_PEER_ADDRESSES = 16
#: Errors that are believed in one connection: a role conflict is one, and over after the first.
MAX_ERRORS = 8
#: A username of theirs (256), one of ours, and a dozen of small attributes; RFC 8489 section 6.1 says as much.
MAX_STUN_BYTES = 548
#: Datagrams that wait for DTLS; a flight of its handshake is three.
MAX_QUEUED = 256
#: Lower ports are of other services, DNS for one; browsers ask no such candidate either.
MIN_PORT = 1024

_REQUEST, _RESPONSE, _ERROR = b"\0\1", b"\1\1", b"\1\x11"
_COOKIE = stun.COOKIE.to_bytes(4)
#: MESSAGE-INTEGRITY's type and length; its 20 bytes and FINGERPRINT's 8 end a message, RFC 8445 section 7.1.
_INTEGRITY, _TAIL_BYTES = b"\0\x08\0\x14", 32


def is_signed(data: bytes, key: bytes) -> bool:
    """Whether a STUN message is authentic, found without reading its attributes."""
    end = len(data) - _TAIL_BYTES
    if end < stun.HEADER_LENGTH or data[end : end + 4] != _INTEGRITY:
        return False
    covered = b"".join((data[:2], (end - stun.HEADER_LENGTH + stun.INTEGRITY_LENGTH).to_bytes(2), data[4:end]))
    return hmac.compare_digest(hmac.digest(key, covered, "sha1"), data[end + 4 : end + 24])


def is_message(data: bytes) -> bool:
    """Whether a STUN message's header, and its length, are what ICE sends."""
    length = len(data) - stun.HEADER_LENGTH
    return 0 <= length <= MAX_STUN_BYTES - 20 and data[2:8] == length.to_bytes(2) + _COOKIE


def is_reachable(candidate: Candidate, host: str, *, on_loopback: bool) -> bool:
    """Whether we may send checks there."""
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
    """One socket. What is no STUN (first byte above 3, RFC 7983) counts only from who sent a signed message lately.

    Both ends may nominate different pairs, so it is not asked which pair; and anybody's forged ClientHello would end
    the DTLS handshake of a session.
    """

    receiver: "GuardedConnection"

    def __init__(self, receiver: "GuardedConnection") -> None:
        super().__init__(receiver)
        self._peers: LruCache[Address, bool] = LruCache(MAX_PEER_ADDRESSES)

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """In the place of aioice's; also called for all that the reader of the fast path does not know."""
        address = addr[:2]
        assert isinstance(data, bytes)  # no socket gives a string
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
        if key is not None:  # else no offer is answered yet: a STUN server tells us our own address, and has no key
            self._peers.put(address, True)
        if is_request:
            return self.receiver.request_received(message, address, self)
        self.receiver.answered(address[0])
        if transaction:
            transaction.response_received(message, address)

    def send_stun(self, message: stun.Message, addr: Address) -> None:
        """As aioice's, but for checks that go to a host which never answers."""
        if message.message_class != stun.Class.REQUEST or self.receiver.may_ask(addr[0]):
            super().send_stun(message, addr)
        else:
            refusals.count("check")


class GuardedConnection(OpenConnection):
    """Counts what it refuses."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._signalled = self._errors = 0
        self._unanswered: dict[str, int] = {}
        self._stun_budget = TokenBucket(STUN_BURST, STUN_PER_S, time.monotonic())

    def may_hear(self, is_error: bool) -> bool:
        """Whether one more signed message is within what a peer may send."""
        self._errors += is_error
        return self._errors <= MAX_ERRORS and self._stun_budget.take(time.monotonic())

    def may_ask(self, host: str) -> bool:
        """Whether one more check may go there."""
        count = self._unanswered.get(host, 0)
        if count >= MAX_UNANSWERED or (count == 0 and len(self._unanswered) >= MAX_SILENT_HOSTS):
            return False
        self._unanswered[host] = count + 1
        return True

    def answered(self, host: str) -> None:
        """This host answers checks of ours."""
        self._unanswered.pop(host, None)

    async def add_remote_candidate(self, remote_candidate: Candidate | None) -> None:
        """As aioice's, but no more than an honest offer names; each name of a local network costs a multicast."""
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
        """As aioice's, which remembers every port that a check ever came from, and fails without a priority."""
        if "PRIORITY" not in message.attributes:
            return refusals.count("stun")
        addresses = self.remote_addresses
        if addr in addresses or len(addresses) < MAX_REMOTE or self.forget_unused():
            super().check_incoming(message, addr, protocol)
        else:
            refusals.count("candidate")

    def switch_role(self, ice_controlling: bool) -> None:
        """As aioice's, but not for ever to and fro."""
        self._errors += 1
        if self._errors <= MAX_ERRORS:
            super().switch_role(ice_controlling)

    def data_received(self, data: bytes, component: int) -> None:
        """As aioice's, whose queue has no end."""
        if self.waiting < MAX_QUEUED:
            super().data_received(data, component)
        else:
            refusals.count("queue")


class GuardedMDns(mdns.MDnsProtocol):
    """Anybody in the local network may send it anything."""

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """As aioice's, but what cannot be read is nothing."""
        with contextlib.suppress(DNSException, ValueError):
            super().datagram_received(data, addr)
