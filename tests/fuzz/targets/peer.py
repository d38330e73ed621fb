"""A gateway's end of a connection without a network, Redis or threads: what the targets of a peer's bytes stand on."""

import contextlib
import functools
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from types import SimpleNamespace

from aioice import Connection, mdns
from aiortc import rtcpeerconnection
from aiortc.rtcdtlstransport import RTCCertificate, State
from OpenSSL import SSL

from pipeline.capacity.turns import KeyFrameTurns
from pipeline.contract.settings import Settings
from pipeline.gateway.session import Session
from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.monitoring.stream_stats import StreamStats
from pipeline.webrtc import patches
from pipeline.webrtc.media import packet_intake
from pipeline.webrtc.media.decoder_pool import Counters

METRICS = GatewayMetrics()
COUNTERS = Counters(METRICS.frames_dropped, METRICS.streams_refused)
#: Until the process ends.
_INSTALLED = contextlib.ExitStack()
_generate = RTCCertificate.generateCertificate


async def gather_candidates(self: Connection) -> None:
    """In the place of aioice's: a connection without a socket."""
    self._local_candidates_start = self._local_candidates_end = True


async def create_mdns_protocol() -> SimpleNamespace:
    """In the place of aioice's: a local network in which nobody has a name, and says so at once."""
    return SimpleNamespace(resolve=_nothing, close=_nothing)


async def _nothing(*_: object, **__: object) -> None:
    return None


def install() -> None:
    """As in a gateway's process; and what each connection makes anew, or asks of the machine, is made once or not."""
    _INSTALLED.enter_context(patches.installed(COUNTERS, METRICS.refused))
    RTCCertificate.generateCertificate = functools.cache(lambda: _generate())
    rtcpeerconnection.RTCCertificate = RTCCertificate
    Connection.gather_candidates = gather_candidates
    mdns.create_mdns_protocol = create_mdns_protocol


class Inline(Executor):
    """Does all at once."""

    def submit(self, function: Callable, /, *args: object, **options: object) -> Future:
        done: Future = Future()
        try:
            done.set_result(function(*args, **options))
        except BaseException as error:
            done.set_exception(error)
        return done


class Broker:
    """One that takes everything."""

    def __init__(self) -> None:
        self.shared: list[tuple] = []

    def submit(self, frame: object) -> None:
        frame.pack()

    def withdraw(self, stream_id: str, frame_id: int) -> None:
        return None

    def share(self, *what: object) -> None:
        self.shared.append(what)


def session(closed: list[Session] | None = None) -> Session:
    """Of a client that sends 320x240; `closed` gets it when it ends."""
    return Session(
        stream_id="0123456789abcdef",
        style_id="a" * 16,
        picture_size=(320, 240),
        settings=replace(Settings()),
        broker=Broker(),
        executor=Inline(),
        stats=StreamStats(METRICS, number=1, shown_s=0.0),
        turns=KeyFrameTurns(),
        find_style=lambda wanted: wanted if wanted == "dusk" else None,
        on_closed=(closed if closed is not None else []).append,
    )


class Dtls(packet_intake.Transport):
    """Connected, and nothing is encrypted: `received` is what comes out of it, `sent` what goes in."""

    def __init__(self) -> None:
        ice = SimpleNamespace(_connection=Connection(ice_controlling=False), role="controlled", state="completed")
        super().__init__(ice, [RTCCertificate.generateCertificate()])
        self._state, self.sent, self.received = State.CONNECTED, [], b""
        self._rx_srtp = SimpleNamespace(unprotect=lambda data: data, unprotect_rtcp=lambda data: data)
        self._ssl = SimpleNamespace(bio_write=self._take, recv=self._give)

    def _take(self, data: bytes) -> None:
        self.received = data

    def _give(self, most: int) -> bytes:
        if not self.received:
            raise SSL.WantReadError
        data, self.received = self.received[:most], b""
        return data

    async def _write_ssl(self) -> None:
        """Nothing waits."""

    async def _send_data(self, data: bytes) -> None:
        self.sent.append(data)

    async def _send_rtp(self, data: bytes) -> None:
        self.sent.append(data)
