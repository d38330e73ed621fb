"""Long-lived tasks have an owner."""

import asyncio
import threading

from prometheus_client import CollectorRegistry, Counter

from pipeline.monitoring import task_owner


async def test_a_task_that_fails_or_ends_begins_anew_and_is_counted(monkeypatch, caplog):
    monkeypatch.setattr(task_owner, "RESTART_S", 0.0)
    restarted = Counter("restarted", "", ["task"], registry=CollectorRegistry())
    runs: list[str] = []
    third = asyncio.Event()

    async def failing() -> None:
        runs.append("failing")
        if len(runs) == 3:
            third.set()
            await asyncio.Event().wait()
        if len(runs) == 1:
            raise RuntimeError("a surprise")

    owner = task_owner.keep_running({"failing": failing}, restarted)
    await asyncio.wait_for(third.wait(), 5)
    owner.cancel()
    await asyncio.gather(owner, return_exceptions=True)

    assert restarted.labels("failing")._value.get() == 2
    assert "a surprise" in caplog.text and "ended by itself" in caplog.text


async def test_a_task_that_something_it_waits_for_cancels_begins_anew_too(monkeypatch, caplog):
    """Before, a CancelledError from within ended it silently: TaskGroup takes that for a requested cancellation."""
    monkeypatch.setattr(task_owner, "RESTART_S", 0.0)
    restarted = Counter("restarted", "", ["task"], registry=CollectorRegistry())
    again = asyncio.Event()

    async def cancelled_from_within() -> None:
        if restarted.labels("odd")._value.get():
            again.set()
            await asyncio.Event().wait()
        inner = asyncio.ensure_future(asyncio.Event().wait())
        inner.cancel()
        await inner

    owner = task_owner.keep_running({"odd": cancelled_from_within}, restarted)
    await asyncio.wait_for(again.wait(), 30)
    owner.cancel()
    (ended,) = await asyncio.gather(owner, return_exceptions=True)

    assert isinstance(ended, asyncio.CancelledError)
    assert restarted.labels("odd")._value.get() == 1 and "it is restarted" in caplog.text


def test_a_thread_that_fails_or_ends_begins_anew_and_is_counted(monkeypatch, caplog):
    monkeypatch.setattr(task_owner, "RESTART_S", 0.0)
    runs, restarts, third = [], [], threading.Event()

    def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise RuntimeError("a surprise")
        if len(runs) == 3:
            third.set()
            threading.Event().wait()

    task_owner.keep_thread_running("odd", work, lambda: restarts.append(1))

    assert third.wait(30) and len(restarts) == 2
    assert "a surprise" in caplog.text and "ended by itself" in caplog.text
