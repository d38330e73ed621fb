"""/metrics, /status and /status.json of a real gateway: who may see them, and that they are true."""
import asyncio
import re
from collections.abc import Callable

import pytest

from conftest import RedisServer
from peers import Client, FlatEdge, Running, until
from pipeline.broker import connect
from pipeline.messages import WeightSnapshot
from pipeline.metrics import AggregatorMetrics, WorkerMetrics
from pipeline.reports import Reporter
from pipeline.snapshots import Snapshots
from pipeline.styles import shipped

TOKEN = "a-token-of-operators"
PATHS = ["/metrics", "/status", "/status.json"]


@pytest.fixture
def web_root(tmp_path):
    (tmp_path / "index.html").write_text("<title>page</title>")
    (tmp_path / "status.html").write_text("<title>status</title>")
    return tmp_path


@pytest.fixture
async def running(redis_url, web_root):
    async with Running(redis_url, web_root) as gateway:
        yield gateway


async def state(running: Running) -> dict:
    async with running.http.get("/status.json") as response:
        return await response.json()


async def reached(running: Running, condition: Callable[[dict], bool]) -> dict:
    """The state, as soon as it meets the condition; TimeoutError if it does not."""
    async with asyncio.timeout(20):
        while not (found := await state(running)) or not condition(found):
            await asyncio.sleep(0.1)
    return found


# who may see


@pytest.mark.parametrize("path", PATHS)
async def test_this_machine_sees_all(running, path):
    async with running.http.get(path) as response:
        assert response.status == 200
        assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("host", "headers"),
    [("0.0.0.0", {}), ("127.0.0.1", {"X-Forwarded-For": "203.0.113.7"}), ("127.0.0.1", {"Host": "rebound.example"})],
)
async def test_others_need_the_token(redis_url, web_root, path, host, headers):
    async with Running(redis_url, web_root, host=host) as running:
        async with running.http.get(path, headers=headers) as response:
            assert response.status == 401
            assert (await response.json())["error"].startswith("This is for operators")
            assert response.headers["WWW-Authenticate"] == "Bearer"
        token = {**headers, "Authorization": f"Bearer {running.gateway.operators.access.token}"}
        async with running.http.get(path, headers=token) as response:
            assert response.status == 200
        async with running.http.get("/readyz", headers=headers) as response:
            assert response.status == 503  # who asks needs no token


async def test_a_token_in_the_address_becomes_a_cookie_that_scripts_cannot_read(redis_url, web_root):
    async with Running(redis_url, web_root, host="0.0.0.0", operator_token=TOKEN) as running:
        async with running.http.get("/status?token=wrong") as response:
            assert response.status == 401 and "Set-Cookie" not in response.headers
        async with running.http.get(f"/status?token={TOKEN}") as response:
            cookie = response.headers["Set-Cookie"]
        jar = {"Cookie": cookie.split(";")[0]}
        async with running.http.get("/status.json", headers=jar) as response:
            assert response.status == 200

    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie


async def test_the_operators_page_has_no_second_door(redis_url, web_root):
    async with Running(redis_url, web_root, host="0.0.0.0") as running:
        async with running.http.get("/status.html") as response:
            assert response.status == 404


# what they see


async def test_a_stream_is_told_with_its_look_and_without_its_name(running, redis_url):
    edge, client = FlatEdge(redis_url), Client(running.url)
    stream_id = await client.open(shipped()[0].id)

    found = await reached(running, lambda s: s["streams"] and s["streams"][0]["answers"] > 3 and s["stages_ms"]
                          and s["streams"][0]["fps"])
    async with running.http.get("/metrics") as response:
        text = await response.text()
    await client.close()
    edge.close()

    (stream,) = found["streams"]
    assert (stream["number"], stream["style"], stream["size"]) == (1, shipped()[0].name, [320, 240])
    assert 5 < stream["fps"] <= 40 and 0 <= stream["age_s"] < 5
    assert list(found["stages_ms"]) == ["encode", "queue", "decode", "stylize", "return"]
    assert found["figures"]["round_trip_p50_ms"] > 0
    bytes_in = float(re.search(r'mvs_network_bytes_total{direction="in"} (\S+)', text)[1])
    assert bytes_in > 1000
    for secret in (stream_id, "127.0.0.1", running.gateway.operators.access.token):
        assert secret not in text and secret not in str(found)


async def test_queue_roles_and_rounds_come_from_redis(running, redis_url):
    with connect(redis_url) as connection:
        worker, aggregator = WorkerMetrics(), AggregatorMetrics()
        worker.model.info({"version": "abcdef"})
        aggregator.round.set(4)
        Reporter(connection, "stylize", worker.registry).tell()
        Reporter(connection, "aggregate", aggregator.registry).tell()
        for version in (3, 4, 4):
            weights = b"%d" % version
            snapshot = WeightSnapshot.of(weights, edge_id="cloud", base_version=version, num_examples=80 * version,
                                         loss_before=0.5, loss_after=0.4)
            Snapshots(connection).publish_global(snapshot, weights)

    found = await reached(running, lambda s: s["models"])

    assert found["models"] == {"abcdef": 1}
    assert [r["version"] for r in found["rounds"]] == [3, 4] and found["rounds"][0]["images"] == 240
    assert {role["role"]: role["processes"] for role in found["roles"]} == {
        "gateway": 1, "stylize": 1, "train": 0, "aggregate": 1
    }
    assert found["troubles"] == ["No edge worker is warm: no look is renewed."]  # it told its metrics, not its beacon


async def test_key_frames_that_nobody_takes_are_seen_in_the_queue(running):
    client = Client(running.url)
    await client.open()

    found = await reached(running, lambda s: s["figures"]["queue"] and s["streams"][0]["drops"].get("deadline"))
    await client.close()

    assert found["history"]["queue"][-1] == found["figures"]["queue"] <= 2
    assert found["streams"][0]["in_flight"] <= 2


async def test_without_redis_the_page_goes_on_and_counters_do_not_fall(tmp_path, web_root):
    server = RedisServer(tmp_path)
    server.start()
    async with Running(server.url, web_root) as running:
        with connect(server.url) as connection:
            metrics = WorkerMetrics()
            metrics.busy_seconds.inc(5)
            Reporter(connection, "stylize", metrics.registry).tell()
        await reached(running, lambda s: s["models"] == {} and s["roles"][1]["processes"])
        server.stop()

        found = await reached(running, lambda s: s["figures"]["queue"] is None)

        assert found["troubles"] == ["Redis does not answer: looks stay as they are."]
        assert running.count("mvs_edge_busy_seconds_total") == 5


async def test_the_loop_is_probed(running):
    await until(lambda: running.count("mvs_event_loop_lag_seconds_count") > 2)
