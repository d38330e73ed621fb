"""Chunks of an SCTP association, by hand."""

from aiortc.rtcsctptransport import DataChunk, SackChunk

#: The number of the first part, shortly before numbers begin anew.
FIRST = 2**32 - 3
#: A part's flags.
WHOLE, FIRST_PART, UNORDERED = 3, 2, 4


def data(ahead: int, flags: int = WHOLE, stream: int = 0, size: int = 1) -> DataChunk:
    """The part of this number, 0 for the first one."""
    chunk = DataChunk(flags=flags)
    chunk.tsn, chunk.stream_id, chunk.protocol, chunk.user_data = (FIRST + ahead) % 2**32, stream, 53, bytes(size)
    return chunk


def sack(cumulative: int, *gaps: tuple[int, int]) -> SackChunk:
    chunk = SackChunk()
    chunk.cumulative_tsn, chunk.gaps = cumulative % 2**32, list(gaps)
    return chunk
