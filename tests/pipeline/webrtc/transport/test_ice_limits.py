"""Whom ICE listens to and whom it sends to, between real sockets on loopback."""

import asyncio
import binascii
import contextlib
import hmac
import random
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from aioice import Candidate, ice, stun
from aiortc import rtcicetransport
from prometheus_client import CollectorRegistry

from pipeline.monitoring.metrics import REFUSALS, counted_by
from pipeline.webrtc import patches
from pipeline.webrtc.transport import ice_limits
from support.peers import until

#: A DTLS 1.2 record that begins a handshake, cut short.
CLIENT_HELLO = bytes.fromhex("16fefd0000000000000000003601000030000000000000003000fefd") + bytes(40)
LATE_S = 0.2


@pytest.fixture(autouse=True)
def refused():
    """How often something was refused, by reason."""
    counter = counted_by("refused", "", REFUSALS, registry=CollectorRegistry())
    with patches.installed(refused=counter):
        yield lambda reason: counter.labels(reason)._value.get()


@contextlib.asynccontextmanager
async def two(addresses: list[str] = ["127.0.0.1"], **late_s: float) -> AsyncIterator[SimpleNamespace]:
    """The end that nominates and the other one, with candidates of each other; not yet connected."""
    ends = [rtcicetransport.Connection(ice_controlling=controls) for controls in (True, False)]
    for end in ends:
        end._local_candidates = await end.get_component_candidates(1, addresses)
        end._local_candidates_end = True
    for end, other in (ends, ends[::-1]):
        end.remote_username, end.remote_password = other.local_username, other.local_password
        for candidate in other.local_candidates:
            await end.add_remote_candidate(candidate)
        await end.add_remote_candidate(None)
    yield SimpleNamespace(near=ends[0], far=ends[1], port=ends[1].local_candidates[0].port)
    for end in ends:
        await end.close()


def delay_ipv4(end: ice.Connection, delay_s: float) -> None:
    """Have what it sends over IPv4 arrive late."""
    for protocol in end._protocols:
        if "." in protocol.local_candidate.host:
            send = protocol.transport.sendto

            def later(data: bytes, address: tuple, send=send, transport=protocol.transport) -> None:
                loop = asyncio.get_running_loop()
                loop.call_later(delay_s, lambda: transport.is_closing() or send(data, address))

            protocol.transport = SimpleNamespace(sendto=later, close=protocol.transport.close)


async def is_heard(start_s: float) -> bool:
    """Whether two ends with two addresses each connect, and hear each other from then on."""
    async with two(["127.0.0.1", "::1"]) as ends:
        delay_ipv4(ends.far, LATE_S)
        await asyncio.gather(connect_after(ends.near, start_s), ends.far.connect())
        for _ in range(10):
            await asyncio.gather(ends.near.send(CLIENT_HELLO), ends.far.send(CLIENT_HELLO))
            await asyncio.sleep(LATE_S / 10)
        try:
            async with asyncio.timeout(5):
                heard = [[await end.recv() for _ in range(10)] for end in (ends.near, ends.far)]
                return heard == 2 * [10 * [CLIENT_HELLO]]
        except TimeoutError:
            return False


async def connect_after(end: ice.Connection, start_s: float) -> None:
    """The answer takes some time to the peer that offers."""
    await asyncio.sleep(start_s)
    await end.connect()


async def test_peers_hear_each_other_whatever_pair_each_of_them_nominates():
    moments = random.Random(0)

    heard = await asyncio.gather(*(is_heard(moments.uniform(0, 2 * LATE_S)) for _ in range(30)))

    assert heard == 30 * [True]


async def test_strangers_are_not_heard_whatever_they_send(refused):
    """Neither before two ends are connected nor afterwards, and 100 of 100 connect."""

    async def one() -> bool:
        async with two() as ends:
            with stranger(ends.port) as send:
                connecting = asyncio.gather(ends.near.connect(), ends.far.connect())
                while not connecting.done():
                    send(CLIENT_HELLO)
                    await asyncio.sleep(0)
                for data in (CLIENT_HELLO, b"", b"\0", b"\0\1", b"\0\1" + bytes(18), b"\x80" * 30):
                    send(data)
                await ends.near.send(CLIENT_HELLO + b"peer's")
                return await ends.far.recv() == CLIENT_HELLO + b"peer's" and ends.far._queue.empty()

    assert [await one() for _ in range(100)] == 100 * [True]
    assert refused("stranger") >= 100 and refused("stun") > 0


@contextlib.contextmanager
def stranger(port: int):
    """Sends from a port of its own, and fails where it is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        yield lambda data: other.sendto(data, ("127.0.0.1", port))
        with pytest.raises(BlockingIOError):
            other.recv(100)


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
