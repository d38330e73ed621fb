"""Which state goes with a stream's next key frame."""

from collections import OrderedDict
from typing import NamedTuple

from edge.grid_model.temporal_average import StreamState
from pipeline.contract.messages import KeyFrame

#: One stream's state is about 260 KB.
STREAMS_KEPT = 64


class Last(NamedTuple):
    """A stream's last key frame here."""

    style_id: str
    seen_s: float
    state: StreamState


class Streams:
    """States of the streams that were here last. One that comes back after it was forgotten begins anew."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, Last] = OrderedDict()

    def before(self, frame: KeyFrame, now_s: float) -> tuple[StreamState | None, float]:
        """The state to stylize a key frame with, and the seconds since; None after a cut or with another style."""
        last = self._last.get(frame.stream_id)
        if last is None or frame.cut or last.style_id != frame.style_id:
            return None, 0.0
        return last.state, now_s - last.seen_s

    def keep(self, frame: KeyFrame, now_s: float, state: StreamState) -> None:
        self._last[frame.stream_id] = Last(frame.style_id, now_s, state)
        self._last.move_to_end(frame.stream_id)
        if len(self._last) > STREAMS_KEPT:
            self._last.popitem(last=False)
