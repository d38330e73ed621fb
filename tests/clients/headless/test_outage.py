from clients.headless.outage import LAST_PAUSE_S, STEADY_S, Outage


def pauses_s(outage: Outage) -> list[float]:
    return [outage.next_pause_s() for _ in range(6)]


def test_pauses_double_up_to_the_longest():
    assert pauses_s(Outage(0.0)) == [0.5, 1, 2, 4, 8, LAST_PAUSE_S]


def test_a_short_return_ends_no_outage_and_is_no_part_of_it():
    outage = Outage(100.0)
    pauses_s(outage)

    outage = outage.after(STEADY_S - 1, 130.0)

    assert outage.away_s(130.0) == 30 - (STEADY_S - 1)
    assert outage.next_pause_s() == LAST_PAUSE_S


def test_an_outage_is_over_when_frames_came_for_a_while():
    outage = Outage(100.0)
    pauses_s(outage)

    outage = outage.after(STEADY_S, 130.0)

    assert outage.away_s(131.0) == 1 and pauses_s(outage)[0] == 0.5
