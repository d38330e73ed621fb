"""Pictures and frames: the strip with a frame's id, and uploads."""

import struct
from fractions import Fraction

import av
import numpy as np

from harness import Finding, Target
from pipeline.contract import frame_strip
from pipeline.contract.errors import BadImage
from pipeline.contract.image_codec import decode_image
from pipeline.key_frames.picker import KEY_FRAME_SIDE_PX, KeyFramePicker
from pipeline.pictures import decode


def strip(data: bytes) -> None:
    """Width, then luma: an id or none; and what is stamped over it is read again."""
    width = int.from_bytes(data[:2]) % 512
    rows = min(64, len(data[2:]) // width) if width else 0
    luma = np.frombuffer(data[2 : 2 + rows * width], np.uint8).reshape(rows, width)
    frame_id = frame_strip.read(luma)
    if frame_id is not None and not 0 <= frame_id < 65536:
        raise Finding(f"frame {frame_id}")
    stamped = frame_id or 7
    wide_enough = width >= frame_strip.BLOCKS * frame_strip.CELLS
    if wide_enough and frame_strip.read(frame_strip.strip(stamped, width)) != stamped:
        raise Finding("a strip that is not read")


def frame(data: bytes) -> None:
    """A decoded frame of any size, for a stream whose client claims a picture of any height: a JPEG, or nothing."""
    width, height, claimed, frame_id = struct.unpack("!HHHH", data[:8].ljust(8, b"\0"))
    width, height, claimed = 1 + width % 300, 1 + height % 300, 2 + claimed % 4095
    rows = min(height, frame_strip.strip_rows(height, claimed))
    luma = np.resize(np.frombuffer(data[8:] or b"\x80", np.uint8), (height, width))
    luma[height - rows :] = frame_strip.strip(frame_id, width)[:1]
    shown = av.VideoFrame(width, height, "yuv420p")
    for plane, values in zip(shown.planes, (luma, *2 * [np.full((-(-height // 2), -(-width // 2)), 90, np.uint8)])):
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[:, : plane.width] = values
        plane.update(padded.tobytes())
    shown.pts, shown.time_base = 0, Fraction(1, 90_000)
    picker = KeyFramePicker(claimed)
    candidate = picker.inspect(shown, 0.0)
    if candidate and max(decode_image(picker.pick(candidate, 0.0).jpeg()).shape) > KEY_FRAME_SIDE_PX:
        raise Finding("a key frame that is too large")


def upload(data: bytes) -> None:
    """Two small JPEGs of ours, or one sentence. In a gateway this runs in a process of its own."""
    try:
        files = decode.style_files(data)
    except BadImage as error:
        if not 0 < len(str(error)) < 200:
            raise Finding(f"a sentence of {len(str(error))} letters") from None
        return
    style, thumbnail = decode_image(files.style), decode_image(files.thumbnail)
    if len(files.style) > decode.STYLE_BYTES or max(style.shape) > decode.STYLE_SIDE_PX:
        raise Finding(f"a style of {len(files.style)} bytes and {style.shape}")
    if max(thumbnail.shape) > decode.THUMBNAIL_SIDE_PX:
        raise Finding(f"a thumbnail of {thumbnail.shape}")


STRIP = Target("strip", strip, max_bytes=64 * 512)
FRAME = Target("frame", frame)
#: What `picture_limits.UPLOAD` allows, twice: coverage costs as well.
UPLOAD = Target("upload", upload, max_bytes=16 * 1024, most_cpu_s=1.0, most_bytes=300 << 20)
