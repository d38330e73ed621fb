"""Whatever a peer does to its session, the session's place, sockets and tasks come back."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable

import psutil
import pytest
from aioice.ice import Connection
from aiortc import RTCPeerConnection

from pipeline.gateway import session
from pipeline.styles.catalog import shipped
from pipeline.webrtc.transport import closing
from support.webrtc.peers import Client, Running, until

#: aiortc leaves some of this behind, and only where the fence fits are its sockets and tasks known.
by_force = pytest.mark.patched_only("connections are ended by force")


@pytest.fixture
async def offered() -> AsyncIterator[str]:
    """What an honest client offers: video and data channels in one group."""
    peer = RTCPeerConnection()
    peer.addTransceiver("video", direction="sendonly")
    peer.createDataChannel("control")
    await peer.setLocalDescription(await peer.createOffer())
    yield peer.localDescription.sdp
    await peer.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Ten seconds are given; a test need not take them."""
    monkeypatch.setattr(closing, "PATIENCE_S", 0.3)


@pytest.fixture
def hurried(monkeypatch):
    """Offers are answered within half a second or not at all: for tests in which one hangs."""
    monkeypatch.setattr(session, "ANSWER_TIMEOUT_S", 0.5)


class Held:
    """UDP sockets of this process, and tasks of this loop: the gateway's own TCP connections come and go."""

    def __init__(self) -> None:
        self.sockets, self.tasks = len(psutil.Process().net_connections("udp")), len(asyncio.all_tasks())

    def is_back(self) -> bool:
        now = Held()
        return now.sockets <= self.sockets and now.tasks <= self.tasks


async def offer(running: Running, sdp: str) -> int:
    body = {"type": "offer", "sdp": sdp, "style": shipped()[0].id, "width": 320, "height": 240}
    async with running.http.post("/offer", json=body) as response:
        await response.read()
        return response.status


async def baseline(running: Running) -> Held:
    """With all in place that one HTTP connection takes."""
    await offer(running, "v=0")
    return Held()


def outside_the_group(sdp: str) -> str:
    return re.sub(r"a=group:BUNDLE (\d) (\d)", r"a=group:BUNDLE 7 \1 \2", sdp)


def two_groups(sdp: str) -> str:
    return re.sub(r"a=group:BUNDLE (\d) (\d)", r"a=group:BUNDLE \1\r\na=group:BUNDLE \2", sdp)


def without_group(sdp: str) -> str:
    return re.sub(r"a=group:BUNDLE.*\r\n", "", sdp)


def foreign_group(sdp: str) -> str:
    return re.sub(r"a=group:BUNDLE.*", "a=group:BUNDLE audio other", sdp)


def twice_in_the_group(sdp: str) -> str:
    return re.sub(r"a=group:BUNDLE (\d) (\d)", r"a=group:BUNDLE \2 \1 \1 \2", sdp)


def sections(sdp: str) -> list[str]:
    """The session's part, and each section."""
    return re.split(r"(?m)^(?=m=)", sdp)


def data_only(sdp: str) -> str:
    head, _, data = sections(sdp)
    return head + data


def video_only(sdp: str) -> str:
    head, video, _ = sections(sdp)
    return head + video


def rejected_video(sdp: str) -> str:
    return re.sub(r"m=video \d+", "m=video 0", sdp)


def two_videos(sdp: str) -> str:
    head, video, data = sections(sdp)
    return head + video + video.replace("a=mid:0", "a=mid:5") + data


def one_mid_for_both(sdp: str) -> str:
    return sdp.replace("a=mid:1", "a=mid:0")


def no_mids(sdp: str) -> str:
    return re.sub(r"a=mid:.*\r\n", "", sdp)


HOSTILE = [
    outside_the_group,
    two_groups,
    without_group,
    foreign_group,
    twice_in_the_group,
    data_only,
    video_only,
    rejected_video,
    two_videos,
    one_mid_for_both,
    no_mids,
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda change: change.__name__)
async def test_hostile_offers_take_no_place(running: Running, offered: str, hostile: Callable[[str], str]):
    before = await baseline(running)

    for _ in range(3):
        if await offer(running, hostile(offered)) == 200:  # it makes sense to aiortc; nobody will come
            for made in list(running.gateway._sessions.values()):
                await made.close()

    await until(lambda: not running.gateway._sessions and before.is_back(), 10)


async def test_as_many_bad_offers_as_there_are_places_leave_them_to_others(redis_url, web_root, offered):
    async with Running(redis_url, web_root, max_sessions=2) as running:
        for _ in range(3):
            assert await offer(running, outside_the_group(offered)) == 400

        assert await offer(running, offered) == 200


async def never(*_: object, **__: object) -> None:
    await asyncio.Event().wait()


async def fails(*_: object, **__: object) -> None:
    raise AttributeError("what hostile offers lead to")


@pytest.mark.parametrize("step", ["setRemoteDescription", "createAnswer", "setLocalDescription"])
@pytest.mark.parametrize("trouble", [never, fails])
async def test_an_answer_that_fails_or_hangs_gives_its_place_back(
    running, offered, hurried, monkeypatch, step, trouble
):
    before = await baseline(running)
    monkeypatch.setattr(RTCPeerConnection, step, trouble)

    assert await offer(running, offered) == 400

    await until(lambda: not running.gateway._sessions and before.is_back(), 10)


@by_force
async def test_gathering_that_hangs_leaves_no_socket(running, offered, hurried, monkeypatch):
    """As where a STUN server does not answer: aioice has made its sockets, and not yet noted them."""
    before, gather = await baseline(running), Connection.get_component_candidates

    async def hangs(self: Connection, *args: object, **kwargs: object) -> None:
        await gather(self, *args, **kwargs)
        self._protocols.clear()
        await never()

    monkeypatch.setattr(Connection, "get_component_candidates", hangs)

    assert await offer(running, offered) == 400

    await until(lambda: not running.gateway._sessions and before.is_back(), 10)


PARTS = {
    "receiver": lambda peer: (peer.getReceivers()[0], "stop"),
    "sctp": lambda peer: (peer.sctp, "stop"),
    "dtls": lambda peer: (peer.sctp.transport, "stop"),
    "ice": lambda peer: (peer.sctp.transport.transport, "stop"),
    "aioice": lambda peer: (peer.sctp.transport.transport._connection, "close"),
    "peer": lambda peer: (peer, "close"),
}


@by_force
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("trouble", [never, fails])
async def test_a_live_session_whose_end_fails_or_hangs_is_ended_by_force(running, edge, monkeypatch, part, trouble):
    before = await baseline(running)
    client = Client(running.url)
    await client.open()
    await until(lambda: len(client.grids) >= 1)
    (live,) = running.gateway._sessions.values()

    monkeypatch.setattr(*PARTS[part](live._peer), trouble)
    await asyncio.wait_for(live.close(), 10)
    await client.close()

    assert not running.gateway._sessions
    await until(before.is_back, 10)


async def test_a_session_that_loses_a_task_ends(running, edge, monkeypatch, caplog):
    """As the one that watches for silence: nobody else would ever close the session."""
    client = Client(running.url)
    await client.open()
    await until(lambda: len(client.grids) >= 1)
    (live,) = running.gateway._sessions.values()

    monkeypatch.setattr(live._control, "send", lambda message: 1 / 0)

    await until(lambda: not running.gateway._sessions, 10)
    await client.close()


async def test_whoever_waits_for_the_end_waits_for_all_of_it(running, offered):
    assert await offer(running, offered) == 200
    (live,) = running.gateway._sessions.values()

    waiting = asyncio.ensure_future(live.close())
    await asyncio.sleep(0)
    waiting.cancel()  # as a caller that leaves
    await asyncio.gather(live.close(), live.close())

    assert not running.gateway._sessions
