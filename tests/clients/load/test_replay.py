import asyncio
from types import SimpleNamespace

import pytest

from clients.load import replay
from clients.load.recording import Recording
from clients.load.replay import Replay
from clients.load.vp8_layers import intra_distance

INTRA_EVERY = intra_distance(30)
CUT = 77
PACKETS = tuple(bytes([number % INTRA_EVERY and 1, number]) for number in range(120))
RECORDING = Recording((64, 36), 30, PACKETS, frozenset([CUT]))


class Clock:
    """An event loop whose time a test sets, with a single timer."""

    def __init__(self) -> None:
        self.now_s, self.timer = 100.0, None

    def time(self) -> float:
        return self.now_s

    def call_at(self, at_s, callback):
        self.timer = at_s, callback
        return SimpleNamespace(cancel=lambda: setattr(self, "timer", None))

    def go_to(self, now_s: float) -> None:
        """Let time pass until then, and run all that is due."""
        self.now_s = now_s
        while self.timer and self.timer[0] <= now_s:
            self.timer[1]()


@pytest.fixture
def played(monkeypatch):
    """A clock, the replay, the frames that it sent, and the calls of `on_frame`."""
    clock, sent, heard = Clock(), [], []

    def send(frame: bytes, timestamp: int, *, is_needed: bool) -> int:
        sent.append((frame, timestamp))
        return len(frame)

    sender = SimpleNamespace(send=send)
    monkeypatch.setattr(replay, "sender_for", lambda transceiver, plain, on_intra_frame_asked: sender)
    monkeypatch.setattr(replay, "asyncio", SimpleNamespace(get_running_loop=lambda: clock))
    played = Replay(RECORDING, lambda frame_id, due_s: heard.append((frame_id, due_s - 100)))
    played.play(None)
    clock.go_to(100)
    return clock, played, sent, heard


def test_frames_are_due_at_fixed_times_however_late_one_was(played):
    clock, replayed, sent, heard = played
    assert heard == [(RECORDING.frame_id(0), 0)] and not replayed.is_late

    clock.go_to(100.14)

    assert [due_s for _, due_s in heard] == pytest.approx([0, 1 / 30, 2 / 30, 3 / 30, 4 / 30])
    assert sent == [(RECORDING.packets[index], 3000 * index) for index in range(5)]
    assert not replayed.is_late  # the newest frame was due just now
    clock.go_to(clock.now_s + 1)
    assert len(heard) == 35


def test_the_id_of_the_next_frame_is_known_when_one_leaves(played):
    clock, replayed, _, _ = played
    ids, announced = [], []
    replayed._on_frame = lambda frame_id, due_s: (ids.append(frame_id), announced.append(replayed.next_id))

    clock.go_to(105)

    assert announced[:-1] == ids[1:] and len(ids) == 150


@pytest.mark.parametrize("now_s", [200.0001, 200.004])
def test_a_recording_begins_at_one_of_the_points_that_all_begin_at(played, now_s):
    clock, replayed, sent, _ = played
    clock.now_s = now_s

    replayed.play(None)

    assert clock.timer[0] == pytest.approx(200 + 1 / (replay.PHASES * RECORDING.fps)) and len(sent) == 1


def test_a_frame_that_leaves_late_is_noticed(played):
    clock, replayed, _, _ = played
    late = []
    replayed._on_frame = lambda *_: late.append(replayed.is_late)

    clock.go_to(100.14)

    assert late == [True, True, False, False]


def test_it_goes_on_with_an_intra_frame_when_one_is_asked_for(played):
    clock, replayed, sent, heard = played

    replayed._skip_to_intra_frame()
    clock.go_to(100.04)

    assert sent[-1] == (RECORDING.packets[INTRA_EVERY], 3000) and not sent[-1][0][0] & 1
    assert heard[-1][0] == RECORDING.frame_id(INTRA_EVERY)


def test_at_a_lower_pace_the_camera_goes_on_and_frames_are_left_out_evenly(played):
    clock, replayed, sent, heard = played

    replayed.keep_pace(5)
    clock.go_to(101)

    assert [frame_id for frame_id, _ in heard] == [RECORDING.frame_id(index) for index in range(31)]
    assert sent == [(RECORDING.packets[index], 3000 * index) for index in range(0, 31, 6)]
    replayed.keep_pace(30)
    clock.go_to(101.1)
    assert [frame[1] for frame, _ in sent[-3:]] == [31, 32, 33]


def test_it_says_how_much_of_each_frame_was_sent(played):
    clock, replayed, _, _ = played
    sizes = []
    replayed._on_frame = lambda *_: sizes.append(replayed.sent_bytes)

    replayed.keep_pace(10)
    clock.go_to(100.2)

    assert sizes == [0, 0, 2, 0, 0, 2]


def test_a_frame_that_is_asked_for_is_sent_next_and_once(played):
    clock, replayed, sent, _ = played
    replayed.keep_pace(2.5)

    replayed.ask()
    replayed.ask()
    clock.go_to(100.35)

    assert [frame[1] for frame, _ in sent] == [0, 1]


def test_a_frame_that_begins_a_scene_is_sent_whatever_the_pace_and_said_before(played):
    clock, replayed, sent, _ = played
    said = []
    replayed._on_cut = lambda frame_id: said.append((frame_id, len(sent)))

    replayed.keep_pace(2.5)
    clock.go_to(100 + 83.5 / 30)

    assert [frame[1] for frame, _ in sent] == [0, 12, 24, 36, 48, 60, 72, CUT, CUT + 1, CUT + 2]
    assert said == [(RECORDING.frame_id(CUT), 7)]


def test_an_intra_frame_that_the_receiver_asks_for_leaves_at_once_at_the_lowest_pace(played):
    clock, replayed, sent, _ = played
    replayed.keep_pace(2.5)

    replayed._skip_to_intra_frame()
    clock.go_to(100.04)

    assert sent[-1][0] == RECORDING.packets[INTRA_EVERY]


def test_nothing_is_sent_once_it_has_stopped(played):
    clock, replayed, sent, _ = played

    replayed.stop()
    clock.go_to(200)

    assert len(sent) == 1


async def test_aiortc_gets_no_frame_to_send_itself():
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Replay(RECORDING, lambda *_: None).recv(), 0)
