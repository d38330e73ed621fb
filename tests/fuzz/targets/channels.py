"""What comes out of DTLS: SCTP, the channels a peer opens in it, and what it says on them."""

import asyncio
import json
import struct
from random import Random

from aiortc.rtcsctptransport import RTCSctpCapabilities
from google_crc32c import value as crc32c

from harness import Finding, Target, in_loop
from mutations import flipped, joined, number, records, split
from pipeline.webrtc.internals.dtls import deliver
from pipeline.webrtc.internals.running import run_without_suspending
from pipeline.webrtc.transport.sctp_limits import LimitedSctpTransport
from targets.messages import of_lines, text
from targets.peer import Dtls, session

TAG, FIRST = 0xCAFEBABE, 1000
#: Packets that one packet may cause, beside an answer to each of its chunks.
MOST_SENT = 8


async def sctp(data: bytes) -> None:
    """Packets of chunks, without the header before them: of a handshake, or of an association (odd first byte)."""
    dtls, owner = Dtls(), session()
    transport = _association(dtls, established=bool(data[:1] and data[0] & 1))
    transport.on("datachannel", owner._on_channel)
    transport.end_with(owner._on_excess)
    ended = dtls.transport._connection._queue
    for chunks in split(data[1:]):
        before = len(dtls.sent)
        deliver(dtls, _packet(chunks))
        await asyncio.sleep(0)
        if len(dtls.sent) > before + len(chunks) // 4 + MOST_SENT:
            raise Finding(f"one packet causes {len(dtls.sent) - before}")
        if not ended.empty():
            break
    await transport.stop()
    await owner.close()


def _association(dtls: Dtls, *, established: bool) -> LimitedSctpTransport:
    transport = LimitedSctpTransport(dtls)
    transport._hmac_key, transport._get_timestamp = bytes(16), lambda: 0
    transport._local_verification_tag = TAG
    if not established:
        finish = transport.start(RTCSctpCapabilities(maxMessageSize=65536), 5000)
        run_without_suspending(finish)
        return transport
    dtls._register_data_receiver(transport)
    transport._RTCSctpTransport__started = True
    transport._remote_port, transport._remote_verification_tag = 5000, TAG
    transport._last_received_tsn, transport._ssthresh = FIRST - 1, 65536
    transport._inbound_streams_count = transport._outbound_streams_count = 65535
    transport._remote_partial_reliability, transport._remote_extensions = True, [130, 192]
    transport._set_state(transport.State.ESTABLISHED)
    return transport


def _packet(chunks: bytes) -> bytes:
    """With the right tag and checksum: whoever has come through DTLS knows them."""
    tag = 0 if chunks[:1] == b"\1" else TAG
    header = struct.pack("!HHI", 5000, 5000, tag)
    return header + struct.pack("<I", crc32c(header + bytes(4) + chunks)) + chunks


def data_chunk(tsn: int, stream: int, protocol: int, user_data: bytes, *, flags: int = 3, sequence: int = 0) -> bytes:
    body = struct.pack("!IHHI", tsn % 2**32, stream, sequence, protocol) + user_data
    return struct.pack("!BBH", 0, flags, 4 + len(body)) + body + bytes(-len(body) % 4)


def _chunks(data: bytes, rng: Random) -> bytes:
    """Chunks of a packet dropped, doubled, or changed, each one's length put right mostly."""
    found, at = [], 0
    while at + 4 <= len(data):
        length = max(4, int.from_bytes(data[at + 2 : at + 4]))
        found.append(data[at : at + length])
        at += length + -length % 4
    return b"".join(chunk + bytes(-len(chunk) % 4) for chunk in records(found, rng, _chunk))


def _chunk(chunk: bytes, rng: Random) -> bytes:
    kind, flags, body = chunk[:1] or b"\0", chunk[1:2] or b"\0", chunk[4:]
    match rng.randrange(6):
        case 0:
            kind = bytes([rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 130, 192, rng.randrange(256)))])
        case 1:
            flags = bytes([rng.randrange(8)])
        case 2 if len(body) >= 4:
            at = rng.choice((0, 4, 8)) if len(body) >= 12 else 0
            near = int.from_bytes(body[at : at + 4]) + rng.choice((1, -1, 2, 1000, number(rng)))
            body = body[:at] + (near % 2**32).to_bytes(4) + body[at + 4 :]
        case 3 if kind == b"\0" and body[8:12] == struct.pack("!I", 51):
            body = body[:12] + text(body[12:], rng)
        case _:
            body = flipped(body, rng)
    length = number(rng) % 65536 if rng.random() < 0.05 else 4 + len(body)
    return kind + flags + struct.pack("!H", length & 0xFFFF) + body


def _association_input(data: bytes, rng: Random) -> bytes:
    return data[:1] + joined(records(split(data[1:]), rng, _chunks))


async def control(data: bytes) -> None:
    """Lines of a client: each is done, or answered with one error; what is said back is JSON as browsers read it."""
    owner, channel = session(), Channel()
    owner._on_channel(channel)
    lines = data.split(b"\n")[:32]
    for line in lines:
        channel.hear(line.decode("utf8", "surrogateescape"))
        await asyncio.sleep(0)
    for _ in range(5):
        await asyncio.sleep(0)
    await owner.close()
    if len(channel.sent) > len(lines):
        raise Finding(f"{len(channel.sent)} answers to {len(lines)} messages")
    for said in channel.sent:
        said.encode()
        json.loads(said, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise Finding(f"says {constant}, which is no JSON")


class Channel:
    """The control channel of a peer that is fast."""

    label, readyState, bufferedAmount = "control", "open", 0

    def __init__(self) -> None:
        self.sent: list[str] = []

    def on(self, event: str, listener: object) -> None:
        if event == "message":
            self.hear = listener

    def send(self, text: str) -> None:
        self.sent.append(text)

    def close(self) -> None:
        self.readyState = "closed"


SCTP = Target("sctp", in_loop(sctp), _association_input, max_bytes=16 * 1024)
CONTROL = Target("control", in_loop(control), of_lines, max_bytes=8 * 1024)
