import math

from hypothesis import given
from hypothesis import strategies as st

from clients.load.open_loop import PATIENCE_S, OpenLoopSchedule

#: (what happens, seconds since the last event, how old the answered frame is)
events = st.lists(st.tuples(st.sampled_from(["due", "answer"]), st.floats(0, 1.5), st.floats(0, 3)), max_size=60)


@given(events)
def test_every_look_is_served_once_or_lost(events):
    demand, now_s, due, latencies, lost = OpenLoopSchedule(), 0.0, [], [], 0
    for what, later_s, age_s in events:
        now_s += later_s
        if what == "due":
            demand.due(now_s)
            due.append(now_s)
        else:
            lost += demand.expire(now_s)
            latencies += demand.answered(now_s - age_s, now_s)
    lost += demand.abandon()

    assert len(latencies) + lost == len(due)
    assert all(0 <= seconds <= PATIENCE_S for seconds in latencies)


def test_latency_counts_from_when_the_look_was_due_however_late_it_was_asked_for():
    demand = OpenLoopSchedule()
    for due_s in (0.0, 0.5, 1.0):
        demand.due(due_s)

    assert demand.answered(0.5, 1.2) == [1.2, 0.7]  # an answer that took long delayed the second look, too
    assert demand.answered(1.0, 1.3) == [1.3 - 1.0]


def test_an_answer_to_an_older_frame_serves_nothing():
    demand = OpenLoopSchedule()
    demand.due(5.0)

    assert demand.answered(4.99, 5.1) == []
    assert demand.expire(5.0 + PATIENCE_S + 0.01) == 1
    assert demand.answered(math.inf, 8.0) == []
