"""Moves a file's own times to those of an output that starts at 0, across jumps of the file's clock.

There is no clock and no I/O in here. All times are in seconds.
"""

from dataclasses import dataclass, field
from fractions import Fraction

#: A stream whose decoding times go back by more than this has a new clock: in containers whose clock may begin anew, as
#: when transport streams were joined, and in others.
BACK_S, BACK_ELSEWHERE_S = Fraction(1, 10), Fraction(1)
#: A longer pause in a transport stream means a new clock; in any other container it is a pause.
PAUSE_S = Fraction(10)
#: A stream whose clock changed takes over another stream's new offset, if it then goes back by no more than this.
OVERLAP_S = Fraction(1)


@dataclass(slots=True)
class Timeline:
    """The offsets to add to the times of each stream. The streams of a file change their clocks one after another."""

    start_s: Fraction  # the time that becomes 0
    has_jumps: bool  # the container is one whose clock may begin anew: a transport or program stream
    _offsets_s: list[Fraction] = field(init=False)  # newest last
    _of_stream_s: dict[int, Fraction] = field(default_factory=dict)  # each stream's present offset
    _due_s: dict[int, Fraction] = field(default_factory=dict)  # when each stream's next packet is expected
    _end_s: Fraction = Fraction(0)  # of all packets so far

    def __post_init__(self) -> None:
        self._offsets_s = [-self.start_s]

    @property
    def offset_s(self) -> Fraction:
        """The newest offset, for subtitles, which are too sparse to tell a pause from a new clock."""
        return self._offsets_s[-1]

    def advance(self, stream: int, decoded_s: Fraction, shown_s: Fraction, duration_s: Fraction) -> Fraction:
        """The offset for the next packet of a stream, to be added to both of its times."""
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
        """The newest offset with which the stream goes on without a jump; else a new one, which appends it."""
        for offset_s in reversed(self._offsets_s):
            if offset_s != last_s and -OVERLAP_S <= ahead_s + offset_s <= PAUSE_S:
                return offset_s
        self._offsets_s.append(self._end_s - shown_s)
        return self._offsets_s[-1]
