"""`mvstylizer client`: streams a video as a camera, and writes the video that a viewer sees."""

import argparse
import asyncio
import contextlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from time import monotonic

import numpy as np
from aiortc import RTCDataChannel

from clients.feeds.arguments import (
    INPUT_HELP,
    OUTPUT_HELP,
    STRENGTH_HELP,
    add_input_arguments,
    add_output_arguments,
    check_strength,
    input_of,
    seconds_of,
)
from clients.feeds.ended_by_signals import STOP_SIGNALS, ended_by_signals
from clients.feeds.inputs import Input
from clients.feeds.outputs import Target, claimed, find_target
from clients.headless.camera import CameraFrame, ClipCamera
from clients.headless.daemon_thread import in_daemon_thread
from clients.headless.painter import Painter
from clients.headless.returning import PATIENCE_S
from clients.media.clip import Clip
from clients.media.names import check_target
from clients.net import limited_encoder
from clients.net.connection import Connection
from clients.net.frame_pacer import FramePacer
from clients.net.reconnecting import ReconnectingClient
from clients.reassembly.flow import ESTIMATORS, flow_between
from clients.reassembly.grid import IDENTITY, apply_grid, carry_grid
from pipeline.basics.lru import LruCache
from pipeline.contract.control import (
    ErrorMessage,
    GatewayMessage,
    KeyFrameDropped,
    KeyFramePicked,
    SceneCut,
    SharingChoice,
    SharingForgotten,
    read_gateway_message,
)
from pipeline.contract.errors import BadMessage, BadSetting, MVStylizerError
from pipeline.webrtc import patches

#: The number of frames whose capture times are remembered until their answers come: 16 s at 30 fps.
REMEMBERED = 512
#: How long to wait when the file ends, because the last key frame's answer may still be on its way.
LINGER_S = 0.5
#: How often it is looked whether the output still takes frames, in seconds.
CHECK_S = 1.0


@dataclass(frozen=True, slots=True)
class Summary:
    """What happened in one run; it is printed as JSON."""

    frames: int
    sent_frames: int
    skipped_frames: int
    key_frames: int
    stylized_frames: int
    dropped_key_frames: int
    written_frames: int
    dropped_packets: int  # of sound and subtitles
    seconds: float
    round_trip_p50_ms: float | None
    round_trip_p95_ms: float | None
    key_frame_age_p50_ms: float | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", help="the gateway's address, for example http://127.0.0.1:8080")
    parser.add_argument("--input", required=True, metavar="IN", help=INPUT_HELP)
    add_input_arguments(parser)
    parser.add_argument("--style", required=True, help="a photo, or a style's name")
    parser.add_argument("--output", required=True, metavar="OUT", help=f"{OUTPUT_HELP}, or a virtual camera: camera")
    add_output_arguments(parser)
    parser.add_argument("--force", action="store_true", help="replace an existing output")
    parser.add_argument("--strength", type=float, default=1.0, metavar="S", help=STRENGTH_HELP)
    parser.add_argument("--loop", action="store_true", help="play a file again and again")
    parser.add_argument(
        "--reconnect",
        type=float,
        default=PATIENCE_S,
        metavar="S",
        help=f"how long a live input that has gone is tried again, in seconds ({PATIENCE_S:.0f}; 0: it ends)",
    )
    parser.add_argument(
        "--flow", choices=list(ESTIMATORS), default="dis", help="dis (default); lk: Lucas-Kanade, as in the paper; none"
    )
    parser.add_argument("--share-frames", action="store_true", help="let the edge keep key frames, and learn from them")
    parser.epilog = (
        "examples:\n"
        "  mvstylizer client http://127.0.0.1:8080 --input walk.mp4 --style photo.jpg --output out.mp4\n"
        "  mvstylizer client http://127.0.0.1:8080 --input rtsp://camera/1 --style dusk --output - | ffplay -\n"
        "  mvstylizer client http://127.0.0.1:8080 --input camera:0 --style dusk --output camera\n\n"
        "The last line printed is JSON."
    )


def run(args: argparse.Namespace) -> None:
    check_strength(args.strength)
    place, target = input_of(args), find_target(args.output, stream_format=args.output_format)
    check_target(target, force=args.force)
    if args.loop and place.kind != "file":
        raise BadSetting("--loop plays a file again and again; the input is none.")
    if not 0 <= args.reconnect < math.inf:
        raise BadSetting(f"--reconnect must be 0 or more seconds, not {args.reconnect}.")
    with claimed(target) as target, patches.installed(), limited_encoder.installed():
        summary = asyncio.run(
            stream(
                args.url,
                place,
                args.style,
                target,
                flow=args.flow,
                share_frames=args.share_frames,
                strength=args.strength,
                seconds=seconds_of(args),
                loop=args.loop,
                patience_s=args.reconnect,
            )
        )
        report(summary)


def report(summary: Summary) -> None:
    """Print what happened: a sentence or two for people, and JSON."""
    print(
        f"{summary.frames} frames in {summary.seconds:.1f} s, {summary.stylized_frames} of them stylized, "
        f"{summary.key_frames} key frames answered, round trip p50 {_ms(summary.round_trip_p50_ms)}, "
        f"p95 {_ms(summary.round_trip_p95_ms)}."
    )
    if missing := summary.frames - summary.written_frames + summary.skipped_frames:
        print(f"This machine was too slow to write {missing} of the frames.")
    print(json.dumps(asdict(summary)))


async def stream(
    url: str,
    place: Input,
    style: str,
    target: Target,
    *,
    flow: str = "dis",
    share_frames: bool = False,
    strength: float = 1.0,
    seconds: float = math.inf,
    loop: bool = False,
    patience_s: float = PATIENCE_S,
) -> Summary:
    """Play the input to the gateway at `url`, in real time, and write what a viewer would see to the target.

    `flow` is one of ESTIMATORS. With `share_frames` the edge may keep the key frames for a day and learn from them. It
    ends with the input or after `seconds`; Ctrl-C ends it, too, and leaves what there is of a live source or an output
    that is watched. A live source that has gone is tried again for `patience_s`; one that does not come back leaves
    what there is, and raises MVStylizerError.

    Raises MVStylizerError if the input cannot be read, the output cannot be written, or no gateway takes the stream.
    """
    compile_all()
    ended, running = asyncio.Event(), asyncio.get_running_loop()
    started_s = monotonic()
    with await in_daemon_thread(lambda: Clip(place, seconds=seconds)) as clip:
        on_failure = partial(running.call_soon_threadsafe, ended.set)
        with ended_by_signals() if target.kind == "network" else contextlib.nullcontext():
            painter = await in_daemon_thread(
                lambda: Painter(target, clip, ESTIMATORS[flow](), on_failure, strength=strength)
            )
        viewer, pacer = Viewer(painter), FramePacer()
        camera = ClipCamera(
            clip,
            viewer.show,
            painter.packet,
            pacer=pacer,
            on_cut=lambda frame_id: connection.send(SceneCut(frame_id)),
            loop=loop,
            patience_s=patience_s,
        )
        camera.on("ended", ended.set)

        def hear(message: GatewayMessage) -> None:
            pacer.obey(message)
            viewer.hear(message)

        def connect() -> Connection:
            pacer.begin()
            return Connection(url, on_grid=viewer.arrive, on_control=hear)

        connection = ReconnectingClient(
            connect,
            camera,
            size=camera.sent_size,
            style=style,
            on_open=lambda opened: allow_learning(opened.control) if share_frames and opened.control else None,
        )
        keeps_the_rest = clip.source.is_live or target.kind in ("pipe", "network", "camera")
        try:
            with stopped_by_signals(ended) if keeps_the_rest else contextlib.nullcontext():
                await _play(connection, camera, ended, painter)
            if camera.error and not keeps_the_rest:
                raise camera.error
            if viewer.error and not viewer.key_frames:
                raise MVStylizerError(viewer.error)
        except BaseException as error:
            await in_daemon_thread(partial(painter.abandon, error))
            raise
        await in_daemon_thread(painter.close)
    if camera.error:
        raise camera.error
    return viewer.summary(monotonic() - started_s, sent_frames=camera.sent, skipped_frames=camera.skipped)


@contextlib.contextmanager
def stopped_by_signals(ended: asyncio.Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM set the event, instead of what they usually do."""
    running = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        running.add_signal_handler(number, ended.set)
    try:
        yield
    finally:
        for number in STOP_SIGNALS:
            running.remove_signal_handler(number)


async def _play(connection: ReconnectingClient, camera: ClipCamera, ended: asyncio.Event, painter: Painter) -> None:
    """Stream until the camera ends or the painter cannot go on. Raises MVStylizerError if the output hangs."""
    try:
        await connection.open()
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), CHECK_S)
            painter.check()
        await asyncio.sleep(LINGER_S)
    finally:
        await camera.close()
        await connection.close()


def allow_learning(control: RTCDataChannel) -> None:
    """Tell the gateway that it may learn, as soon as the channel is open, and again whenever its Redis forgot it."""
    choice = SharingChoice(on=True).to_text()

    def on_message(text: str) -> None:
        with contextlib.suppress(BadMessage):
            if isinstance(read_gateway_message(text), SharingForgotten):
                control.send(choice)

    control.on("message", on_message)
    if control.readyState == "open":
        control.send(choice)
    else:
        control.once("open", lambda: control.send(choice))


def compile_all() -> None:
    """Compile reassembly before the camera starts. On a machine's first run this takes seconds."""
    still = np.zeros((32, 32), np.uint8)
    normalized_flow = flow_between(still, still, ESTIMATORS["none"]()).lookup_flow
    apply_grid(np.zeros((2, 2, 3), np.uint8), carry_grid(IDENTITY, normalized_flow))


class Viewer:
    """Passes frames, answers and messages on to the painter, and counts them."""

    def __init__(self, painter: Painter) -> None:
        self.painter = painter
        self.key_frames = 0
        self.error = ""
        self._captured_s: LruCache[int, float] = LruCache(REMEMBERED)
        self._look_captured_s: float | None = None
        self._round_trips_ms: list[float] = []
        self._ages_ms: list[float] = []
        self._frames = self._stylized = self._dropped = 0

    def show(self, frame: CameraFrame) -> None:
        self._captured_s.put(frame.frame_id, frame.captured_s)
        self._frames += 1
        if self._look_captured_s is not None:
            self._stylized += 1
            self._ages_ms.append((frame.captured_s - self._look_captured_s) * 1e3)
        self.painter.show(frame)

    def arrive(self, header: dict, grid: np.ndarray) -> None:
        captured_s = self._captured_s.get(header["frame_id"])
        if captured_s is None:
            return
        self.key_frames += 1
        self._round_trips_ms.append((monotonic() - captured_s) * 1e3)
        self._look_captured_s = captured_s
        self.painter.arrive(header["frame_id"], grid, cut=header.get("cut") is True)

    def hear(self, message: GatewayMessage) -> None:
        match message:
            case KeyFramePicked():
                self.painter.announce(message.frame_id)
            case KeyFrameDropped():
                self._dropped += 1
            case ErrorMessage():
                self.error = message.error

    def summary(self, seconds: float, *, sent_frames: int, skipped_frames: int) -> Summary:
        return Summary(
            frames=self._frames,
            sent_frames=sent_frames,
            skipped_frames=skipped_frames,
            key_frames=self.key_frames,
            stylized_frames=self._stylized,
            dropped_key_frames=self._dropped,
            written_frames=self.painter.written,
            dropped_packets=self.painter.dropped_packets,
            seconds=round(seconds, 2),
            round_trip_p50_ms=_percentile(self._round_trips_ms, 50),
            round_trip_p95_ms=_percentile(self._round_trips_ms, 95),
            key_frame_age_p50_ms=_percentile(self._ages_ms, 50),
        )


def _percentile(values: list[float], percent: float) -> float | None:
    return round(float(np.percentile(values, percent)), 1) if values else None


def _ms(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} ms"
