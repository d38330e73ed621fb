"""Who may see the operators' pages: those who have the token, and everybody at this machine if a setting says so."""

import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from pipeline.contract.settings import Settings

COOKIE = "mvs_operator"
#: What a proxy or a tunnel adds: the peer's address is loopback then, and says nothing.
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via", "CF-Connecting-IP")
SENTENCE = "This is for operators: add ?token=..., or send it as Authorization: Bearer."


@dataclass(frozen=True, slots=True)
class Access:
    token: str
    #: Whether requests from this machine need no token. It is off by default: requests through a proxy on this machine
    #: look as if they came from the machine itself, unless the proxy says otherwise, and by default no proxy does.
    local: bool

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The token comes from the settings. If they have none it is made up, so that there always is a token."""
        made_up = secrets.token_urlsafe(24)
        return cls(settings.operator_token or made_up, settings.operator_open and is_loopback(settings.host))

    def url(self, plain: str) -> str:
        """The address `plain` with the token, so that it opens the page."""
        return plain if self.local else f"{plain}?token={self.token}"

    def granted(self, headers: Mapping[str, str], *, cookie: str = "", query: str = "") -> bool:
        """Whether a request may see. `headers` ignore case.

        A host that is not a name of loopback means a tunnel, or a page whose own name was rebound to this machine.
        """
        if self.local and is_loopback(host_name(headers)) and not any(name in headers for name in FORWARDED):
            return True
        return any([self.opens(t) for t in (cookie, query, headers.get("Authorization", "").removeprefix("Bearer "))])

    def opens(self, text: str) -> bool:
        """Whether this is the token. The time it takes does not depend on where the two differ."""
        return secrets.compare_digest(text.encode(errors="replace"), self.token.encode())


def host_name(headers: Mapping[str, str]) -> str:
    """The host of a request without its port, or "" if it cannot be read."""
    try:
        return urlsplit(f"//{headers.get('Host', '')}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
