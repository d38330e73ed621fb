"""Many clients in one process. Each keeps a session, sends a recording, and notes how late its looks come."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection as Pipe

from clients.load.announced import AnnouncedKeyFrames
from clients.load.open_loop import PATIENCE_S, OpenLoopSchedule
from clients.load.recording import Recording
from clients.load.replay import Replay
from clients.net.connection import Connection
from pipeline.basics.lru import LruCache
from pipeline.contract.control import (
    ClientMessage,
    FrameRequest,
    GatewayMessage,
    KeyFrameDropped,
    KeyFramePicked,
    KeyFrameRequest,
    Pace,
    SceneCut,
)
from pipeline.contract.errors import Busy, MVStylizerError
from pipeline.webrtc import patches

#: The longest latency, in microseconds. A lost look is counted with it instead of being left out.
LONGEST_US = round(PATIENCE_S * 1e6)
#: The oldest look, in microseconds. An older one is counted as this old.
OLDEST_US = 600_000_000
#: Seconds from one report to the next.
REPORT_S = 1.0
#: Nothing is counted for this long after the last client came: styles are analysed, and codecs find their bit rate.
SETTLE_S = 3.0
#: The shortest pause after a failure.
RETRY_S = 0.5
#: Frames whose answers may still come: four seconds of them at 60 a second.
REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """What every process of a load test knows. `start_s` is `time.monotonic()`, which all processes share."""

    url: str
    style: str
    recordings: tuple[Recording, ...]  # client i sends recording i modulo their number
    key_frames_per_s: float | None  # that each client asks for; None leaves it to the gateway
    clients: int
    ramp_s: float  # from the first client to the last one
    seconds: float
    start_s: float = 0.0  # set when all processes are ready

    def begins_s(self, client: int) -> float:
        return self.start_s + self.ramp_s * client / self.clients

    def counts(self, due_s: float) -> bool:
        """Whether a look that is due then is counted. Looks are asked for at all times."""
        return self.count_from_s <= due_s < self.end_s

    @property
    def count_from_s(self) -> float:
        return self.start_s + self.ramp_s + SETTLE_S

    @property
    def end_s(self) -> float:
        return self.count_from_s + self.seconds


@dataclass(slots=True)
class LoadCounters:
    """What happened since the last report."""

    live: int = 0  # clients that have a session right now
    shown: int = 0  # frames of the camera
    frames: int = 0  # of these, sent
    sent_bytes: int = 0  # of video, without UDP's and IP's headers
    said: int = 0  # control messages to the gateway
    heard: int = 0  # and from it
    late_frames: int = 0  # sent late, which is the generator's own fault
    answers: int = 0  # with those that served no look
    served: int = 0  # looks that came
    lost: int = 0  # looks that did not come in time
    refused: int = 0  # attempts to connect for which the gateway had no place
    failed: int = 0  # attempts to connect and sessions that ended in any other way
    #: Why clients were refused or failed, and how often.
    reasons: Counter[str] = field(default_factory=Counter)
    latencies_us: list[int] = field(default_factory=list)
    #: How old the look on show was at each frame of the camera, in microseconds.
    ages_us: list[int] = field(default_factory=list)
    #: Answers to each client so far, by its number.
    answers_of: dict[int, int] = field(default_factory=dict)

    def serve(self, seconds: float) -> None:
        self.served += 1
        self.latencies_us.append(min(LONGEST_US, max(1, round(seconds * 1e6))))

    def show(self, sent_bytes: int, age_s: float | None) -> None:
        """Count a frame of the camera, which was left out if it has no bytes; `age_s` is None without a look."""
        self.shown += 1
        self.frames += sent_bytes > 0
        self.sent_bytes += sent_bytes
        if age_s is not None:
            self.ages_us.append(min(OLDEST_US, max(1, round(age_s * 1e6))))

    def refuse(self, reason: str) -> None:
        self.refused += 1
        self.reasons[reason] += 1

    def fail(self, reason: str) -> None:
        self.failed += 1
        self.reasons[reason] += 1

    def lose(self, looks: int) -> None:
        self.lost += looks
        self.latencies_us += [LONGEST_US] * looks


class VirtualClient:
    """One client, which comes back when it is refused or cut off.

    It asks for a key frame when a look is due, or leaves it to the gateway when looks are renewed.
    """

    def __init__(self, plan: Plan, recording: Recording, counters: Callable[[], LoadCounters]) -> None:
        """`counters` returns the counters to write to at the moment."""
        self._plan, self._recording, self._counters = plan, recording, counters
        rate = plan.key_frames_per_s
        self._every = None if rate is None else max(1, round(recording.fps / rate))  # frames from one look to the next
        self._look_captured_s: float | None = None  # stays while the client is cut off
        self.answers = 0

    async def live(self) -> None:
        """Connect, again and again, until this is cancelled."""
        while True:
            try:
                await self._session()
            except Busy as refusal:
                self._counters().refuse(str(refusal))
                await asyncio.sleep(refusal.retry_after_s * (1 + random.random()))
            except Exception as error:
                self._counters().fail(reason_of(error))
                await asyncio.sleep(RETRY_S * (1 + random.random()))

    async def _session(self) -> None:
        self._looks: OpenLoopSchedule | AnnouncedKeyFrames
        self._looks, self._seen = OpenLoopSchedule() if self._every else AnnouncedKeyFrames(), 0
        self._captured_s: LruCache[int, float] = LruCache(REMEMBERED)
        self._replay = Replay(self._recording, self._on_frame, lambda frame_id: self._send(SceneCut(frame_id)))
        self._connection = Connection(
            self._plan.url, on_grid=self._on_grid, on_control=self._on_control, unpack=lambda packed, shape: None
        )
        try:
            await self._connection.open(self._replay, size=self._recording.size, style=self._plan.style)
            assert self._connection.video, "it is open"
            self._counters().live += 1
            self._replay.play(self._connection.video)
            try:
                await self._connection.lost.wait()
                raise MVStylizerError("The gateway ended the session, or fell silent.")
            finally:
                self._counters().live -= 1
        finally:
            self._counters().lose(self._looks.abandon())
            self._replay.stop()
            await self._connection.close()

    def _on_frame(self, frame_id: int, due_s: float) -> None:
        counters = self._counters()
        self._captured_s.put(frame_id, due_s)
        counters.late_frames += self._replay.is_late
        if self._plan.counts(due_s):
            age_s = None if self._look_captured_s is None else due_s - self._look_captured_s
            counters.show(self._replay.sent_bytes, age_s)
        if self._every:
            self._ask_when_due(due_s, self._every)
        counters.lose(self._looks.expire(time.monotonic()))

    def _ask_when_due(self, due_s: float, every: int) -> None:
        if self._seen % every == 0 and self._plan.counts(due_s):
            self._looks.due(due_s)
        self._seen += 1
        if self._seen % every == 0:
            self._replay.ask()
            self._send(KeyFrameRequest(self._replay.next_id))

    def _send(self, message: ClientMessage) -> None:
        self._counters().said += self._plan.counts(time.monotonic())
        self._connection.send(message)

    def _on_control(self, message: GatewayMessage) -> None:
        self._counters().heard += self._plan.counts(time.monotonic())
        match message:
            case Pace():
                self._replay.keep_pace(message.fps)
            case FrameRequest():
                self._replay.ask()
            case KeyFramePicked() | KeyFrameDropped():
                self._note(message)

    def _note(self, message: KeyFramePicked | KeyFrameDropped) -> None:
        """What becomes of the key frames that the gateway chose. Those that the test asks for are noted when due."""
        captured_s, looks = self._captured_s.get(message.frame_id), self._looks
        if captured_s is None or not isinstance(looks, AnnouncedKeyFrames):
            return
        if isinstance(message, KeyFrameDropped):
            self._counters().lose(looks.drop(captured_s))
        elif self._plan.counts(captured_s):
            looks.due(captured_s)

    def _on_grid(self, header: dict, grid: object) -> None:
        captured_s = self._captured_s.get(header["frame_id"])
        if captured_s is None:
            return
        self._look_captured_s = captured_s
        served = self._looks.answered(captured_s, time.monotonic())
        if self._plan.counts(captured_s):
            self._counters().answers += 1
            self.answers += 1
        for seconds in served:
            self._counters().serve(seconds)


def reason_of(error: Exception) -> str:
    """One line for an error. Our own errors are sentences; others say more with their names."""
    return str(error) if isinstance(error, MVStylizerError) else f"{type(error).__name__}: {error}"


class VirtualClients:
    """The virtual clients of one process. They share counters, which are reported and replaced each second."""

    def __init__(self, plan: Plan, clients: Sequence[int]) -> None:
        """`clients` are the numbers of this process's clients."""
        self._plan, self._counters = plan, LoadCounters()
        recordings = plan.recordings
        self.clients = {
            i: VirtualClient(plan, recordings[i % len(recordings)], lambda: self._counters) for i in clients
        }

    async def run(self, on_report: Callable[[LoadCounters], None]) -> None:
        """Run until the plan has ended and the last looks came or are lost; `on_report` is called each second."""
        tasks = [asyncio.create_task(self._live(number)) for number in self.clients]
        while time.monotonic() < self._plan.end_s + PATIENCE_S:
            await asyncio.sleep(REPORT_S)
            on_report(self._take())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        on_report(self._take())

    async def _live(self, number: int) -> None:
        await asyncio.sleep(max(0.0, self._plan.begins_s(number) - time.monotonic()))
        await self.clients[number].live()

    def _take(self) -> LoadCounters:
        taken, self._counters = self._counters, LoadCounters(live=self._counters.live)
        taken.answers_of = {number: client.answers for number, client in self.clients.items()}
        return taken


def run(plan: Plan, clients: Sequence[int], parent: Pipe) -> None:
    """The main function of a process: says "ready", hears when to start, sends a report a second, and hangs up."""
    parent.send("ready")
    with patches.installed():
        asyncio.run(VirtualClients(replace(plan, start_s=parent.recv()), clients).run(parent.send))
    parent.close()
