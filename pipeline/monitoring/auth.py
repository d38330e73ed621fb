"""Decides who may see the operators' pages: whoever has the token, and this machine's users if a setting says so."""

import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from pipeline.contract.settings import Settings

COOKIE = "mvs_operator"
#: Headers that a proxy or a tunnel adds. With one of them, the peer's loopback address says nothing about the client.
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via", "CF-Connecting-IP")
SENTENCE = "This is for operators: add ?token=..., or send it as Authorization: Bearer."


@dataclass(frozen=True, slots=True)
class Access:
    token: str
    #: Whether requests from this machine need no token. It is off by default, since requests through a proxy on this
    #: machine look like the machine's own, unless the proxy adds a header; by default no proxy does.
    local: bool

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Make the access from the settings. If they have no token, a random one is made."""
        made_up = secrets.token_urlsafe(24)
        return cls(settings.operator_token or made_up, settings.operator_open and is_loopback(settings.host))

    def url(self, plain: str) -> str:
        """Return the address `plain` with the token added, so that it opens the page."""
        return plain if self.local else f"{plain}?token={self.token}"

    def granted(self, headers: Mapping[str, str], *, cookie: str = "", query: str = "") -> bool:
        """Return whether a request is let in. The names in `headers` must ignore case.

        A local request must also have a host that is a name of loopback. Any other means a tunnel, or a page whose own
        name was rebound to this machine.
        """
        if self.local and is_loopback(host_name(headers)) and not any(name in headers for name in FORWARDED):
            return True
        return any([self.opens(t) for t in (cookie, query, headers.get("Authorization", "").removeprefix("Bearer "))])

    def opens(self, text: str) -> bool:
        """Return whether this is the token. The time that this takes reveals nothing of the token."""
        return secrets.compare_digest(text.encode(errors="replace"), self.token.encode())


def host_name(headers: Mapping[str, str]) -> str:
    """Return the host of a request without its port, or "" if it is invalid."""
    try:
        return urlsplit(f"//{headers.get('Host', '')}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
