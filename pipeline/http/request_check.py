"""Which requests get in: those for a name of ours, from our own page, short enough and not too frequent."""

from collections.abc import Mapping

from pipeline.http.client_address import ClientAddresses, is_local
from pipeline.http.head import Head, RequestRefused
from pipeline.http.hosts import Hosts
from pipeline.http.rate_limits import Rate, RateLimit

#: By path, the most bytes that the body of a POST may have. Other paths take no POST.
BodyLimits = Mapping[str, int]
#: A page is 40 files, and an operator's asks once a second.
READS = Rate(50, 200), Rate(1000, 2000)
#: Thumbnails of photos come from Redis.
PICTURES = Rate(20, 100), Rate(200, 400)
#: Reading a photo takes up to a second of another process.
UPLOADS = Rate(0.5, 12), Rate(4, 64)
#: An offer takes 10 ms. One address may make as many at once as the setting allows in this time: a whole class may
#: open the page together.
OFFERS_BURST_S = 30.0
OFFERS_TOGETHER = Rate(20, 40)  # of all addresses; times the setting where that is more than 1
#: Load tests come from this machine.
LOCAL_FACTOR = 10.0
TOO_MANY = "Too many requests from your address; try again in a moment."


class RequestCheck:
    """Holds the budgets; no clock and no I/O."""

    def __init__(self, hosts: Hosts, addresses: ClientAddresses, bodies: BodyLimits, *, offers_per_s: float) -> None:
        """One address may make `offers_per_s` offers a second."""
        self._hosts, self._addresses, self._bodies = hosts, addresses, bodies
        each = Rate(offers_per_s, max(1.0, offers_per_s * OFFERS_BURST_S))
        self._offers = RateLimit(each, OFFERS_TOGETHER.times(max(1.0, offers_per_s)))
        self._uploads, self._pictures, self._reads = RateLimit(*UPLOADS), RateLimit(*PICTURES), RateLimit(*READS)

    def admit(self, head: Head, peer: str, now_s: float) -> str:
        """The client that a request comes from. Raises RequestRefused.

        A request that is refused for another reason than its rate takes nothing from its client's budget.
        """
        self._hosts.check_host(head.headers)
        if head.method == "POST" and head.path not in self._bodies:
            raise RequestRefused(405, "There is nothing to send here.", "method")
        limit = self._bodies[head.path] if head.method == "POST" else 0
        if head.length > limit:
            raise RequestRefused(413, f"That is more than the {limit:,} bytes that are taken here.", "length")
        if head.method == "POST" or head.path == "/config":
            self._hosts.check_origin(head.headers)
        client = self.client(head, peer)
        wait_s = self._limit(head).wait_s(client, now_s, factor=LOCAL_FACTOR if is_local(client) else 1.0)
        if wait_s:
            raise RequestRefused(429, TOO_MANY, "rate", wait_s)
        return client

    def client(self, head: Head, peer: str) -> str:
        """The key that budgets know a request's client by, whether the request gets in or not."""
        return self._addresses.of(peer, head.headers.get("x-forwarded-for", ""))

    def _limit(self, head: Head) -> RateLimit:
        if head.method == "POST":
            return self._offers if head.path == "/offer" else self._uploads
        return self._pictures if head.path.startswith("/styles/") else self._reads
