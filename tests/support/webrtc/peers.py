"""A gateway with both its ends, for tests: a camera of one colour, and an edge without a neural network."""

import asyncio
import fractions
import threading
import typing
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import aiohttp
import av
import numpy as np
from aiortc import MediaStreamTrack

from clients.net.connection import Connection
from pipeline.contract.control import ClientMessage, FrameRequest, GatewayMessage, Pace, read_client_message
from pipeline.contract.frame_strip import stamp
from pipeline.contract.grid_codec import pack_grid
from pipeline.contract.image_codec import decode_image
from pipeline.contract.messages import KeyFrame, StylizedFrame
from pipeline.contract.settings import Settings
from pipeline.gateway.app import Gateway
from pipeline.gateway.control_channel import ControlChannel
from pipeline.key_frames.selector import Reason
from pipeline.queues.broker import connect, stylize_queue
from pipeline.queues.edge_broker import EdgeBroker
from pipeline.queues.rq_job import AllowListedJob, MsgpackSerializer
from pipeline.styles.catalog import shipped

FPS = 30
#: A grid of one cell that paints everything black.
NOTHING = np.zeros((3, 1, 1, 1, 4), np.float16)


class ColourCamera(MediaStreamTrack):
    """Gives stamped frames of one colour while `running` is set."""

    kind = "video"

    def __init__(self, colour: tuple[int, int, int], size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        self._picture = np.full((size[1], size[0], 3), colour, np.uint8)
        self.count = 0
        self.running = asyncio.Event()
        self.running.set()

    async def recv(self) -> av.VideoFrame:
        await self.running.wait()
        await asyncio.sleep(1 / FPS)
        frame = av.VideoFrame.from_ndarray(stamp(self._picture, self.count), format="rgb24")
        frame.pts, frame.time_base = self.count * 90_000 // FPS, fractions.Fraction(1, 90_000)
        self.count += 1
        return frame


class FlatEdge:
    """Answers each key frame with a grid that paints everything in the key frame's own mean colour."""

    def __init__(self, redis_url: str, edge_id: str = "edge", under: np.ndarray = NOTHING) -> None:
        """`under` is a grid to which the colour is added, for tests that need large answers rather than right ones."""
        self._under = under
        self.seen: list[KeyFrame] = []
        self._connection = connect(redis_url)
        self._queue = stylize_queue(self._connection, edge_id)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="flat edge")
        self._thread.start()

    def _work(self) -> None:
        broker = EdgeBroker(self._connection)
        while not self._stop.wait(0.005):
            found = self._queue.dequeue_any(
                [self._queue], None, self._connection, job_class=AllowListedJob, serializer=MsgpackSerializer
            )
            if found is None or (taken := broker.take(*found[0].args)) is None:
                continue
            frame, _ = taken
            self.seen.append(frame)
            broker.answer(frame.gateway_id, flat_answer(frame, self._under))

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._connection.close()


def flat_answer(frame: KeyFrame, under: np.ndarray = NOTHING) -> StylizedFrame:
    colour = decode_image(frame.picture).mean((0, 1)) / 255
    grid = under.copy()
    grid[..., 3] += colour[:, None, None, None]
    return StylizedFrame(
        stream_id=frame.stream_id,
        frame_id=frame.frame_id,
        style_id=frame.style_id,
        edge_id="edge",
        model_version="flat",
        cut=frame.cut,
        grid_shape=grid.shape[1:4],
        grid=pack_grid(grid),
        decode_ms=0.0,
        stylize_ms=0.0,
        error="",
    )


class Running:
    """A gateway on `port`; 0 takes any free one."""

    def __init__(self, redis_url: str, web_root, *, port: int = 0, **settings: object) -> None:
        # The clients of a test run in its process, too, and most tests are operators.
        defaults = {"cpu_budget": 64.0, "operator_open": True, "offers_per_s": 10.0, "key_frame_interval_s": 0.2}
        settings = {**defaults, **settings}
        self.gateway = Gateway(replace(Settings(), redis_url=redis_url, **settings), web_root)
        self.url, self._port = "", port

    async def __aenter__(self) -> "Running":
        self.server = self.gateway.server()
        self.url = f"http://127.0.0.1:{await self.server.start('127.0.0.1', self._port)}"
        self.http = aiohttp.ClientSession(self.url)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.http.close()
        await self.server.stop()

    async def upload(self, picture: bytes) -> tuple[int, dict]:
        """Upload a style. Returns the answer's status and its JSON."""
        jpeg = {"Content-Type": "image/jpeg"}
        async with self.http.post("/styles", data=BytesIO(picture), headers=jpeg) as response:
            return response.status, await response.json()

    async def hang_up(self) -> None:
        """Let the server see that its client is gone: else aiohttp waits two seconds for the rest of a refused body."""
        await self.http.close()
        await until(lambda: not self.server._all())

    def count(self, name: str, **labels: str) -> float:
        return self.gateway.metrics.registry.get_sample_value(name, labels) or 0.0

    def key_frames(self) -> float:
        """The number of key frames that were picked, for any reason."""
        reasons = typing.get_args(Reason)
        return sum(self.count("mvs_key_frames_total", reason=reason) for reason in reasons)


M = typing.TypeVar("M", bound=GatewayMessage)


class Client:
    """A client that keeps all that the gateway sends."""

    def __init__(self, url: str, colour=(200, 40, 90), size=(320, 240)) -> None:
        self.camera = ColourCamera(colour, size)
        self.headers: list[dict] = []
        self.grids: list[np.ndarray] = []
        self.heard: list[GatewayMessage] = []
        self.connection = Connection(url, on_grid=self._on_grid, on_control=self.heard.append)

    async def open(self, style: str = "") -> str:
        try:
            return await self.connection.open(self.camera, size=self.camera.size, style=style or shipped()[0].id)
        except BaseException:  # or a test that fails here would leave its sockets to the next
            await self.close()
            raise

    def of(self, kind: type[M]) -> list[M]:
        """The gateway's messages of this kind."""
        return [message for message in self.heard if isinstance(message, kind)]

    def _on_grid(self, header: dict, grid: np.ndarray) -> None:
        self.headers.append(header)
        self.grids.append(grid)

    def colours(self) -> np.ndarray:
        """The colours that the flat edge saw, 0..255, [answers, 3]."""
        return np.array([grid[:, 0, 0, 0, 3] for grid in self.grids], np.float32) * 255

    async def close(self) -> None:
        self.camera.stop()
        await self.connection.close()


async def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait for something that another task or process does. Raises TimeoutError if it does not happen."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


def paced_by_the_test(monkeypatch) -> Callable[[Running, Pace | FrameRequest], None]:
    """Gateways say nothing of their own about how many frames they want; the result says it to all their clients."""
    send = ControlChannel.send

    def others(channel: ControlChannel, message: GatewayMessage) -> None:
        if not isinstance(message, Pace | FrameRequest):
            send(channel, message)

    def say(running: Running, message: Pace | FrameRequest) -> None:
        for session in running.gateway._sessions.values():
            send(session._control, message)

    monkeypatch.setattr(ControlChannel, "send", others)
    return say


def heard_by_gateways(monkeypatch) -> list[ClientMessage]:
    """All that clients say from now on, in order."""
    heard: list[ClientMessage] = []

    def read(text: object) -> ClientMessage:
        heard.append(read_client_message(text))
        return heard[-1]

    monkeypatch.setattr("pipeline.gateway.control_channel.read_client_message", read)
    return heard
