"""Datagrams to a port of ours, from anybody."""

import asyncio
import hmac
import ipaddress
import struct
from binascii import crc32
from random import Random
from types import SimpleNamespace

import dns.name
from aioice import Candidate

from harness import PEER, Finding, Target, in_loop
from mutations import flipped, number, of_records, records, split
from mutations import joined as together
from pipeline.webrtc.transport.ice_limits import GuardedConnection, GuardedMDns, GuardedStunProtocol

USERNAME, PASSWORD = "user", "secretOfTwentyTwoLetters"
COOKIE = 0x2112A442
#: A request's answer is a response of 88 bytes at most, or an error with its reason.
MOST_ANSWER_BYTES = 120
#: Of one session's ports: addresses that it sends checks to.
MOST_PAIRS = 64


async def datagrams(data: bytes) -> None:
    """Even first byte: before the peer's candidates are known; odd: after. None raises; answers are few and small.

    Nor is anybody answered, or remembered, who does not know the password.
    """
    sent: list[bytes] = []
    ice, protocol = _listening(sent)
    if data[:1] and data[0] & 1:
        ice.remote_username, ice.remote_password = "peer", "p" * 22
        ice._early_checks_done = True
    for datagram in split(data[1:]):
        before, known = len(sent), len(ice._check_list)
        protocol.datagram_received(datagram, PEER)
        if len(sent) > before + 1 or any(len(answer) > MOST_ANSWER_BYTES for answer in sent[before:]):
            raise Finding(f"answers of {[len(answer) for answer in sent[before:]]} bytes to {len(datagram)}")
        if (len(sent) > before or len(ice._check_list) > known) and not _knows_password(datagram):
            raise Finding("answers a stranger")
    pairs = len(ice._check_list)
    ice._protocols.clear()
    await ice.close()
    await asyncio.sleep(0)
    if pairs > MOST_PAIRS:
        raise Finding(f"{pairs} pairs")


def _knows_password(datagram: bytes) -> bool:
    """Whether there is a right MESSAGE-INTEGRITY in it, wherever that is."""
    ends = range(20, len(datagram) - 23)
    return any(datagram[end + 4 : end + 24] == _integrity(datagram[:end]) for end in ends)


def _integrity(message: bytes) -> bytes:
    covered = message[:2] + struct.pack("!H", len(message) - 20 + 24) + message[4:]
    return hmac.digest(PASSWORD.encode(), covered, "sha1")


def _listening(sent: list[bytes]) -> tuple[GuardedConnection, GuardedStunProtocol]:
    ice = GuardedConnection(ice_controlling=False, local_username=USERNAME, local_password=PASSWORD)
    protocol = GuardedStunProtocol(ice)
    protocol.transport = SimpleNamespace(sendto=lambda data, address: sent.append(data), close=lambda: None)
    protocol.local_candidate = Candidate("1", 1, "udp", 1, "198.51.100.1", 9, "host")
    ice._protocols.append(protocol)
    return ice, protocol


async def names(data: bytes) -> None:
    """What anybody in the local network may say of names in it."""
    protocol = GuardedMDns()
    protocol.transport = SimpleNamespace(sendto=lambda data, address: None)
    asked = asyncio.get_running_loop().create_future()
    protocol.queries[dns.name.from_text("abc.local")] = {asked}
    for datagram in split(data):
        protocol.datagram_received(datagram, PEER)
    if asked.done():
        ipaddress.ip_address(asked.result())


def signed(message: bytes) -> bytes:
    """With the integrity and fingerprint that a peer who knows the password gives it."""
    message += struct.pack("!HH", 8, 20) + _integrity(message)
    message = message[:2] + struct.pack("!H", len(message) - 20 + 8) + message[4:]
    return message + struct.pack("!HHI", 0x8028, 4, crc32(message) ^ 0x5354554E)


def _message(data: bytes, rng: Random) -> bytes:
    """Other attributes, kinds and lengths; signed again, mostly."""
    head, attributes, at = data[:20], [], 20
    while at + 4 <= len(data):
        kind, length = struct.unpack_from("!HH", data, at)
        attributes.append((kind, data[at + 4 : at + 4 + length]))
        at += 4 + length + -length % 4
    kept = [
        struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)
        for kind, value in attributes
        if kind not in (8, 0x8028)
    ]
    if rng.random() < 0.3:
        kept.append(
            struct.pack("!HH", rng.choice((1, 6, 9, 0x20, 0x24, 0x25, 0x8029, 0x802A, number(rng) % 65536)), 8)
            + rng.randbytes(8)
        )
    if rng.random() < 0.3:
        head = struct.pack("!H", rng.choice((1, 0x11, 0x101, 0x111, 3, 4, number(rng) % 65536))) + head[2:]
    changed = head + b"".join(records(kept, rng))
    return signed(changed) if rng.random() < 0.8 else changed


def mutated(data: bytes, rng: Random) -> bytes:
    return data[:1] + together(records(split(data[1:]), rng, _message if rng.random() < 0.8 else flipped))


STUN = Target("stun", in_loop(datagrams), mutated)
MDNS = Target("mdns", in_loop(names), of_records())
