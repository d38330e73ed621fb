"""People connect to a real gateway while others flood it with offers."""

import asyncio
import json

import pytest

from pipeline.capacity import admission
from pipeline.contract.settings import networks
from pipeline.http.client_address import ClientAddresses
from pipeline.http.rate_limits import Buckets, Rate, RateLimit
from pipeline.styles.catalog import shipped
from support.paths import OFFERS
from support.peers import Client, Running, until
from support.raw_http import JSON, Socket

OFFER = (OFFERS / "aiortc.sdp").read_bytes().decode()
BODY = json.dumps({"type": "offer", "sdp": OFFER, "style": shipped()[0].id, "width": 640, "height": 360}).encode()


async def offered(running: Running, *headers: str) -> tuple[int, dict[str, str], dict]:
    async with Socket(running) as socket:
        socket.ask("POST /offer", JSON, *headers, body=BODY)
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


@pytest.mark.parametrize(("peer", "forwarded_for", "client"), [
    ("203.0.113.7", "1.2.3.4", "203.0.113.7"), ("127.0.0.1", "", "127.0.0.1"), ("127.0.0.1", "1.2.3.4", "1.2.3.4"),
    ("127.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"), ("127.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.9", "1.2.3.4"),
    ("127.0.0.1", "nonsense", "127.0.0.1"), ("127.0.0.1", "6.6.6.6, nonsense, 10.0.0.9", "10.0.0.9"),
    ("::ffff:10.1.2.3", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("fe80::1%eth0", "", "fe80::/64"),
    ("", "", "unknown"),
])  # fmt: skip
def test_a_client_is_the_last_hop_that_is_no_proxy_of_ours(peer, forwarded_for, client):
    assert ClientAddresses(networks("127.0.0.1, 10.0.0.0/8")).of(peer, forwarded_for) == client


def test_a_bucket_lets_its_rate_through_and_its_burst_before():
    limit = RateLimit(Rate(2, 5), Rate(1000, 1000))

    assert sum(limit.wait_s("a", 0.0) == 0 for _ in range(100)) == 5
    assert limit.wait_s("a", 0.0) == 0.5
    assert sum(limit.wait_s("a", 0.1 * i) == 0 for i in range(100)) in (19, 20)


def test_many_who_ask_often_do_not_shut_out_one_who_asks_for_the_first_time():
    limit, admitted = RateLimit(Rate(1, 10), Rate(20, 40)), 0
    for i in range(10_000):
        for flooder in range(50):
            limit.wait_s(f"f{flooder}", i / 1000)
        if i % 1000 == 999:
            admitted += limit.wait_s(f"new {i}", i / 1000) == 0

    assert admitted >= 9


def test_what_is_remembered_of_addresses_has_an_end():
    buckets = Buckets(limit=100)
    for i in range(1000):
        buckets.of(str(i), Rate(1, 1), 0.0)

    assert len(buckets) == 100
