import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.chunks import CHUNK_BYTES, MAX_HEADER_BYTES, MAX_PARTIAL, ChunkAssembler, to_chunks
from pipeline.contract.errors import BadMessage
from pipeline.contract.grid_codec import pack_grid
from pipeline.contract.messages import StylizedFrame
from support.pictures.grids import make_grid

#: A grid with much variation, which needs more than one chunk.
GRID = pack_grid(make_grid(deviation=0.5))
FRAME = StylizedFrame("stream", 7, "style", "edge", "abc", True, (8, 9, 16), GRID, 1.0, 2.0, error="")


@given(st.randoms(use_true_random=False))
def test_chunks_join_in_any_order(rng):
    chunks = to_chunks(3, FRAME)
    rng.shuffle(chunks)
    assembler = ChunkAssembler()

    *nothing, (header, body) = [assembler.push(chunk) for chunk in chunks]

    assert nothing == [None] * (len(chunks) - 1)
    assert body == GRID
    assert header["frame_id"] == 7 and header["grid"] == [8, 9, 16] and header["cut"] is True


def test_chunks_are_small_enough_for_every_browser():
    assert all(len(chunk) <= CHUNK_BYTES + 8 for chunk in to_chunks(0, FRAME))


def test_unfinished_messages_are_bounded_and_counted():
    assembler = ChunkAssembler()

    for message in range(100):
        assert assembler.push(to_chunks(message, FRAME)[0]) is None

    assert assembler.dropped == 100 - MAX_PARTIAL


@given(st.binary(max_size=64))
def test_hostile_chunks_are_nothing_or_one_error(data):
    assembler = ChunkAssembler()
    try:
        assembler.push(data)
    except BadMessage:
        return


def test_a_chunk_that_comes_twice_or_counts_otherwise_is_refused():
    """The page does the same."""
    first, *others = to_chunks(3, FRAME)
    assembler = ChunkAssembler()
    assembler.push(first)

    for odd in (first, first[:7] + bytes([first[7] + 1]) + first[8:]):
        with pytest.raises(BadMessage):
            assembler.push(odd)
    assert [assembler.push(chunk) for chunk in others][-1][1] == GRID


def test_a_short_message_makes_room_for_itself_as_in_the_page():
    assembler = ChunkAssembler()
    for message in range(MAX_PARTIAL):
        assembler.push(to_chunks(message, FRAME)[0])

    assert assembler.push(framed(b'{"frame_id":7}')) == ({"frame_id": 7}, b"")
    assert assembler.dropped == 1


def framed(header: bytes) -> bytes:
    """The one chunk of a message without a body."""
    return b"\0\0\0\x63\0\0\0\1" + len(header).to_bytes(4) + header


@pytest.mark.parametrize(
    "header",
    [
        b"{}",
        b'{"frame_id":"7"}',
        b'{"frame_id":-1}',
        b'{"frame_id":65536}',
        b'{"frame_id":true}',
        b'{"frame_id":NaN}',
        b'{"frame_id":7,"a":Infinity}',
        '{"frame_id":7}'.encode("utf-16"),
        b'\xef\xbb\xbf{"frame_id":7}',
        b'{"frame_id":7,"a":"\xff"}',
        b'{"frame_id":7,"a":"' + bytes(MAX_HEADER_BYTES) + b'"}',
    ],
)
def test_a_header_that_names_no_frame_of_ours_is_refused(header):
    with pytest.raises(BadMessage):
        ChunkAssembler().push(framed(header))


@pytest.mark.parametrize("payload", [b"", b"\0", b"\0\0\0\5hello", b"\xff\xff\xff\xff{}", b"\0\0\0\2[]"])
def test_a_payload_without_a_header_is_refused(payload):
    with pytest.raises(BadMessage):
        ChunkAssembler().push(b"\0\0\0\1\0\0\0\1" + payload)
