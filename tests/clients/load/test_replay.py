import asyncio
from types import SimpleNamespace

import pytest

from clients.load import replay
from clients.load.recording import INTRA_EVERY, Recording
from clients.load.replay import Replay

RECORDING = Recording((64, 36), 30, tuple(bytes([number % INTRA_EVERY and 1, number]) for number in range(120)))


class Clock:
    """A loop whose time goes by as it is told, and that has one timer."""

    def __init__(self) -> None:
        self.now_s, self.timer = 100.0, None

    def time(self) -> float:
        return self.now_s

    def call_at(self, at_s, callback):
        self.timer = at_s, callback
        return SimpleNamespace(cancel=lambda: setattr(self, "timer", None))

    def go_to(self, now_s: float) -> None:
        """What is due by then is done then."""
        self.now_s = now_s
        while self.timer and self.timer[0] <= now_s:
            self.timer[1]()


@pytest.fixture
def played(monkeypatch):
    """A clock, the replay, what was sent, and what was heard of it."""
    clock, sent, heard = Clock(), [], []
    sender = SimpleNamespace(send=lambda frame, timestamp: sent.append((frame, timestamp)))
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
    assert not replayed.is_late  # the newest was due just now
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


def test_nothing_is_sent_once_it_has_stopped(played):
    clock, replayed, sent, _ = played

    replayed.stop()
    clock.go_to(200)

    assert len(sent) == 1


async def test_aiortc_gets_no_frame_to_send_itself():
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Replay(RECORDING, lambda *_: None).recv(), 0)
