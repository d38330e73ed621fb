"""Removes what is never shown: passwords within addresses, and the values of secret settings."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

HIDDEN = "***"
#: A shorter secret protects nothing, and would be found in any text by chance.
LEAST_CHARACTERS = 4
#: Everything up to the last @: people forget to encode an @ in their password.
USERINFO = re.compile(r"(?<=://)[^\s'\"<>]*@")
NAMED = re.compile(r"(?i)((?:password|passwd|credential|secret|token)[\"']?\s*[=:]\s*[\"']?)[^\s&'\",;}]+")
QUERY = frozenset({"password", "token", "secret"})


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without `secrets`, and without anything that looks like a password in an address or a setting."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= LEAST_CHARACTERS:
            text = text.replace(secret, HIDDEN)
    return NAMED.sub(rf"\g<1>{HIDDEN}", USERINFO.sub(f"{HIDDEN}@", text))


def whole(text: str) -> list[str]:
    """The secrets in a setting that is a secret as a whole."""
    return [text]


def in_url(url: str) -> list[str]:
    """The password in an address, as it is written and as it is meant. Of a text that is no address, all of it."""
    try:
        parts = urlsplit(url)
        named = [value for name, value in parse_qsl(parts.query) if name in QUERY]
        found = [parts.password or "", unquote(parts.password or ""), *named]
        parts.port  # a "#" or "/" in a password shows here  # noqa: B018
    except ValueError:
        return [url]
    return [secret for secret in found if secret]


def in_ice_servers(text: str) -> list[str]:
    """The credentials in a JSON list of ICE servers. Of a text that is none, all of it."""
    try:
        return [str(server["credential"]) for server in json.loads(text) if "credential" in server]
    except (ValueError, TypeError, RecursionError):
        return [text]


def in_environment(environ: Mapping[str, str], kinds: Mapping[str, Callable[[str], list[str]]]) -> set[str]:
    """All secrets in environment variables. `kinds` has, for each variable's name, the function that finds them."""
    return {secret for name, find in kinds.items() for secret in find(environ.get(name, "")) if secret}
