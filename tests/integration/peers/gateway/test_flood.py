"""People connect to a real gateway while others flood it with offers."""

import asyncio
import json

from pipeline.capacity import admission
from pipeline.contract.settings import networks
from support.services.raw_http import JSON, Socket
from support.webrtc.good_offer import OFFER
from support.webrtc.peers import Client, Running, until


async def offered(running: Running, *headers: str) -> tuple[int, dict[str, str], dict]:
    async with Socket(running) as socket:
        socket.ask("POST /offer", JSON, *headers, body=json.dumps(OFFER).encode())
        status, found, body = await socket.answer()
    return status, found, json.loads(body)


async def test_whoever_offers_too_often_is_told_when_to_come_back(redis_url, web_root):
    async with Running(redis_url, web_root, offers_per_s=0.001) as running:
        answers = [await offered(running) for _ in range(14)]
        refused = [(headers, body) for status, headers, body in answers if status == 429]

        assert 0 < len(refused) < 14
        assert running.count("mvs_requests_refused_total", reason="rate") == len(refused)
        assert all(int(headers["Retry-After"]) > 0 and body["error"].endswith(".") for headers, body in refused)


async def test_behind_a_trusted_proxy_each_client_has_a_budget_of_its_own(redis_url, web_root):
    trusted = networks("127.0.0.1")
    async with Running(redis_url, web_root, offers_per_s=0.001, trusted_proxies=trusted) as running:
        first = [(await offered(running, "X-Forwarded-For: 203.0.113.7"))[0] for _ in range(3)]
        made_up = [(await offered(running, f"X-Forwarded-For: 198.51.100.{i}, 203.0.113.7"))[0] for i in range(3)]
        other = (await offered(running, "X-Forwarded-For: 203.0.113.8"))[0]

    assert first[0] == other == 200 and set(first[1:] + made_up) == {429}


async def test_people_connect_while_offers_without_video_hold_all_places(redis_url, web_root, monkeypatch):
    """Before, ten such offers a second shut out 85 % of newcomers."""
    monkeypatch.setattr(admission, "PENDING_S", 0.1)
    async with Running(redis_url, web_root, max_sessions=4) as running:
        assert {(await offered(running))[0] for _ in range(4)} == {200}
        client = Client(running.url)
        await until(
            lambda: (
                running.gateway._sessions
                and min(asyncio.get_running_loop().time() - s.began_s for s in running.gateway._sessions.values()) > 0.1
            )
        )

        await client.open()
        await until(lambda: running.count("mvs_frames_received_total") > 3)
        for _ in range(8):
            await offered(running)
        frames = running.count("mvs_frames_received_total")
        await until(lambda: running.count("mvs_frames_received_total") > frames + 10)
        await client.close()

    assert running.count("mvs_sessions_cut_total", reason="pending") >= 1
