"""Checks that a request uses a name of this gateway, and comes from the page of an allowed site. No I/O."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.http.head import RequestRefused

DEFAULT_PORTS = {"http": 80, "https": 443}
WRONG_HOST = "This gateway is not known by that name; MVS_ALLOWED_HOSTS is where its operator adds names."
WRONG_ORIGIN = "Only this gateway's own page may do that; MVS_ALLOWED_HOSTS is where its operator adds names."


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names by which this gateway may be reached.

    `own` are the machine's names; `allowed` come from the settings, for example a proxy's name. The list is needed
    because of DNS rebinding: a page whose name was pointed at our address still sends its own name as host. IP
    addresses are always allowed, since a request with an address was not led here by a name.
    """

    own: frozenset[str] = frozenset(("localhost",))
    allowed: Sequence[str] = ()

    def check_host(self, headers: Mapping[str, str]) -> None:
        """Raise RequestRefused for a host that is not one of our names."""
        name, _ = host_of(headers["host"])
        if not (is_address(name) or name in self.own or name.endswith(".localhost") or self.is_allowed(name)):
            raise RequestRefused(421, WRONG_HOST, "host")

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Raise RequestRefused for a request from another site's page. Clients other than browsers send no origin."""
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise RequestRefused(403, WRONG_ORIGIN, "origin")
        if (origin := headers.get("origin")) is None:
            return
        scheme, _, authority = origin.partition("://")
        port = DEFAULT_PORTS.get(scheme)
        ours, theirs = host_of(headers["host"], port), host_of(authority, port)
        if port is None or not theirs[0] or theirs != ours and not self.is_allowed(theirs[0]):
            raise RequestRefused(403, WRONG_ORIGIN, "origin")

    def is_allowed(self, name: str) -> bool:
        return any(name == host or host.startswith("*.") and name.endswith(host[1:]) for host in self.allowed)


def host_of(authority: str, default_port: int | None = None) -> tuple[str, int | None]:
    """Return (name in lower case, port) of a host header; the name is "" if the header is invalid."""
    try:
        parts = urlsplit(f"//{authority}")
        port = parts.port
    except ValueError:
        return "", None
    if parts.netloc != authority or parts.username is not None or parts.path or parts.query:
        return "", None
    return (parts.hostname or "").rstrip("."), port or default_port


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
