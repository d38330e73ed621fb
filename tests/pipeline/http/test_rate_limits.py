"""Who a request comes from, and how often each may ask."""

import pytest

from pipeline.contract.settings import networks
from pipeline.http.client_address import ClientAddresses
from pipeline.http.rate_limits import Buckets, Rate, RateLimit


@pytest.mark.parametrize(("peer", "forwarded_for", "client"), [
    ("203.0.113.7", "1.2.3.4", "203.0.113.7"), ("127.0.0.1", "", "127.0.0.1"), ("127.0.0.1", "1.2.3.4", "1.2.3.4"),
    ("127.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"), ("127.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.9", "1.2.3.4"),
    ("127.0.0.1", "nonsense", "127.0.0.1"), ("127.0.0.1", "6.6.6.6, nonsense, 10.0.0.9", "10.0.0.9"),
    ("::ffff:10.1.2.3", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("fe80::1%eth0", "", "fe80::/64"),
    ("", "", "unknown"),
])  # fmt: skip
def test_a_client_is_the_last_hop_that_is_no_proxy_of_ours(peer, forwarded_for, client):
    assert ClientAddresses(networks("127.0.0.1, 10.0.0.0/8")).of(peer, forwarded_for) == client


def test_a_bucket_lets_its_rate_through_and_its_burst_before():
    limit = RateLimit(Rate(2, 5), Rate(1000, 1000))

    assert sum(limit.wait_s("a", 0.0) == 0 for _ in range(100)) == 5
    assert limit.wait_s("a", 0.0) == 0.5
    assert sum(limit.wait_s("a", 0.1 * i) == 0 for i in range(100)) in (19, 20)


def test_many_who_ask_often_do_not_shut_out_one_who_asks_for_the_first_time():
    limit, admitted = RateLimit(Rate(1, 10), Rate(20, 40)), 0
    for i in range(1000):
        for flooder in range(50):
            limit.wait_s(f"f{flooder}", i / 100)
        if i % 100 == 99:
            admitted += limit.wait_s(f"new {i}", i / 100) == 0

    assert admitted >= 9


def test_what_is_remembered_of_addresses_has_an_end():
    buckets = Buckets(limit=100)
    for i in range(1000):
        buckets.of(str(i), Rate(1, 1), 0.0)

    assert len(buckets) == 100
