"""Makes the seeds of the corpus anew, from a real session between peers of our own: uv run python tests/fuzz/seeds.py

What is random in them (keys, passwords, times) is another one each time: no need to make them again without a reason.
"""

import asyncio
import json
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import dns.flags
import dns.message
import dns.rrset
import msgpack
import numpy as np
from aioice import stun
from aiortc import RTCDtlsTransport, RTCSctpTransport
from aiortc.codecs import depayload
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtp import RtcpByePacket, RtcpPsfbPacket, RtcpRtpfbPacket, is_rtcp, pack_remb_fci
from PIL import Image

TESTS = Path(__file__).parent.parent
sys.path.insert(1, str(TESTS))

from mutations import joined  # noqa: E402
from pipeline.contract import frame_strip  # noqa: E402
from pipeline.contract.chunks import to_chunks  # noqa: E402
from pipeline.contract.grid_codec import pack_grid  # noqa: E402
from pipeline.contract.messages import KeyFrame, RoleReport, StylizedFrame, TrainingSample, WeightSnapshot  # noqa: E402
from pipeline.queues.rq_job import STYLIZE, MsgpackSerializer  # noqa: E402
from support import bombs, profiles  # noqa: E402
from support.pictures.grids import make_grid  # noqa: E402
from support.services.redis_process import RedisServer  # noqa: E402
from support.webrtc.peers import Client, FlatEdge, Running, until  # noqa: E402
from targets.channels import FIRST, data_chunk  # noqa: E402
from targets.media import H264, SSRC, VP8  # noqa: E402
from targets.stun import USERNAME, signed  # noqa: E402

CORPUS = Path(__file__).parent / "corpus"


def keep(target: str, name: str, data: bytes) -> None:
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{name}").write_bytes(data)


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            await a_session(server.url, Path(folder))
        finally:
            server.stop()
    offers()
    messages()
    grids()
    odd_answers()
    stuns()
    channels()
    pictures()
    heads()
    jobs()


# Recorded


class Recorder:
    """Keeps what passes through a method of each object of a class."""

    def __init__(self, owner: type, name: str, of: Callable[[tuple], bytes]) -> None:
        self.kept: list[bytes] = []
        stock = getattr(owner, name)
        setattr(owner, name, lambda *args, **options: self.kept.append(of(args)) or stock(*args, **options))


async def a_session(redis_url: str, folder: Path) -> None:
    """A client of ours and its gateway, half a minute in one process: packets of both."""
    sent = Recorder(RTCDtlsTransport, "_send_rtp", lambda args: bytes(args[1]))
    associated = Recorder(RTCSctpTransport, "_handle_data", lambda args: bytes(args[1]))
    edge = FlatEdge(redis_url)
    async with Running(redis_url, folder) as running:
        client = Client(running.url, size=(96, 64))
        await client.open()
        await until(lambda: len(client.grids) >= 3)
        await client.close()
    edge.close()
    video = [packet for packet in sent.kept if not is_rtcp(packet)]
    reports = [packet for packet in sent.kept if is_rtcp(packet)]
    keep("rtp", "first-frames", joined([retold(packet) for packet in video[:14]]))
    keep("rtp", "one-packet", joined([retold(video[0])]))
    keep("rtcp", "session", joined(reports[:8]))
    for report in {report[1]: report for report in reports}.values():
        keep("rtcp", f"kind-{report[1]}", joined([report]))
    told = {
        "remb": RtcpPsfbPacket(15, 3, 0, pack_remb_fci(500_000, [3, 4])),
        "pli": RtcpPsfbPacket(1, 3, SSRC),
        "nack": RtcpRtpfbPacket(1, 3, SSRC, [1, 2, 40]),
        "bye": RtcpByePacket([SSRC]),
    }
    for name, packet in told.items():
        keep("rtcp", name, joined([bytes(packet)]))
    keep("payload", "vp8", video[0][12:200])
    keep("payload", "packet", video[1])
    handshake = [packet[12:] for packet in associated.kept if packet[12] in (1, 2, 10, 11)]
    keep("sctp", "handshake", b"\0" + joined(handshake[:4]))


def retold(packet: bytes) -> bytes:
    """The packet with the payload type and sender that the target expects of VP8."""
    return packet[:1] + bytes([packet[1] & 0x80 | 97]) + packet[2:8] + struct.pack("!I", SSRC) + packet[12:]


def offers() -> None:
    """Offers by aiortc and by browsers."""
    for path in sorted((TESTS / "offers").iterdir()):
        keep_offer(path.stem, path.read_text())


def keep_offer(name: str, sdp: str) -> None:
    keep("sdp", name, sdp.encode())
    words = {"type": "offer", "sdp": sdp, "style": "dusk", "width": 320, "height": 240}
    keep("offer", name, json.dumps(words).encode())


# Made up


def answer(coefficients: np.ndarray, **fields: object) -> StylizedFrame:
    shape, packed = coefficients.shape[1:4], pack_grid(coefficients)
    words = {
        "stream_id": "0123456789abcdef",
        "frame_id": 7,
        "style_id": "a" * 16,
        "edge_id": "edge",
        "model_version": "flat",
        "cut": True,
        "grid_shape": shape,
        "grid": packed,
        "decode_ms": 1.5,
        "stylize_ms": 20.0,
        "error": "",
        "queue_ms": 0.5,
    }
    return StylizedFrame(**words | fields)


def messages() -> None:
    small = answer(make_grid((1, 2, 2)))
    for message in (
        KeyFrame("gateway", "0123456789abcdef", 7, "a" * 16, False, jpeg(16), "0" * 16),
        small,
        answer(make_grid((1, 1, 1)), error="no style", grid_shape=(), grid=b""),
        TrainingSample("b" * 16, "a" * 16, jpeg(8)),
        RoleReport("stylize", b'{"mvs_model_version": 3.0}'),
        WeightSnapshot.of(b"weights", edge_id="edge", base_version=3),
    ):
        name = type(message).__name__ + ("Error" if getattr(message, "error", "") else "")
        keep("messages", name, message.pack())
    keep("report", "gauges", json.dumps({"mvs_gpu_memory_bytes": 3e9, 'mvs_model_info{"version": "3"}': 1}).encode())


def grids() -> None:
    for sides in ((1, 1, 1), (2, 3, 4), (8, 9, 16)):
        keep("grid", "x".join(map(str, sides)), bytes(sides) + pack_grid(make_grid(sides)))
    small, large = answer(make_grid((2, 2, 3))), answer(make_grid((8, 16, 16)))
    keep("chunks", "one", joined(to_chunks(1, small)))
    keep("chunks", "several", joined(to_chunks(2, large)))
    keep("chunks", "woven", joined([chunk for pair in zip(to_chunks(1, large), to_chunks(2, large)) for chunk in pair]))
    keep("answers", "one", joined(to_chunks(1, small)))
    keep("answers", "two", joined([*to_chunks(1, small), *to_chunks(2, answer(make_grid((1, 1, 1)), cut=False))]))


def odd_answers() -> None:
    """Answers that a reader in Python and one in JavaScript may read differently."""
    packed = pack_grid(make_grid((1, 1, 1)))
    good = b'"frame_id":7,"cut":true,"grid":[1,1,1]'
    headers = {
        "nan": b'{"a":NaN,' + good + b"}",
        "bom": b"\xef\xbb\xbf{" + good + b"}",
        "latin": b'{"a":"\xff",' + good + b"}",
        "utf16": ("{" + good.decode() + "}").encode("utf-16"),
        "twice": b'{"frame_id":8,' + good + b"}",
        "huge": b'{"frame_id":65536,"cut":true,"grid":[1,1,1]}',
        "below": b'{"frame_id":-1,"cut":true,"grid":[1,1,1]}',
        "truth": b'{"frame_id":7,"cut":1,"grid":[1,1,1]}',
        "long": b'{"a":"' + b"a" * 4096 + b'",' + good + b"}",
    }
    whole = {name: struct.pack("!I", len(header)) + header + packed for name, header in headers.items()}
    for name, payload in whole.items():
        keep("answers", f"odd-{name}", joined([struct.pack("!IHH", 1, 0, 1) + payload]))
    part = struct.Struct("!IHH").pack
    halves = [part(1, 0, 2) + whole["twice"][:20], part(1, 1, 2) + whole["twice"][20:]]
    other = [part(1, 0, 2) + b"else", part(1, 0, 3) + b"else", part(1, 1, 2)]
    keep("answers", "odd-doubled", joined([halves[0], *other, halves[1]]))
    begun = [part(number, 0, 2) + b"x" for number in range(2, 9)]
    keep("answers", "odd-crowded", joined([halves[0], *begun, part(99, 0, 1) + whole["twice"], halves[1]]))


def stuns() -> None:
    def request(**attributes: object) -> bytes:
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, bytes(12))
        message.attributes |= {"USERNAME": f"{USERNAME}:peer", "PRIORITY": 1853824767, "ICE-CONTROLLING": 7}
        message.attributes |= attributes
        return signed(bytes(message))

    response = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, bytes(12))
    response.attributes["XOR-MAPPED-ADDRESS"] = ("203.0.113.7", 40007)
    nominating = request(**{"USE-CANDIDATE": None})
    for phase in (0, 1):
        keep("stun", f"checks-{phase}", bytes([phase]) + joined([request(), nominating]))
    keep("stun", "response", b"\1" + joined([bytes(response)]))
    question, said = dns.message.make_query("abc.local", "A"), dns.message.make_query("abc.local", "A")
    said.flags |= dns.flags.QR
    said.answer.append(dns.rrset.from_text("abc.local.", 120, "IN", "A", "203.0.113.7"))
    keep("mdns", "answer", joined([question.to_wire(), said.to_wire()]))
    keep("stun", "hello", b"\1" + joined([bytes.fromhex("16fefd") + bytes(40), request(), b"\x80\x61" + bytes(20)]))


OPEN = struct.Struct("!BBHIHH")


def channels() -> None:
    labels = ((0, "control"), (0x80, "frames"))
    opened = [OPEN.pack(3, kind, 0, 0, len(label), 0) + label.encode() for kind, label in labels]
    said = [
        b'{"type":"size","width":320,"height":240}',
        b'{"type":"key_frame","frame_id":7}',
        b'{"type":"key_frame"}',
        b'{"type":"share","on":true,"by":"0123456789abcdef"}',
        b'{"type":"share","on":false}',
        b'{"type":"style","style":"dusk"}',
        b'{"type":"style","style":"unknown"}',
    ]
    chunks = [data_chunk(FIRST, 0, 50, opened[0]), data_chunk(FIRST + 1, 2, 50, opened[1])]
    chunks += [data_chunk(FIRST + 2 + n, 0, 51, text, sequence=n + 1) for n, text in enumerate(said)]
    sack = struct.pack("!BBHIIHHHH", 3, 0, 20, FIRST - 1, 131072, 1, 0, 2, 3)
    forward = struct.pack("!BBHIHH", 192, 0, 12, FIRST + 20, 0, 1)
    reset = struct.pack("!BBHHHIIIH", 130, 0, 22, 13, 18, FIRST, 0, FIRST + 20, 0) + bytes(2)
    heartbeat = struct.pack("!BBHHH", 4, 0, 12, 1, 8) + b"beat"
    keep("sctp", "conversation", b"\1" + joined(chunks))
    keep("sctp", "disorder", b"\1" + joined([chunks[0], chunks[3], chunks[2], chunks[2], sack, forward]))
    keep(
        "sctp",
        "fragments",
        b"\1"
        + joined(
            [
                chunks[0],
                data_chunk(FIRST + 1, 0, 51, said[0][:9], flags=2, sequence=1),
                data_chunk(FIRST + 2, 0, 51, said[0][9:20], flags=0, sequence=1),
                data_chunk(FIRST + 3, 0, 51, said[0][20:], flags=1, sequence=1),
            ]
        ),
    )
    keep("sctp", "others", b"\1" + joined([chunks[0] + heartbeat, reset, sack, forward]))
    shutdown = [struct.pack("!BBHI", 7, 0, 8, FIRST), struct.pack("!BBH", 14, 0, 4)]
    keep("sctp", "end", b"\1" + joined([chunks[0], *shutdown]))
    keep("control", "all", b"\n".join(said))
    heard = [
        b'{"type":"key_frame","frame_id":7,"reason":"first"}',
        b'{"type":"alive"}',
        b'{"type":"dropped","frame_id":7,"reason":"deadline"}',
        b'{"type":"error","error":"no"}',
    ]
    keep("words", "all", b"\n".join(heard))
    for number, text in enumerate(said):
        keep("control", f"line-{number}", text)


def declared_colours(picture: Image.Image) -> None:
    """Files that say what their colours are: by a matrix, by a table, by number."""
    wide, press = profiles.rgb_profile(profiles.DISPLAY_P3, 2.2), profiles.table_profile(b"CMYK", 4)
    keep("upload", "png-profile", bombs.encoded(picture, "PNG", icc_profile=wide))
    keep("upload", "jpg-press", bombs.encoded(picture.convert("CMYK"), "JPEG", quality=60, icc_profile=press))
    by_number = bombs.encoded(picture, "PNG")
    hdr = bombs.chunk(b"gAMA", bytes([0, 1, 134, 160])) + bombs.chunk(b"cICP", bytes([9, 16, 0, 1]))
    keep("upload", "png-numbers", by_number[:33] + hdr + by_number[33:])
    keep("upload", "avif", bombs.encoded(picture, "AVIF", quality=60))


def pictures() -> None:
    for width in (32, 64, 96):
        keep("strip", f"width-{width}", struct.pack("!H", width) + frame_strip.strip(21845, width)[:2].tobytes())
    for size in ((96, 80, 62), (64, 8, 4000), (33, 1, 0)):
        head = struct.pack("!HHHH", size[0] - 1, size[1] - 1, size[2], 7)
        keep("frame", "x".join(map(str, size)), head + bytes(range(64)))
    rgb, qualities = picture(24), {".jpg": cv2.IMWRITE_JPEG_QUALITY, ".webp": cv2.IMWRITE_WEBP_QUALITY}
    for ending in (".jpg", ".png", ".webp"):
        options = [qualities[ending], 60] if ending in qualities else []
        keep("upload", ending[1:], cv2.imencode(ending, rgb, options)[1].tobytes())
    declared_colours(Image.fromarray(rgb))
    keep("upload", "progressive", cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes())
    frame = av.VideoFrame.from_ndarray(picture(64), format="rgb24").reformat(format="yuv420p")
    frame.pts, frame.time_base = 0, Fraction(1, 90_000)
    for number, (codec, encoder) in enumerate(((VP8, Vp8Encoder()), (H264, H264Encoder()))):
        encoded = [encoder.encode(frame, force_keyframe=is_key)[0] for is_key in (True, False, False)]
        keep("payload", f"{codec.name.lower()}-key", encoded[0][0][:400])
        frames = [b"".join(depayload(codec, payload) for payload in payloads) for payloads in encoded]
        keep("video", codec.name.lower(), bytes([number]) + joined(frames))


def jobs() -> None:
    data = MsgpackSerializer.dumps([STYLIZE, None, ["0123456789abcdef", 7], {}])
    keep("job", "plain", b"0123456789abcdef-7\n" + data)
    keep("job", "deflated", b"0123456789abcdef-7\n" + zlib.compress(data))
    times = {name: "2026-01-01T00:00:00.000000Z" for name in ("created_at", "enqueued_at", "started_at", "ended_at")}
    others = {
        "status": "failed",
        "origin": "stylize.edge",
        "timeout": "10",
        "result_ttl": "60",
        "meta": b"\x80",
        "exc_info": zlib.compress(b"Traceback"),
        "description": "a job",
        "last_heartbeat": "",
        "worker_name": "w",
    }
    keep("record", "failed", msgpack.packb(times | others | {"data": zlib.compress(data)}))


def heads() -> None:
    get = b"GET /styles?name=dusk HTTP/1.1\r\nHost: localhost:8080\r\nAccept: */*\r\nX-Forwarded-For: 203.0.113.7"
    post = (
        b"POST /offer HTTP/1.1\r\nHost: gateway.example.org\r\nOrigin: https://gateway.example.org\r\n"
        b"Content-Type: application/json\r\nContent-Length: 300\r\nSec-Fetch-Site: same-origin"
    )
    keep("head", "get", get)
    keep("head", "post", post)


def picture(side: int) -> np.ndarray:
    ramp = np.arange(side, dtype=np.uint8) * 4
    return np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], np.uint8(90)), 2).copy()


def jpeg(side: int) -> bytes:
    return cv2.imencode(".jpg", picture(side), [cv2.IMWRITE_JPEG_QUALITY, 50])[1].tobytes()


if __name__ == "__main__":
    asyncio.run(main())
