"""From a file's own times to those of an output that starts at 0. No clock and no I/O; all times are seconds."""

from dataclasses import dataclass, field
from fractions import Fraction

#: Decoding times of a stream go forward, but back in transport streams that were joined, or whose clock began anew.
BACK_S, BACK_ELSEWHERE_S = Fraction(1, 10), Fraction(1)
#: A longer pause in a transport stream is a new clock; any other container means what it says.
PAUSE_S = Fraction(10)
#: A stream whose clock changed takes another stream's change over if that leaves it so little before its own end.
OVERLAP_S = Fraction(1)


@dataclass(slots=True)
class Timeline:
    """What to add to the times of each stream. Streams of one file change their clocks together, but not at once."""

    start_s: Fraction  # what becomes 0
    has_jumps: bool  # the container is one whose clock may begin anew: a transport or program stream
    _offsets_s: list[Fraction] = field(init=False)  # newest last
    _of_stream_s: dict[int, Fraction] = field(default_factory=dict)
    _due_s: dict[int, Fraction] = field(default_factory=dict)  # of each stream's next packet
    _end_s: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        self._offsets_s = [-self.start_s]

    @property
    def offset_s(self) -> Fraction:
        """The newest one, for streams that are too sparse to tell a pause from a new clock: subtitles."""
        return self._offsets_s[-1]

    def advance(self, stream: int, decoded_s: Fraction, shown_s: Fraction, duration_s: Fraction) -> Fraction:
        """To be added to both times of this packet, the next one of its stream."""
        offset_s = self._of_stream_s.get(stream, self._offsets_s[-1])
        due_s = self._due_s.get(stream)
        if due_s is not None and not self._follows(decoded_s + offset_s - due_s):
            offset_s = self._changed(offset_s, decoded_s - due_s, shown_s)
        self._of_stream_s[stream] = offset_s
        self._due_s[stream] = decoded_s + offset_s + duration_s
        self._end_s = max(self._end_s, shown_s + offset_s + duration_s)
        return offset_s

    def _follows(self, gap_s: Fraction) -> bool:
        if self.has_jumps:
            return -BACK_S <= gap_s <= PAUSE_S
        return gap_s >= -BACK_ELSEWHERE_S

    def _changed(self, last_s: Fraction, ahead_s: Fraction, shown_s: Fraction) -> Fraction:
        """The newest offset with which the stream goes on, else a new one: the clock began anew where all else ends."""
        for offset_s in reversed(self._offsets_s):
            if offset_s != last_s and -OVERLAP_S <= ahead_s + offset_s <= PAUSE_S:
                return offset_s
        self._offsets_s.append(self._end_s - shown_s)
        return self._offsets_s[-1]
