"""What is never shown: passwords within addresses, and the values of secret settings."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

HIDDEN = "***"
#: Shorter values are found in any text by chance, and protect nothing.
LEAST_CHARACTERS = 4
#: Up to the last @, since people forget to encode the one in their password.
USERINFO = re.compile(r"(?<=://)[^\s'\"<>]*@")
NAMED = re.compile(r"(?i)((?:password|passwd|credential|secret|token)[\"']?\s*[=:]\s*[\"']?)[^\s&'\",;}]+")
QUERY = frozenset({"password", "token", "secret"})


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without any of `secrets`, and without whatever looks like a password of an address or a setting."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= LEAST_CHARACTERS:
            text = text.replace(secret, HIDDEN)
    return NAMED.sub(rf"\g<1>{HIDDEN}", USERINFO.sub(f"{HIDDEN}@", text))


def whole(text: str) -> list[str]:
    """A setting that is a secret itself."""
    return [text]


def in_url(url: str) -> list[str]:
    """The password of an address, as it is written and as it is meant; all of it where it is no address."""
    try:
        parts = urlsplit(url)
        named = [value for name, value in parse_qsl(parts.query) if name in QUERY]
        found = [parts.password or "", unquote(parts.password or ""), *named]
        parts.port  # a "#" or "/" in a password shows here  # noqa: B018
    except ValueError:
        return [url]
    return [secret for secret in found if secret]


def in_ice_servers(text: str) -> list[str]:
    """The credentials of a JSON list of ICE servers; all of it where it is none."""
    try:
        return [str(server["credential"]) for server in json.loads(text) if "credential" in server]
    except (ValueError, TypeError, RecursionError):
        return [text]


def in_environment(environ: Mapping[str, str], kinds: Mapping[str, Callable[[str], list[str]]]) -> set[str]:
    """All secrets of these variables; `kinds` says how each one holds its own."""
    return {secret for name, find in kinds.items() for secret in find(environ.get(name, "")) if secret}
