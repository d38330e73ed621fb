"""Whom ICE listens to and whom it sends to, between real sockets on loopback."""

import asyncio
import binascii
import hmac
from types import SimpleNamespace

import pytest
from aioice import Candidate, ice, stun
from aiortc import rtcicetransport
from prometheus_client import CollectorRegistry

from pipeline.monitoring.metrics import REFUSALS, counted_by
from pipeline.webrtc import patches
from pipeline.webrtc.transport import ice_limits
from support.webrtc.ice_ends import CLIENT_HELLO, stranger, two
from support.webrtc.peers import until


@pytest.fixture(autouse=True)
def refused():
    """How often something was refused, by reason."""
    counter = counted_by("refused", "", REFUSALS, registry=CollectorRegistry())
    with patches.installed(refused=counter):
        yield lambda reason: counter.labels(reason)._value.get()


def request(to: ice.Connection, key: str | None = None, **attributes: object) -> bytes:
    """A check of `to`, signed with its own password unless there is another `key`."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes = {"USERNAME": f"{to.local_username}:{to.remote_username}", "PRIORITY": 1, **attributes}
    message.add_message_integrity((key or to.local_password).encode())
    return bytes(message)


async def test_what_is_not_signed_with_the_password_is_not_answered(refused):
    async with two() as ends:
        await asyncio.gather(ends.near.connect(), ends.far.connect())
        unsigned = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        unsigned.attributes["USERNAME"] = f"{ends.far.local_username}:x"
        with stranger(ends.port) as send:
            for data in (bytes(unsigned), request(ends.far, key="guessed"), request(ends.far)[:-4]):
                send(data)
            await until(lambda: refused("unsigned") == 2 and refused("stun") == 1)

    assert len(ends.far.remote_candidates) == 1


def test_a_signature_that_begins_within_the_header_is_none():
    head = bytes(16)
    covered = head[:2] + (16 - stun.HEADER_LENGTH + stun.INTEGRITY_LENGTH).to_bytes(2) + head[4:]
    message = head + b"\0\x08\0\x14" + hmac.digest(b"key", covered, "sha1") + bytes(8)

    assert not ice_limits.is_signed(message, b"key")


async def test_a_signed_request_that_cannot_be_read_is_dropped_without_a_trace(refused, caplog):
    async with two() as ends:
        await asyncio.gather(ends.near.connect(), ends.far.connect())
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        message.attributes = {"USERNAME": f"{ends.far.local_username}:{ends.far.remote_username}"}
        message.add_message_integrity(ends.far.local_password.encode())
        bad_attribute = b"\0\x24\0\1a\0\0\0"
        protocol = ends.far._protocols[0]

        protocol.datagram_received(bytes(message), ("127.0.0.1", 9))
        protocol.datagram_received(signed(bad_attribute, ends.far.local_password), ("127.0.0.1", 9))

    assert refused("stun") == 2
    assert "127.0.0.1" not in caplog.text


def signed(attributes: bytes, key: str) -> bytes:
    """A STUN request of any attributes."""
    head = b"\0\1%b\x21\x12\xa4\x42" + bytes(12)
    covered = head.replace(b"%b", (len(attributes) + 24).to_bytes(2)) + attributes
    covered += b"\0\x08\0\x14" + hmac.digest(key.encode(), covered, "sha1")
    whole = head.replace(b"%b", (len(attributes) + 32).to_bytes(2)) + covered[20:]
    return whole + b"\x80\x28\0\4" + (binascii.crc32(whole) ^ stun.FINGERPRINT_XOR).to_bytes(4)


async def test_ports_that_checks_come_from_are_forgotten_again_and_the_peers_own_stays(refused):
    async with two() as ends:
        await asyncio.gather(ends.near.connect(), ends.far.connect())
        protocol = ends.far._protocols[0]
        for port in range(2000, 2000 + 3 * ice_limits.MAX_REMOTE):
            protocol.datagram_received(request(ends.far), ("127.0.0.1", port))

        assert len(ends.far.remote_candidates) == ice_limits.MAX_REMOTE
        assert len(ends.far._check_list) <= ice_limits.MAX_REMOTE
        assert len(protocol._peers) == ice_limits.MAX_PEER_ADDRESSES
        await ends.far.send(CLIENT_HELLO)
        assert await ends.near.recv() == CLIENT_HELLO


async def test_a_flood_of_signed_requests_is_heard_in_part(refused):
    async with two() as ends:
        await asyncio.gather(ends.near.connect(), ends.far.connect())
        data = request(ends.far)
        for _ in range(2 * ice_limits.STUN_BURST):
            ends.far._protocols[0].datagram_received(data, ("127.0.0.1", 2000))

    assert refused("flood") >= ice_limits.STUN_BURST - ice_limits.STUN_PER_S


async def test_an_offers_candidates_at_one_host_get_few_datagrams(refused):
    """A host that never answers; 340 candidates brought it 1,232."""
    async with two() as ends:
        end = ends.far
        end._remote_candidates_end, end._remote_candidates[:] = False, []
        sent = []
        end._protocols[0].transport = SimpleNamespace(
            sendto=lambda data, address: sent.append(address[0]), close=end._protocols[0].transport.close
        )
        for port in range(3000, 3340):
            await end.add_remote_candidate(candidate("127.0.0.9", port))
        connecting = asyncio.create_task(end.connect())
        await until(lambda: len(sent) >= ice_limits.MAX_AT_ONE_HOST)
        for _ in range(200):  # whatever makes it ask again
            end._protocols[0].send_stun(stun.Message(stun.Method.BINDING, stun.Class.REQUEST), ("127.0.0.9", 3000))
        connecting.cancel()

    assert len(end.remote_candidates) == ice_limits.MAX_AT_ONE_HOST
    assert sent.count("127.0.0.9") == ice_limits.MAX_UNANSWERED
    assert refused("candidate") == 340 - ice_limits.MAX_AT_ONE_HOST and refused("check") > 0


def candidate(host: str, port: int = 5000, **other: object) -> Candidate:
    fields = {"foundation": "f", "component": 1, "transport": "udp", "priority": 1, "type": "host", **other}
    return Candidate(host=host, port=port, **fields)


@pytest.mark.parametrize(
    ("host", "other"),
    [
        ("224.0.0.1", {}),
        ("ff02::1", {}),
        ("0.0.0.0", {}),
        ("::", {}),
        ("255.255.255.255", {}),
        ("240.0.0.1", {}),
        ("::ffff:10.0.0.1", {}),
        ("127.0.0.1", {}),
        ("::1", {}),
        ("192.0.2.1", {"transport": "tcp"}),
        ("example.com", {}),
        ("192.0.2.1", {"component": 2}),
        ("192.0.2.1", {"port": 53}),
        ("192.0.2.1", {"port": 70000}),
        ("192.0.2.1", {"priority": 10**30}),
    ],
)
async def test_no_checks_go_where_no_peer_can_be(refused, host, other):
    end = rtcicetransport.Connection(ice_controlling=False)

    await end.add_remote_candidate(candidate(host, **other))

    assert end.remote_candidates == [] and refused("candidate") == 1
    await end.close()


async def test_no_more_candidates_are_taken_than_an_honest_offer_names(refused):
    end = rtcicetransport.Connection(ice_controlling=False)

    for number in range(100):
        await end.add_remote_candidate(candidate(f"192.0.2.{number + 1}"))

    assert len(end.remote_candidates) == ice_limits.MAX_SIGNALLED
    await end.close()


async def test_role_conflicts_end(refused):
    """A peer that answers each check with one would be asked again at once, for ever."""
    async with two() as ends:
        asked = []

        def conflict(message: stun.Message, addr: tuple, protocol: ice.StunProtocol) -> None:
            asked.append(message)
            ends.near.respond_error(message, addr, protocol, (487, "Role Conflict"))

        ends.near.request_received = conflict
        connecting = asyncio.create_task(ends.far.connect())
        await until(lambda: refused("flood"))
        connecting.cancel()

    assert len(asked) <= 2 * ice_limits.MAX_ERRORS


async def test_what_dtls_does_not_fetch_is_bounded(refused):
    async with two() as ends:
        await asyncio.gather(ends.near.connect(), ends.far.connect())
        (peer,) = ends.far._protocols[0]._peers
        for _ in range(1000):
            ends.far._protocols[0].datagram_received(CLIENT_HELLO, peer)

        assert ends.far._queue.qsize() == ice_limits.MAX_QUEUED
    assert refused("queue") == 1000 - ice_limits.MAX_QUEUED
