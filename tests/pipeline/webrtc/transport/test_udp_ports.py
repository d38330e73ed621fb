"""Sessions use only the UDP ports that a firewall lets through, each for as long as nobody else has it."""

import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import psutil
import pytest
from aioice import ice
from aiortc import RTCPeerConnection, RTCSessionDescription

from pipeline.contract.errors import Busy
from pipeline.styles.catalog import shipped
from pipeline.webrtc import patches
from pipeline.webrtc.transport.udp_ports import UdpPorts
from support.webrtc.peers import ColourCamera, Running, until

HERE, BESIDE = "127.0.0.1", "127.0.0.2"


def free_ports(count: int) -> range:
    """A range of UDP ports that nobody uses at our addresses."""
    for first in range(20_000, 30_000, count):
        ports = range(first, first + count)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in ports:
                for address in (HERE, BESIDE):
                    stack.enter_context(taken(address, port))
            return ports
    raise AssertionError("no free ports")


@contextlib.contextmanager
def taken(address: str, port: int) -> Iterator[None]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((address, port))
        yield


def test_each_socket_gets_the_next_port_so_that_one_that_is_free_again_rests():
    ports = free_ports(3)
    udp = UdpPorts(ports, first=1)

    used = []
    for _ in range(4):
        with udp.bind(HERE) as bound:
            used.append(bound.getsockname())

    assert used == [(HERE, ports[index]) for index in (1, 2, 0, 1)]


def test_a_port_in_use_is_left_out_and_a_full_range_is_named():
    ports = free_ports(3)
    udp = UdpPorts(ports, first=0)

    with taken(HERE, ports[0]), udp.bind(HERE) as one, udp.bind(HERE) as other:
        with pytest.raises(Busy, match=f"UDP ports from {ports[0]} to {ports[-1]} are in use"):
            udp.bind(HERE)
        assert [one.getsockname()[1], other.getsockname()[1]] == [ports[1], ports[2]]


def test_gateways_of_one_machine_do_not_all_begin_with_the_same_port():
    ports, firsts = free_ports(50), set()
    for _ in range(20):
        with UdpPorts(ports).bind(HERE) as bound:
            firsts.add(bound.getsockname()[1])

    assert len(firsts) > 5


def test_an_address_that_is_not_ours_is_no_full_range():
    with pytest.raises(OSError, match="assign"):
        UdpPorts(free_ports(1)).bind("192.0.2.1")


@pytest.fixture
async def offered() -> AsyncIterator[RTCPeerConnection]:
    """A client that has made its offer, and thus has its sockets."""
    peer = RTCPeerConnection()
    peer.addTrack(ColourCamera((90, 120, 150), (320, 240)))
    peer.createDataChannel("control")
    await peer.setLocalDescription(await peer.createOffer())
    yield peer
    await peer.close()


async def offer(running: Running, peer: RTCPeerConnection) -> tuple[int, dict]:
    sdp, style = peer.localDescription.sdp, shipped()[0].id
    body = {"type": "offer", "sdp": sdp, "style": style, "width": 320, "height": 240}
    async with running.http.post("/offer", json=body) as response:
        return response.status, await response.json()


def sockets() -> int:
    return len(psutil.Process().net_connections("udp"))


async def test_video_comes_through_the_ports_that_are_set(running, offered, monkeypatch):
    ports = free_ports(4)
    monkeypatch.setattr(ice, "get_host_addresses", lambda **_: [HERE, BESIDE])

    with patches.installed(udp_ports=ports):
        _, answer = await offer(running, offered)
        await offered.setRemoteDescription(RTCSessionDescription(sdp=answer["sdp"], type="answer"))
        await until(lambda: running.count("mvs_frames_received_total") > 0)

    candidates = [line.split() for line in answer["sdp"].splitlines() if line.startswith("a=candidate:")]
    assert {words[4] for words in candidates} == {HERE, BESIDE}
    assert all(int(words[5]) in ports for words in candidates)


async def test_an_offer_that_finds_no_port_is_told_to_come_again_and_takes_nothing(running, offered, monkeypatch):
    """Of two addresses, only one has a free port: its socket, too, is given back."""
    (port,) = ports = free_ports(1)
    monkeypatch.setattr(ice, "get_host_addresses", lambda **_: [HERE, BESIDE])

    with patches.installed(udp_ports=ports), taken(BESIDE, port):
        await offer(running, offered)  # opens the connection to the gateway
        before = sockets()
        status, answer = await offer(running, offered)

        assert status == 503 and answer["error"].startswith(f"All UDP ports from {port} to {port} are in use")
        assert sockets() == before and running.count("mvs_sessions") == 0
        assert running.count("mvs_offers_refused_total", reason="Busy") == 2
