"""Our decoder beside the one that aiortc uses."""

import av
import numpy as np
import pytest
from aiortc.codecs.vpx import Vp8Decoder
from aiortc.jitterbuffer import JitterFrame

from clients.load.recording import record
from pipeline.key_frames.frames import planes
from pipeline.webrtc.media.native_decoder import NativeDecoder


def pictures(decoder, packets) -> list[np.ndarray | None]:
    """None for what cannot be decoded."""
    shown = []
    for number, packet in enumerate(packets):
        try:
            frames = decoder.decode(JitterFrame(packet, 3000 * number))
        except av.FFmpegError:
            frames = [None]
        shown += [frame and np.concatenate([plane.ravel() for plane in planes(frame)]) for frame in frames]
    return shown


@pytest.mark.parametrize("size", [(192, 108), (130, 66)])
def test_our_decoder_shows_what_libvpx_shows(size):
    packets = record(None, size, frames=100).packets

    for ours, theirs in zip(pictures(NativeDecoder("vp8"), packets), pictures(Vp8Decoder(), packets), strict=True):
        assert np.array_equal(ours, theirs)


def test_our_decoder_survives_damage_and_shows_the_next_intra_frame():
    """Every packet but the intra frames is damaged, or cut short."""
    rng = np.random.default_rng(5)
    packets = [bytearray(packet) for packet in record(None, (192, 108), frames=200).packets]
    intra = [number for number, packet in enumerate(packets) if not packet[0] & 1]
    assert len(intra) > 1
    for packet in (packet for number, packet in enumerate(packets) if number not in intra):
        for at in rng.integers(1, len(packet), 4):
            packet[at] = rng.integers(256)
        del packet[rng.integers(1, len(packet) + 1) :]
    whole = {number: pictures(Vp8Decoder(), [bytes(packets[number])])[0] for number in intra}

    decoder = NativeDecoder("vp8")
    for number, packet in enumerate(packets):
        shown = pictures(decoder, [bytes(packet)])
        assert number not in whole or np.array_equal(shown[0], whole[number])


def test_a_picture_that_refers_to_none_is_refused():
    assert pictures(NativeDecoder("vp8"), [record(None, (192, 108), frames=3).packets[1]]) == [None]
