"""Many clients in one process. Each keeps a session, sends a recording, and notes how late its looks come."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection as Pipe

from clients.load.open_loop import PATIENCE_S, OpenLoopSchedule
from clients.load.recording import Recording
from clients.load.replay import Replay
from clients.net.connection import Connection
from pipeline.basics.lru import LruCache
from pipeline.contract.control import KeyFrameRequest
from pipeline.contract.errors import Busy, MVStylizerError
from pipeline.webrtc import patches

#: The longest latency, in microseconds. A lost look is counted with it instead of being left out.
LONGEST_US = round(PATIENCE_S * 1e6)
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
    key_frames_per_s: float
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
    frames: int = 0  # sent
    late_frames: int = 0  # sent late, which is the generator's own fault
    answers: int = 0  # with those that served no look
    served: int = 0  # looks that came
    lost: int = 0  # looks that did not come in time
    refused: int = 0  # attempts to connect for which the gateway had no place
    failed: int = 0  # attempts to connect and sessions that ended in any other way
    #: Why clients were refused or failed, and how often.
    reasons: Counter[str] = field(default_factory=Counter)
    latencies_us: list[int] = field(default_factory=list)

    def serve(self, seconds: float) -> None:
        self.served += 1
        self.latencies_us.append(min(LONGEST_US, max(1, round(seconds * 1e6))))

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
    """One client. It asks for a key frame when a look is due, and comes back when it is refused or cut off."""

    def __init__(self, plan: Plan, recording: Recording, counters: Callable[[], LoadCounters]) -> None:
        """`counters` returns the counters to write to at the moment."""
        self._plan, self._recording, self._counters = plan, recording, counters
        self._every = max(1, round(recording.fps / plan.key_frames_per_s))
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
        self._schedule, self._sent = OpenLoopSchedule(), 0
        self._captured_s: LruCache[int, float] = LruCache(REMEMBERED)
        self._replay = Replay(self._recording, self._on_frame)
        self._connection = Connection(
            self._plan.url, on_grid=self._on_grid, on_control=lambda _: None, unpack=lambda packed, shape: None
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
            self._counters().lose(self._schedule.abandon())
            self._replay.stop()
            await self._connection.close()

    def _on_frame(self, frame_id: int, due_s: float) -> None:
        counters = self._counters()
        self._captured_s.put(frame_id, due_s)
        counters.frames += self._plan.counts(due_s)
        counters.late_frames += self._replay.is_late
        if self._sent % self._every == 0 and self._plan.counts(due_s):
            self._schedule.due(due_s)
        self._sent += 1
        if self._sent % self._every == 0:
            self._ask(self._replay.next_id)
        counters.lose(self._schedule.expire(time.monotonic()))

    def _ask(self, frame_id: int) -> None:
        self._connection.send(KeyFrameRequest(frame_id))

    def _on_grid(self, header: dict, grid: object) -> None:
        captured_s = self._captured_s.get(header["frame_id"])
        if captured_s is None:
            return
        if self._plan.counts(captured_s):
            self._counters().answers += 1
            self.answers += 1
        for seconds in self._schedule.answered(captured_s, time.monotonic()):
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
        return taken


def run(plan: Plan, clients: Sequence[int], parent: Pipe) -> None:
    """The main function of a process: says "ready", hears when to start, sends a report a second, and hangs up."""
    parent.send("ready")
    with patches.installed():
        asyncio.run(VirtualClients(replace(plan, start_s=parent.recv()), clients).run(parent.send))
    parent.close()
