"""The gateway's process, whose own tasks have an owner, too."""

import asyncio
from dataclasses import replace

import pytest

from pipeline.contract.errors import BadSetting
from pipeline.contract.settings import Settings
from pipeline.monitoring import task_owner
from support.webrtc.our_parts import another_aiortc
from support.webrtc.peers import until
from workers import gateway
from workers.process.redis_server import free_port


@pytest.fixture
def made(monkeypatch) -> list[gateway.Gateway]:
    """The gateways that `serve` makes."""
    made = []

    def make(*args: object) -> gateway.Gateway:
        made.append(Gateway(*args))
        return made[-1]

    Gateway = gateway.Gateway
    monkeypatch.setattr(gateway, "Gateway", make)
    monkeypatch.setattr(gateway, "tune_garbage_collection", lambda: None)
    return made


async def test_a_heartbeat_that_fails_begins_anew_and_is_counted(redis_url, made, monkeypatch, capsys):
    """Before, it ended silently, and the supervisor killed a healthy gateway."""
    stop, beats = asyncio.Event(), []

    async def beat(pulse: object) -> None:
        beats.append(1)
        if len(beats) == 1:
            raise OSError(9, "Bad file descriptor")
        await asyncio.Event().wait()

    monkeypatch.setattr(task_owner, "RESTART_S", 0.0)
    monkeypatch.setattr(gateway, "beat", beat)
    monkeypatch.setattr(gateway, "_until_stopped", lambda *_: stop.wait())
    settings = replace(Settings(), redis_url=redis_url, port=free_port())

    serving = asyncio.create_task(gateway.serve(settings, tls=False))
    await until(lambda: len(beats) == 2)
    stop.set()
    await serving

    assert made[0].metrics.tasks_restarted.labels("beat")._value.get() == 1
    assert f"is ready: it listens on 127.0.0.1:{settings.port}." in capsys.readouterr().out


async def test_ports_are_not_promised_where_they_cannot_be_kept():
    """Behind a firewall no session would ever connect, and nobody would know why."""
    settings = replace(Settings(), udp_ports=range(40000, 40101))

    with another_aiortc(), pytest.raises(BadSetting, match="MVS_UDP_PORTS"):
        await gateway.serve(settings, tls=False)
