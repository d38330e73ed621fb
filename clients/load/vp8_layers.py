"""VP8 in two temporal layers: no frame of the upper layer is needed by another one, so any of them may be left out."""

import fractions
from collections.abc import Callable, Iterable, Iterator

import av
import numpy as np
from av.video.frame import PictureType

#: The lowest rate at which a recording can be sent, in frames a second: this many belong to the base layer.
BASE_FPS = 2.5
#: libvpx repeats its layers after 16 frames at most. Twelve can be halved, and divided by three and four.
LONGEST_DISTANCE = 12
#: Frames of the base layer from one intra frame to the next: three seconds, and what a browser sends when it is asked.
BASE_FRAMES_PER_INTRA = 8
#: The bit rate that browsers reach for 640x360 after their first seconds, and the most that we send of any size.
BITS_PER_PIXEL, MOST_BITS_PER_S = 0.13, 2_500_000
#: The base layer's share of the bit rate, which gives each of its frames 11 KB at 640x360.
BASE_SHARE = 0.25
#: Flags of libvpx (vp8cx.h). No frame uses the golden and alternate references; an upper frame changes nothing at all.
_NO_GOLDEN_NO_ALTERNATE = 1 << 17 | 1 << 21 | 1 << 22 | 1 << 23
_BASE_FLAGS, _UPPER_FLAGS = _NO_GOLDEN_NO_ALTERNATE, _NO_GOLDEN_NO_ALTERNATE | 1 << 18 | 1 << 20


def base_distance(fps: int) -> int:
    """Frames from one of the base layer to the next."""
    return min(LONGEST_DISTANCE, max(1, round(fps / BASE_FPS)))


def intra_distance(fps: int) -> int:
    """Frames from one intra frame to the next; intra frames belong to the base layer."""
    return BASE_FRAMES_PER_INTRA * base_distance(fps)


def encode(pictures: Iterable[np.ndarray], fps: int) -> Iterator[bytes]:
    """One packet per picture (RGB uint8 H W 3, all of one size), encoded as a browser does it: none waits for another.

    Pictures number 0, `base_distance(fps)`, and so on are predicted from the one before of these, and all others from
    the latest of these.
    """
    distance, intra = base_distance(fps), intra_distance(fps)
    for number, picture in enumerate(pictures):
        if number == 0:
            height, width = picture.shape[:2]
            codec = _encoder(width, height, fps)
            base, upper = (_flagged(width, height, fps, flags) for flags in (_BASE_FLAGS, _UPPER_FLAGS))
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, fractions.Fraction(1, fps)
        frame = (upper if number % distance else base)(frame)
        frame.pict_type = PictureType.NONE if number % intra else PictureType.I
        yield b"".join(bytes(packet) for packet in codec.encode(frame))


def _encoder(width: int, height: int, fps: int) -> av.VideoCodecContext:
    codec = av.VideoCodecContext.create("libvpx", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base, codec.framerate = fractions.Fraction(1, fps), fractions.Fraction(fps)
    codec.thread_count = 1  # several threads wait for each other in a busy loop: eight times the work
    codec.bit_rate = round(min(MOST_BITS_PER_S, width * height * fps * BITS_PER_PIXEL))
    # Where both distances are equal, libvpx chooses no intra frames of its own, which might fall on the upper layer.
    codec.gop_size = intra_distance(fps)
    codec.options = {
        "deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0", "static-thresh": "1",
        "keyint_min": str(codec.gop_size),
    } | _layers(base_distance(fps), codec.bit_rate // 1000)  # fmt: skip
    return codec


def _layers(distance: int, kbits_per_s: int) -> dict[str, str]:
    """Each layer's rate and its share of the bits, in the words of FFmpeg's libvpx encoder."""
    if distance == 1:
        return {}
    ids = ",".join(["0"] + ["1"] * (distance - 1))
    base = max(1, round(kbits_per_s * BASE_SHARE))
    return {
        "ts-parameters": f"ts_number_layers=2:ts_target_bitrate={base},{max(base + 1, kbits_per_s)}"
        f":ts_rate_decimator={distance},1:ts_periodicity={distance}:ts_layer_id={ids}"
    }


def _flagged(width: int, height: int, fps: int, flags: int) -> Callable[[av.VideoFrame], av.VideoFrame]:
    """Gives frames these flags, which FFmpeg's libvpx encoder reads from a frame's metadata.

    PyAV cannot write metadata, but a filter can.
    """
    graph = av.filter.Graph()
    pixels = av.VideoFormat("yuv420p", width, height)
    source = graph.add_buffer(width=width, height=height, format=pixels, time_base=fractions.Fraction(1, fps))
    writer = graph.add("metadata", f"mode=add:key=vp8-flags:value={flags}")
    sink = graph.add("buffersink")
    source.link_to(writer)
    writer.link_to(sink)
    graph.configure()

    def flag(frame: av.VideoFrame) -> av.VideoFrame:
        graph.push(frame)
        flagged = graph.pull()
        assert isinstance(flagged, av.VideoFrame)
        return flagged

    return flag
