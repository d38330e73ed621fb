"""Uploads that cost far more to read than to send, at a gateway."""

import numpy as np
import psutil
import pytest

from pipeline.contract.image_codec import encode_jpeg
from pipeline.monitoring.metrics import resident_bytes
from support.pictures import bombs

BOMBS = {
    "5,000 scans": lambda: bombs.progressive_jpeg(2000, 2000, 5000),
    "the largest WebP": lambda: bombs.webp(16_383),
    "a WebP that took 646 MB": lambda: bombs.webp(6300),
    "a PNG of 40 million pixels": lambda: bombs.png(8000, 5000, colour=6),
    "text that inflates": lambda: bombs.png(64, 64, extra=bombs.text_bomb(b"zTXt", 1) * 100),
    "a profile that inflates": lambda: bombs.png(64, 64, extra=bombs.text_bomb(b"iCCP", 500)),
    "a million comments": lambda: bombs.flooded_jpeg(0xFE, b"", 1_000_000),
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_bomb_gets_one_sentence_and_costs_the_gateway_nothing(running, bomb):
    """Before, the gateway itself decoded them, which took 646 MB, or many seconds of its processor."""
    await running.upload(encode_jpeg(np.full((64, 64, 3), 90, np.uint8)))
    data, memory, cpu = BOMBS[bomb](), resident_bytes(), psutil.Process().cpu_times()

    status, answer = await running.upload(data)

    assert (status, set(answer)) == (400, {"error"}) and answer["error"].endswith(".")
    assert (
        running.count("mvs_uploads_total", outcome="limit") + running.count("mvs_uploads_total", outcome="picture") == 1
    )
    assert resident_bytes() - memory < 64_000_000
    assert psutil.Process().cpu_times().user - cpu.user < 2
