"""What a gateway tells operators of the streams that it serves."""

import re

import pytest

from pipeline.contract import redis_keys
from pipeline.monitoring import monitor
from pipeline.styles.catalog import shipped
from support.system.operators import reached
from support.webrtc.peers import Client


@pytest.fixture(autouse=True)
def sampling_often(monkeypatch):
    monkeypatch.setattr(monitor, "SAMPLE_S", 0.25)


async def test_a_stream_is_told_with_its_look_and_without_its_name(running, edge):
    client = Client(running.url)
    stream_id = await client.open(shipped()[0].id)

    found = await reached(
        running, lambda s: s["streams"] and s["streams"][0]["answers"] > 3 and s["stages_ms"] and s["streams"][0]["fps"]
    )
    async with running.http.get("/metrics") as response:
        text = await response.text()
    await client.close()

    (stream,) = found["streams"]
    assert (stream["number"], stream["style"], stream["size"]) == (1, shipped()[0].name, [320, 240])
    assert 5 < stream["fps"] <= 40 and 0 <= stream["age_s"] < 5
    assert list(found["stages_ms"]) == ["encode", "queue", "decode", "stylize", "return"]
    assert found["figures"]["round_trip_p50_ms"] > 0
    bytes_in = float(re.search(r'mvs_network_bytes_total{direction="in"} (\S+)', text)[1])
    assert bytes_in > 1000
    for secret in (stream_id, "127.0.0.1", running.gateway.operators.access.token):
        assert secret not in text and secret not in str(found)


async def test_key_frames_that_nobody_takes_are_seen_in_the_queue(running, monkeypatch):
    monkeypatch.setattr(redis_keys, "KEY_FRAME_DEADLINE_MS", 500)
    client = Client(running.url)
    await client.open()

    found = await reached(running, lambda s: s["figures"]["queue"] and s["streams"][0]["drops"].get("deadline"))
    await client.close()

    assert found["history"]["queue"][-1] == found["figures"]["queue"] <= 2
    assert found["streams"][0]["in_flight"] <= 2
