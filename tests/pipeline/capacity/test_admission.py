import contextlib

from hypothesis import given
from hypothesis import strategies as st

from pipeline.capacity.admission import (
    LONGEST_LOOK_INTERVAL_S,
    MEASURED_S,
    PENDING_S,
    SETTLING_S,
    YOUNG_FPS,
    Admission,
    CpuMeter,
    Holder,
)
from pipeline.capacity.giving_way import RATES, Concessions, session_cores
from pipeline.contract.errors import Busy

#: The assumed cost of a session until its own is known.
SESSION_CORES = session_cores(YOUNG_FPS)
#: Nothing more can be given up.
SPENT = Concessions(fps=RATES[-1])

ages = st.lists(st.floats(0, 3600), max_size=40)
cores = st.floats(0, 8)
admissions = st.builds(Admission, st.integers(1, 40), st.floats(0.01, 8))


@given(admissions, ages, cores)
def test_there_are_never_more_sessions_than_the_setting_says(admission, ages_s, cores):
    assert len(ages_s) < admission.max_sessions or "places are taken" in admission.refusal(ages_s, cores)


@given(admissions, cores)
def test_an_empty_gateway_is_open(admission, cores):
    assert admission.refusal([], cores) is None


@given(admissions, ages, cores, cores, st.floats(0, 3600))
def test_whoever_is_refused_is_refused_with_more_to_do_as_well(admission, ages_s, cores, more, age_s):
    if admission.refusal(ages_s, cores):
        assert admission.refusal(ages_s, cores + more)
        assert admission.refusal([*ages_s, min(age_s, SETTLING_S / 2)], cores)


@given(st.floats(0.2, 4), st.floats(0.01, 1), st.lists(st.floats(0, 5), min_size=1, max_size=80))
def test_the_budget_holds_whatever_a_session_costs_and_however_they_come(budget, cost, waits_s):
    """`waits_s` are the pauses between offers. A session's cost is known only when the first has settled."""
    admission, began_s, now_s, meter = Admission(10**6, budget), [], 0.0, CpuMeter()
    while waits_s or now_s < 2 * SETTLING_S:
        meter.record(now_s, sum(cost * (now_s - s) for s in began_s))
        if waits_s and (waits_s := [waits_s[0] - 0.5, *waits_s[1:]])[0] <= 0:
            waits_s = waits_s[1:]
            if admission.refusal([now_s - s for s in began_s], meter.cores, SPENT) is None:
                began_s.append(now_s)
        now_s += 0.5

    unsettled = [s for s in began_s if s < began_s[0] + SETTLING_S]
    blind = [s for s in began_s if s < began_s[0] + SETTLING_S + MEASURED_S]
    assert len(unsettled) <= max(1, budget / SESSION_CORES)
    assert len(began_s) * cost <= max(budget, cost, len(blind) * cost) + 1e-6


@given(st.integers(1, 30))
def test_what_can_still_be_given_way_counts_as_free(sessions):
    """With all frames, 20 sessions fill a core; at 2.5 frames a second each, they take a fifth of it."""
    admission, ages_s = Admission(10**6, 1.0), [60.0] * sessions

    assert admission.refusal(ages_s, sessions * session_cores(RATES[0])) is None
    assert bool(admission.refusal(ages_s, sessions * session_cores(RATES[0]), SPENT)) == (sessions >= 22)


def test_an_edge_that_renews_looks_too_rarely_takes_nobody():
    admission, ages_s, full = Admission(10**6, 8.0), [60.0] * 39, Concessions(stretch=8, fps=2.5, capacity=10.0)

    assert 40 / full.capacity == LONGEST_LOOK_INTERVAL_S
    assert admission.refusal(ages_s, 0.1, full) is None
    assert "edge has its hands full" in admission.refusal([*ages_s, 60.0], 0.1, full)


def test_a_meter_forgets():
    meter = CpuMeter()
    assert meter.cores == 0

    for second in range(10):
        meter.record(second, 5.0 * min(second, 3))

    assert meter.cores == 0
    meter.record(10, 17.0)
    assert 0 < meter.cores <= 2 / MEASURED_S


clients = st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::/64", "127.0.0.1"])
holders = st.lists(st.builds(Holder, clients, st.floats(0, 60), st.booleans()), max_size=70)


@given(holders, clients)
def test_only_who_sends_no_video_loses_a_place(held, client):
    with contextlib.suppress(Busy):
        gone = Admission(32, 64.0).admit(held, client, 0.0)
        assert gone is None or not held[gone].is_live and held[gone].age_s >= PENDING_S


@given(st.integers(1, 70), clients, clients)
def test_a_flood_of_offers_without_video_keeps_nobody_out(offers, flooder, client):
    flood = [Holder(flooder, PENDING_S + i, False) for i in range(offers)]

    for admission in (Admission(32, 64.0), Admission(10**6, SESSION_CORES * 4)):
        gone = admission.admit(flood[: admission.max_sessions], client, 0.0)
        assert gone is None or flood[gone].client == flooder


@given(st.integers(1, 200), st.integers(1, 5))
def test_no_address_gets_all_places_and_the_next_one_gets_some(places, addresses):
    admission, held = Admission(places, 10**6), []
    for address in range(addresses):
        with contextlib.suppress(Busy):
            while True:
                admission.admit(held, f"192.0.2.{address}", 0.0)
                held.append(Holder(f"192.0.2.{address}", 60.0, True))

    assert places < 4 or sum(holder.client == "192.0.2.0" for holder in held) <= 0.75 * places + 1
    assert places < 16 or addresses < 2 or sum(holder.client == "192.0.2.1" for holder in held) >= 3


def test_load_tests_of_this_machine_get_all_places():
    held = [Holder("127.0.0.1", 60.0, True)] * 31

    assert Admission(32, 64.0).admit(held, "127.0.0.1", 0.0) is None


def test_of_many_without_video_the_one_goes_whose_address_has_most():
    held = [Holder("192.0.2.1", 9.0, False), *[Holder("192.0.2.2", 3.0 + i, False) for i in range(31)]]

    assert Admission(32, 64.0).admit(held, "192.0.2.3", 0.0) == 31
