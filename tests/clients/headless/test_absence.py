from clients.headless.absence import LAST_PAUSE_S, STEADY_S, Absence


def pauses_s(absence: Absence) -> list[float]:
    return [absence.next_pause_s() for _ in range(6)]


def test_pauses_double_up_to_the_longest():
    assert pauses_s(Absence(0.0)) == [0.5, 1, 2, 4, 8, LAST_PAUSE_S]


def test_a_short_return_ends_no_outage_and_is_no_part_of_it():
    absence = Absence(100.0)
    pauses_s(absence)

    absence = absence.after(STEADY_S - 1, 130.0)

    assert absence.away_s(130.0) == 30 - (STEADY_S - 1)
    assert absence.next_pause_s() == LAST_PAUSE_S


def test_an_outage_is_over_when_frames_came_for_a_while():
    absence = Absence(100.0)
    pauses_s(absence)

    absence = absence.after(STEADY_S, 130.0)

    assert absence.away_s(131.0) == 1 and pauses_s(absence)[0] == 0.5
