"""Removes secrets from texts: passwords in addresses, and the values of secret settings."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

HIDDEN = "***"
#: A shorter secret protects nothing, and would be found in any text by chance.
LEAST_CHARACTERS = 4
#: This matches everything up to the last @, since people forget to encode an @ in their password.
USERINFO = re.compile(r"(?<=://)[^\s'\"<>]*@")
NAMED = re.compile(r"(?i)((?:password|passwd|credential|secret|token)[\"']?\s*[=:]\s*[\"']?)[^\s&'\",;}]+")
QUERY = frozenset({"password", "sentinel_password", "token", "secret"})


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text without `secrets`, and without anything that looks like a password in an address or a setting."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= LEAST_CHARACTERS:
            text = text.replace(secret, HIDDEN)
    return NAMED.sub(rf"\g<1>{HIDDEN}", USERINFO.sub(f"{HIDDEN}@", text))


def whole(text: str) -> list[str]:
    """Return the secrets in a setting that is a secret as a whole."""
    return [text]


def in_url(url: str) -> list[str]:
    """Return the passwords in an address, both encoded and decoded. A text that is no address is secret as a whole."""
    try:
        parts = urlsplit(url)
        named = [value for name, value in parse_qsl(parts.query) if name in QUERY]
        found = [parts.password or "", unquote(parts.password or ""), *named]
        for host in parts.netloc.rpartition("@")[2].split(","):  # sentinels are several
            urlsplit(f"//{host}").port  # a "#" or "/" in a password shows here  # noqa: B018
    except ValueError:
        return [url]
    return [secret for secret in found if secret]


def in_ice_servers(text: str) -> list[str]:
    """Return the credentials in a JSON list of ICE servers. A text that is no such list is secret as a whole."""
    try:
        return [str(server["credential"]) for server in json.loads(text) if "credential" in server]
    except (ValueError, TypeError, RecursionError):
        return [text]


def in_environment(environ: Mapping[str, str], kinds: Mapping[str, Callable[[str], list[str]]]) -> set[str]:
    """Return all secrets in environment variables. `kinds` has the function that finds them by the variable's name."""
    return {secret for name, find in kinds.items() for secret in find(environ.get(name, "")) if secret}
