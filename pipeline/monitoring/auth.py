"""Who may see what operators see: whoever has the token, and where a setting says so, anybody at this machine."""

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
    #: Whether this machine's own requests need none. Not by itself: to a gateway, whoever comes through a proxy on this
    #: machine looks like the machine itself, unless the proxy says otherwise, and by default none does.
    local: bool

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Without a token in the settings it is made up, so that there is always one to ask for."""
        made_up = secrets.token_urlsafe(24)
        return cls(settings.operator_token or made_up, settings.operator_open and is_loopback(settings.host))

    def url(self, plain: str) -> str:
        """An address that opens."""
        return plain if self.local else f"{plain}?token={self.token}"

    def granted(self, headers: Mapping[str, str], *, cookie: str = "", query: str = "") -> bool:
        """`headers` ignore case. A name that is not loopback's is a tunnel, or a page that had its own name rebound."""
        if self.local and is_loopback(host_name(headers)) and not any(name in headers for name in FORWARDED):
            return True
        return any([self.opens(t) for t in (cookie, query, headers.get("Authorization", "").removeprefix("Bearer "))])

    def opens(self, text: str) -> bool:
        """Whether this is the token; takes as long wherever they differ."""
        return secrets.compare_digest(text.encode(errors="replace"), self.token.encode())


def host_name(headers: Mapping[str, str]) -> str:
    """Without its port; "" where it is none."""
    try:
        return urlsplit(f"//{headers.get('Host', '')}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
