from statistics import fmean

from pipeline.basics.coarse_series import CoarseSeries


def recorded(series: CoarseSeries, *values: float | None) -> list[float | None]:
    for value in values:
        series.record(value)
    return series.values()


def test_each_value_stands_for_a_group_and_the_last_one_for_what_there_is_of_its_group():
    assert recorded(CoarseSeries(9, 3, max), 1, 5, 2, 7, 6, 0, 4) == [5, 7, 4]
    assert recorded(CoarseSeries(9, 2, fmean), 1, 5, 2, 4) == [3, 3]


def test_what_is_unknown_counts_for_nothing():
    assert recorded(CoarseSeries(9, 2, max), None, 3, None, None, None) == [3, None, None]


def test_it_keeps_only_its_last_groups():
    assert recorded(CoarseSeries(3, 2, max), *range(20)) == [15, 17, 19]
    assert recorded(CoarseSeries(3, 2, max), *range(19)) == [15, 17, 18]


def test_nothing_was_recorded_yet():
    assert CoarseSeries(3, 2, max).values() == []
