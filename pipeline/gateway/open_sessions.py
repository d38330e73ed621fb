"""Holds a gateway's sessions, opens new ones within the limits, and closes those that must make room."""

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor

from pipeline.capacity.admission import Admission, CpuMeter, Holder
from pipeline.capacity.giving_way import Concessions, GivingWay, Load, steps
from pipeline.capacity.turns import KeyFrameTurns
from pipeline.contract.errors import Busy
from pipeline.contract.settings import Settings
from pipeline.gateway.session import Session
from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.monitoring.sample import Reductions
from pipeline.monitoring.stream_stats import StreamStats
from pipeline.queues.broker import GatewayBroker

#: How many clients are told to move in a second, since each of them makes an offer at once.
MOVES_PER_S = 10
#: Another gateway takes the offer at once; if there is none, a new one is started in this place.
STOPPING = "This gateway is about to stop; try again in a moment."
STOPPING_RETRY_S = 1.0


class OpenSessions(Mapping[str, Session]):
    """The open sessions by stream id. A session is removed when it has closed."""

    def __init__(
        self,
        settings: Settings,
        metrics: GatewayMetrics,
        broker: GatewayBroker,
        executor: Executor,
        find_style: Callable[[str], str | None],
    ) -> None:
        self._settings, self._metrics, self._broker, self._executor = settings, metrics, broker, executor
        self._find_style = find_style
        self._admission, self.cpu = Admission(settings.max_sessions, settings.cpu_budget), CpuMeter()
        self.turns, self._giving_way = KeyFrameTurns(), GivingWay(settings.cpu_budget)
        self.concessions = Concessions()
        self._sessions: dict[str, Session] = {}
        self._clients: dict[str, str] = {}  # the client of each session, by stream id
        self._closing: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._none_left = asyncio.Event()
        self.draining = False

    def __getitem__(self, stream_id: str) -> Session:
        return self._sessions[stream_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sessions)

    def __len__(self) -> int:
        return len(self._sessions)

    def open(
        self, *, client: str, style_id: str, picture_size: tuple[int, int], replaces: str | None = None
    ) -> Session:
        """Open a session whose peer is not connected yet. Raises Busy if there is no place for it.

        `replaces` is the stream id of the client's earlier session, whose connection was lost: it ends, and gives its
        place to the new one. Only that client knows the id.
        """
        if self.draining:
            raise Busy(STOPPING, STOPPING_RETRY_S)
        self._make_place(client, replaces)
        session = Session(
            stream_id=secrets.token_hex(8),
            style_id=style_id,
            picture_size=picture_size,
            settings=self._settings,
            broker=self._broker,
            executor=self._executor,
            stats=StreamStats(self._metrics, number=next(self._numbers), shown_s=time.monotonic()),
            turns=self.turns,
            find_style=self._find_style,
            on_closed=self._forget,
        )
        session.concede(self.concessions)
        self._sessions[session.stream_id], self._clients[session.stream_id] = session, client
        self._metrics.sessions.set(len(self._sessions))
        return session

    def _make_place(self, client: str, replaces: str | None) -> None:
        """Close the session that is replaced, and one without video, or in a pause, if need be.

        Raises Busy if there is no place for a session of this client; then none is closed.
        """
        now_s, sessions = time.monotonic(), [s for s in self._sessions.values() if s.stream_id != replaces]
        holders = [
            Holder(self._clients[s.stream_id], now_s - s.began_s, s.stats.frames > 0 and not s.is_paused)
            for s in sessions
        ]
        gone = self._admission.admit(holders, client, self.cpu.cores, self.concessions)
        if gone is not None:
            self._metrics.sessions_cut.labels("pending").inc()
            self._close(sessions[gone])
        if replaces in self._sessions:
            self._close(self._sessions[replaces])

    def _close(self, session: Session) -> None:
        """Free a session's place at once, and its resources soon."""
        self._forget(session)
        task = asyncio.create_task(session.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def give_way(self, now_s: float) -> None:
        """Decide which reductions hold for all sessions, and apply them. This is called once a second."""
        streams = sum(not session.is_paused for session in self._sessions.values())
        load = Load(self.cpu.cores, self.turns.wait_s(now_s), self.turns.per_s(now_s), streams)
        self.concessions = self._giving_way.update(load)
        self._metrics.key_frame_stretch.set(self.concessions.stretch)
        self._metrics.asked_frame_rate.set(self.concessions.fps)
        self._metrics.turn_wait.set(load.turn_wait_s)
        for session in self._sessions.values():
            session.concede(self.concessions)
        self.turns.advance(now_s)

    def reductions(self, queue: int) -> Reductions:
        """Return for operators which reductions are in effect, given the length of the edge's queue."""
        now_s = time.monotonic()
        ages_s = [now_s - session.began_s for session in self._sessions.values()]
        refuses = self._admission.refusal(ages_s, self.cpu.cores, self.concessions) is not None
        order = steps(self.concessions, training_waits=queue > 0, refuses=refuses)
        return Reductions(order, self.concessions.look_interval_s)

    def styles(self) -> set[str]:
        """Return the ids of the styles that sessions use now."""
        return {session.style_id for session in self._sessions.values()}

    async def drain(self, limit_s: float) -> None:
        """Admit nobody any more, and let all clients move to another gateway, for `limit_s` at most."""
        self.draining = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                for session in list(self._sessions.values()):
                    session.ask_to_move()
                    await asyncio.sleep(min(1 / MOVES_PER_S, limit_s / 2 / len(self._sessions or (1,))))
                while self._sessions:
                    self._none_left.clear()
                    await self._none_left.wait()

    async def close(self) -> None:
        await asyncio.gather(*self._closing, *(session.close() for session in list(self._sessions.values())))

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.stream_id, None)
        self._clients.pop(session.stream_id, None)
        if not self._sessions:
            self._none_left.set()
        self._metrics.sessions.set(len(self._sessions))
