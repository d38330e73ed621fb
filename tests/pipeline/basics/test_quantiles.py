import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from pipeline.basics.quantiles import quantile
from pipeline.monitoring.monitor import buckets


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_in_the_bucket_of_the_value_that_it_estimates(values, share):
    histogram = Histogram("h", "h", buckets=(0.5, 1, 2, 5, 20), registry=CollectorRegistry())
    for value in values:
        histogram.observe(value)
    exact = sorted(values)[math.ceil(share * len(values) - 1e-9) - 1]

    estimate = quantile(buckets(histogram), share)

    edges = [0, 0.5, 1, 2, 5, 20]
    lower, upper = next((a, b) for a, b in zip(edges, edges[1:]) if exact <= b)
    assert lower - 1e-9 <= estimate <= upper + 1e-9


def test_there_is_no_quantile_of_nothing():
    assert quantile({}, 0.5) is None and quantile({1.0: 0, math.inf: 0}, 0.5) is None
    assert quantile({1.0: 0, math.inf: 4}, 0.5) == 1.0
