"""The objects that all parts of one session share."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from pipeline.capacity.turns import KeyFrameTurns
from pipeline.gateway.control_channel import ControlChannel
from pipeline.queues.broker import GatewayBroker

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SessionContext:
    """The objects that all parts of one session share."""

    stream_id: str
    broker: GatewayBroker
    executor: Executor  # for calls that block
    control: ControlChannel
    turns: KeyFrameTurns  # shared by all sessions
    #: Runs a coroutine as a task of the session: it ends with the session, and the session ends if it fails.
    spawn: Callable[[Coroutine[object, object, None]], None]

    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.executor, lambda: function(*args, **kwargs))
