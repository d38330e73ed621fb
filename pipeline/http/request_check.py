"""Decides which requests are admitted: by host, origin, method, length of the body, and rate."""

from collections.abc import Mapping

from pipeline.http.client_address import ClientAddresses, is_local
from pipeline.http.head import PREFLIGHT, Head, RequestRefused
from pipeline.http.hosts import Hosts
from pipeline.http.other_sites import OtherSites
from pipeline.http.rate_limits import Rate, RateLimit

#: The most bytes that the body of a POST may have, by path. Other paths accept no POST.
BodyLimits = Mapping[str, int]
#: Each pair is the rate of one address, and that of all together. The page consists of 40 files, and the operators'
#: page makes a request each second.
READS = Rate(50, 200), Rate(1000, 2000)
#: These are lower because the thumbnails of uploaded photos come from Redis.
PICTURES = Rate(20, 100), Rate(200, 400)
#: Decoding a photo takes another process up to a second.
UPLOADS = Rate(0.5, 12), Rate(4, 64)
#: An offer takes 10 ms. One address may make as many in one burst as the setting allows in this time, since a whole
#: class may open the page together.
OFFERS_BURST_S = 30.0
OFFERS_TOGETHER = Rate(20, 40)  # for all addresses; it is multiplied by the setting if that is more than 1
#: This machine may ask for more, since load tests come from it.
LOCAL_FACTOR = 10.0
TOO_MANY = "Too many requests from your address; try again in a moment."


class RequestCheck:
    """Checks requests and holds the budgets of all addresses. It has no clock and does no I/O."""

    def __init__(
        self,
        hosts: Hosts,
        addresses: ClientAddresses,
        bodies: BodyLimits,
        *,
        offers_per_s: float,
        others: OtherSites = OtherSites(),
    ) -> None:
        """One address may make `offers_per_s` offers a second."""
        self._hosts, self._addresses, self._bodies, self._others = hosts, addresses, bodies, others
        each = Rate(offers_per_s, max(1.0, offers_per_s * OFFERS_BURST_S))
        self._offers = RateLimit(each, OFFERS_TOGETHER.times(max(1.0, offers_per_s)))
        self._uploads, self._pictures, self._reads = RateLimit(*UPLOADS), RateLimit(*PICTURES), RateLimit(*READS)

    def admit(self, head: Head, peer: str, now_s: float) -> str:
        """Admit a request and return the client that it comes from. Raises RequestRefused.

        A request that is refused for another reason than its rate takes nothing from its client's budget.
        """
        self._hosts.check_host(head.headers)
        if head.method == PREFLIGHT and not self._others.is_preflight(head):
            raise RequestRefused(405, "There is only GET, HEAD and POST here.", "method")
        if head.method == "POST" and head.path not in self._bodies:
            raise RequestRefused(405, "There is nothing to send here.", "method")
        limit = self._bodies[head.path] if head.method == "POST" else 0
        if head.length > limit:
            raise RequestRefused(413, f"That is more than the {limit:,} bytes that are taken here.", "length")
        needs_origin = head.method == "POST" or head.path == "/config"
        if needs_origin and not self._others.allows(head.headers.get("origin")):
            self._hosts.check_origin(head.headers)
        client = self.client(head, peer)
        wait_s = self._limit(head).wait_s(client, now_s, factor=LOCAL_FACTOR if is_local(client) else 1.0)
        if wait_s:
            raise RequestRefused(429, TOO_MANY, "rate", wait_s)
        return client

    def client(self, head: Head, peer: str) -> str:
        """Return the key by which budgets know a request's client, whether the request is admitted or not."""
        return self._addresses.of(peer, head.headers.get("x-forwarded-for", ""))

    def _limit(self, head: Head) -> RateLimit:
        if head.method == "POST":
            return self._offers if head.path == "/offer" else self._uploads
        return self._pictures if head.path.startswith("/styles/") else self._reads
