"""A recording that is sent to a gateway, over a path that loses packets."""

import av
import numpy as np
import pytest

from clients.load.fast_rtp_sender import FastRtpSender
from clients.load.recording import Recording, record
from clients.load.replay import Replay
from clients.net.connection import Connection
from pipeline.key_frames.picker import KeyFramePicker
from pipeline.styles.catalog import shipped
from support.webrtc.peers import Running, until


@pytest.fixture(scope="module")
def recording() -> Recording:
    return record(None, (256, 144), fps=30, frames=113)


async def test_pixels_and_strip_reach_a_gateway_as_they_were_recorded(
    redis_url, tmp_path, edge, recording, monkeypatch
):
    """This holds even if packets are lost once each on the way, since the gateway asks for them."""
    decoder, frames, seen = av.CodecContext.create("vp8", "r"), {}, {}
    for index, data in enumerate(recording.packets):
        frames[recording.frame_id(index)] = decoder.decode(av.Packet(data))[0].to_ndarray(format="rgb24")
    lose_some_packets(monkeypatch)
    look = KeyFramePicker.inspect

    def watched(picker, frame, now_s, **more):
        picked = look(picker, frame, now_s, **more)
        if picked:
            seen[picked.frame_id] = frame.to_ndarray(format="rgb24")
        return picked

    monkeypatch.setattr(KeyFramePicker, "inspect", watched)
    async with Running(redis_url, tmp_path) as running:
        connection = Connection(running.url, on_grid=lambda *_: None, on_control=lambda _: None)
        replay = Replay(recording, lambda *_: None)
        await connection.open(replay, size=recording.size, style=shipped()[0].id)
        replay.play(connection.video)
        await until(lambda: len(seen) >= 6)
        replay.stop()
        await connection.close()
        assert running.count("mvs_frames_dropped_total", reason="strip") == 0

    assert all(np.array_equal(frames[frame_id], picture) for frame_id, picture in seen.items())


def lose_some_packets(monkeypatch) -> None:
    """Lose one packet in ten, the first time it is sent; but not the very first, which a receiver would not miss."""
    send, seen = FastRtpSender._send_packets, set()

    def sometimes(sender: FastRtpSender, packets: list[bytes]) -> None:
        numbers = [int.from_bytes(packet[2:4]) for packet in packets]
        lost = {number for number in numbers if number % 10 == 5 and number not in seen}
        send(sender, [packet for number, packet in zip(numbers, packets, strict=True) if number not in lost])
        seen.update(numbers)

    monkeypatch.setattr(FastRtpSender, "_send_packets", sometimes)
