import torch

from pipeline.contract.messages import KeyFrame
from workers.serving.stream_states import STREAMS_KEPT, Streams


def key_frame(stream_id: str = "a", *, style_id: str = "dusk", cut: bool = False) -> KeyFrame:
    return KeyFrame("gateway", stream_id, 0, style_id, cut, b"")


def test_a_stream_gets_its_own_state_back_with_its_age():
    streams, states = Streams(), {"a": torch.zeros(1), "b": torch.ones(1)}
    for stream_id, state in states.items():
        streams.keep(key_frame(stream_id), 10.0, state)

    for stream_id, state in states.items():
        assert streams.before(key_frame(stream_id), 10.5) == (state, 0.5)


def test_a_new_stream_a_cut_and_another_style_begin_anew():
    streams = Streams()
    streams.keep(key_frame("a"), 10.0, torch.zeros(1))

    for frame in (key_frame("b"), key_frame("a", cut=True), key_frame("a", style_id="snow")):
        assert streams.before(frame, 10.5) == (None, 0.0)


def test_the_stream_unused_for_longest_is_forgotten():
    streams, state = Streams(), torch.zeros(1)
    for index in range(STREAMS_KEPT):
        streams.keep(key_frame(str(index)), index, state)
    streams.keep(key_frame("0"), 100.0, state)

    streams.keep(key_frame("one more"), 101.0, state)

    assert streams.before(key_frame("0"), 102.0)[0] is state
    assert streams.before(key_frame("1"), 102.0)[0] is None
