"""Both ends of a gateway, for tests: a camera of one colour, and an edge that answers without a network."""
import asyncio
import fractions
import threading
from collections.abc import Callable

import av
import numpy as np
from aiortc import MediaStreamTrack

from pipeline.broker import EdgeBroker, connect, stylize_queue
from pipeline.codec import decode_image
from pipeline.framestamp import stamp
from pipeline.jobs import AllowListedJob, MsgpackSerializer
from pipeline.messages import KeyFrame, StylizedFrame

FPS = 30


class ColourCamera(MediaStreamTrack):
    """Stamped frames of one colour, while `running` is set."""

    kind = "video"

    def __init__(self, colour: tuple[int, int, int], size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        self._picture = np.full((size[1], size[0], 3), colour, np.uint8)
        self._count = 0
        self.running = asyncio.Event()
        self.running.set()

    async def recv(self) -> av.VideoFrame:
        await self.running.wait()
        await asyncio.sleep(1 / FPS)
        frame = av.VideoFrame.from_ndarray(stamp(self._picture, self._count), format="rgb24")
        frame.pts, frame.time_base = self._count * 90_000 // FPS, fractions.Fraction(1, 90_000)
        self._count += 1
        return frame


class FlatEdge:
    """Answers each key frame with a grid that paints everything in the key frame's own mean colour."""

    def __init__(self, redis_url: str, edge_id: str = "edge") -> None:
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
            if found is None or (frame := broker.take(*found[0].args)) is None:
                continue
            self.seen.append(frame)
            broker.answer(frame.gateway_id, flat_answer(frame))

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._connection.close()


def flat_answer(frame: KeyFrame) -> StylizedFrame:
    colour = decode_image(frame.picture).mean((0, 1)) / 255
    grid = np.zeros((3, 1, 1, 1, 4), np.float16)
    grid[:, 0, 0, 0, 3] = colour
    return StylizedFrame(
        stream_id=frame.stream_id, frame_id=frame.frame_id, style_id=frame.style_id, edge_id="edge",
        model_version="flat", cut=frame.cut, grid_shape=(1, 1, 1), grid=grid.tobytes(),
        decode_ms=0.0, stylize_ms=0.0, error="",
    )


async def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait for something another task or process does; TimeoutError if it does not."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)
