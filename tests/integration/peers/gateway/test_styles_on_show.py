"""Uploaded styles that a session shows."""

import numpy as np
import pytest

from pipeline.contract import redis_keys
from pipeline.contract.image_codec import encode_jpeg
from pipeline.pictures.decode import StyleFiles
from pipeline.styles import routes
from pipeline.styles.store import StyleStore
from support.pictures import bombs
from support.webrtc.peers import Client, until

PHOTO = encode_jpeg(np.full((64, 64, 3), 90, np.uint8))


@pytest.fixture
def kept_at_once(monkeypatch):
    """By the gateways of fixtures after it."""
    monkeypatch.setattr(routes, "COMPARE_S", 0.02)


async def test_styles_that_sessions_show_are_kept_for_them(kept_at_once, running, edge, connection, monkeypatch):
    monkeypatch.setattr(redis_keys, "STYLES_MAX", 1)
    own = StyleStore(connection).save(StyleFiles(PHOTO, PHOTO))
    client = Client(running.url)
    await client.open(own)
    await until(lambda: connection.zscore(redis_keys.STYLE_LEASES, own))

    png = {"Content-Type": "image/png"}
    async with running.http.post("/styles", data=bombs.png(8, 8), headers=png) as response:
        assert response.status == 503
    await client.close()
