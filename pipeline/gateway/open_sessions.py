"""A gateway's sessions, and who gets a place among them."""

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor

from pipeline.contract.settings import Settings
from pipeline.gateway.admission import Admission, CpuMeter, Holder
from pipeline.gateway.session import Session
from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.monitoring.stream_stats import StreamStats
from pipeline.queues.broker import GatewayBroker


class OpenSessions(Mapping[str, Session]):
    """Sessions by stream id. A session leaves when it has closed."""

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
        self._sessions: dict[str, Session] = {}
        self._clients: dict[str, str] = {}  # by stream: whose places they are
        self._closing: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)

    def __getitem__(self, stream_id: str) -> Session:
        return self._sessions[stream_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sessions)

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, *, client: str, style_id: str, picture_size: tuple[int, int]) -> Session:
        """A session that has no peer yet. Raises Busy where there is no place for one."""
        self._make_place(client)
        session = Session(
            stream_id=secrets.token_hex(8),
            style_id=style_id,
            picture_size=picture_size,
            settings=self._settings,
            broker=self._broker,
            executor=self._executor,
            stats=StreamStats(self._metrics, number=next(self._numbers), shown_s=time.monotonic()),
            find_style=self._find_style,
            on_closed=self._forget,
        )
        self._sessions[session.stream_id], self._clients[session.stream_id] = session, client
        self._metrics.sessions.set(len(self._sessions))
        return session

    def _make_place(self, client: str) -> None:
        """Raise Busy before anything is made for a session that there is no place for."""
        now_s, sessions = time.monotonic(), list(self._sessions.values())
        holders = [Holder(self._clients[s.stream_id], now_s - s.began_s, s.stats.frames > 0) for s in sessions]
        gone = self._admission.admit(holders, client, self.cpu.cores)
        if gone is not None:
            self._metrics.sessions_cut.labels("pending").inc()
            self._forget(sessions[gone])
            task = asyncio.create_task(sessions[gone].close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def styles(self) -> set[str]:
        """The ids of the styles on show."""
        return {session.style_id for session in self._sessions.values()}

    async def close(self) -> None:
        await asyncio.gather(*self._closing, *(session.close() for session in list(self._sessions.values())))

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.stream_id, None)
        self._clients.pop(session.stream_id, None)
        self._metrics.sessions.set(len(self._sessions))
