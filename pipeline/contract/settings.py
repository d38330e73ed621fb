"""The settings in MVS_* environment variables, parsed once when a process starts. Errors name the variable."""

import ipaddress
import json
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pipeline.contract.errors import BadSetting
from pipeline.contract.redaction import in_environment, in_ice_servers, in_url, redact, whole

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(text: str) -> tuple[Network, ...]:
    """Parse addresses and networks with commas between them. Raises ValueError."""
    return tuple(ipaddress.ip_network(word.strip()) for word in text.split(",") if word.strip())


def host_names(text: str) -> tuple[str, ...]:
    """Parse names with commas between them; "*." before a name stands for its subdomains. Raises ValueError."""
    found = tuple(word.strip().lower() for word in text.split(",") if word.strip())
    for name in found:
        if not all(part and all(c.isalnum() or c in "-_" for c in part) for part in name.removeprefix("*.").split(".")):
            raise ValueError("names with commas between them are needed, without ports")
    return found


def origins(text: str) -> tuple[str, ...]:
    """Parse the origins of web pages with commas between them, such as https://example.org. Raises ValueError."""
    found = tuple(word.strip().lower().rstrip("/") for word in text.split(",") if word.strip())
    for origin in found:
        parts = urlsplit(origin)
        is_origin = f"{parts.scheme}://{parts.netloc}" == origin and "@" not in origin
        if parts.scheme not in ("http", "https") or not parts.hostname or not is_origin:
            raise ValueError("origins like https://example.org with commas between them are needed")
        host_names(parts.hostname)
        parts.port  # raises ValueError  # noqa: B018
    return found


def _ice_servers(text: str) -> tuple[dict, ...]:
    """Parse a JSON list of RTCIceServer objects: [{"urls": "turn:host:3478", "username": "u", "credential": "p"}]."""
    servers = json.loads(text)
    if not isinstance(servers, list) or not all(isinstance(s, dict) and "urls" in s for s in servers):
        raise ValueError("a JSON list of objects with urls is needed")
    return tuple(servers)


def _name(text: str) -> str:
    if not text or not all(c.isalnum() or c in "-_" for c in text):
        raise ValueError("letters, digits, - and _ only")
    return text


def _ports(text: str) -> range | None:
    """Parse "first-last", both included, as a range; nothing stands for all ports. Raises ValueError."""
    if not text:
        return None
    ends = [int(word) for word in text.split("-") if word.isdecimal()]
    if len(ends) != 2 or not 1024 <= ends[0] <= ends[1] < 1 << 16:
        raise ValueError("two numbers between 1024 and 65535 are needed, like 40000-40100")
    return range(ends[0], ends[1] + 1)


def _web_address(text: str) -> str:
    """Parse an address to link to. Raises ValueError unless it is http or https, without a password."""
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc):
        raise ValueError("an address like https://grafana.example/ is needed, without a password")
    return text


def _switch(text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise ValueError("on or off is needed")
    return text.lower() == "on"


def _token(text: str) -> str:
    if text and len(text) < 16 or not all(c.isascii() and (c.isalnum() or c in "-_") for c in text):
        raise ValueError("16 or more letters, digits, - and _ are needed")
    return text


def _key(text: str) -> str:
    if text and len(text) < 32 or not text.isascii() or not text.isprintable():
        raise ValueError("32 or more characters of ASCII are needed")
    return text


def _positive(kind: type[int] | type[float]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        value = kind(text)
        if not 0 < value < 1e9:
            raise ValueError("a positive number is needed")
        return value

    return parse


def _seconds(text: str) -> float:
    if not 0 <= (value := float(text)) <= 3600:
        raise ValueError("a number of seconds up to 3600 is needed")
    return value


def _setting(default: Any, parse: Callable[[str], Any], doc: str) -> Any:
    return field(default=default, metadata={"parse": parse, "doc": doc})


def _secret(default: Any, parse: Callable[[str], Any], doc: str, *, find: Callable[[str], list[str]] = whole) -> Any:
    """Make a setting whose value is never shown. `find` returns the parts of the value that must not be logged."""
    return field(default=default, repr=False, metadata={"parse": parse, "doc": doc, "secrets": find})


def _link(doc: str) -> Any:
    """Make a setting for an address to link to. A refused value is not shown: it may hold a password by mistake."""
    return field(default="", metadata={"parse": _web_address, "doc": doc, "unshown": True})


def _models_dir() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "mvstylizer" / "models"


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of one process. Each field is MVS_<NAME> in the environment; command-line options win."""

    redis_url: str = _secret("redis://127.0.0.1:6379/0", str, "where Redis is", find=in_url)
    cloud_redis_url: str = _secret("", str, "where the Redis of edges' weights is, if it is another one", find=in_url)
    edge_id: str = _setting("edge", _name, "the edge this gateway feeds, or this worker belongs to")
    gateway_id: str = field(
        default_factory=lambda: uuid.uuid4().hex[:8], metadata={"parse": _name, "doc": "this gateway's name"}
    )
    host: str = _setting("127.0.0.1", str, "address the gateway listens on")
    port: int = _setting(8080, _positive(int), "port the gateway listens on")
    udp_ports: range | None = _setting(
        None, _ports, "UDP ports for video, such as `40000-40100`; without them, any free one"
    )
    max_sessions: int = _setting(32, _positive(int), "live sessions a gateway takes before it answers 503")
    cpu_budget: float = _setting(0.8, _positive(float), "cores a gateway's sessions may take before it answers 503")
    drain_s: float = _setting(
        10.0, _seconds, "a gateway that gets SIGTERM lets its clients move to another one, for this long at most"
    )
    key_frame_interval_s: float = _setting(4.0, _positive(float), "longest time between two key frames of a stream")
    marker_jitter_buffer: bool = _setting(True, _switch, "release a video frame with its last packet")
    allowed_hosts: tuple[str, ...] = _setting((), host_names, "host names of the page, besides the machine's own")
    allowed_origins: tuple[str, ...] = _setting(
        (), origins, "other sites, such as `https://example.org`, whose pages may show the live picture"
    )
    trusted_proxies: tuple[Network, ...] = _setting((), networks, "addresses whose X-Forwarded-For is believed")
    offers_per_s: float = _setting(
        1.0, _positive(float), "offers a second of one address; this machine has ten times as many"
    )
    operator_token: str = _secret("", _token, "the operators' token; without it, a random one")
    operator_open: bool = _setting(False, _switch, "on: this machine's own requests need no token on loopback")
    dashboard_url: str = _link("where operators find the queues' dashboard; `/status` links to it")
    grafana_url: str = _link("where operators find Grafana; `/status` links to it")
    snapshot_key: str = _secret("", _key, "signs the models that edges and cloud exchange: the same for all of them")
    train_images: int = _setting(4000, _positive(int), "images an edge trains on before it sends its weights")
    train_rate: float = _setting(1e-4, _positive(float), "how far a training step goes: Adam's learning rate")
    train_threads: int = _setting(1, _positive(int), "processor cores that training may use")
    round_quorum: int = _setting(2, _positive(int), "edges whose weights close a round")
    round_deadline_s: float = _setting(300.0, _positive(float), "a round waits this long for its quorum")
    gate_tolerance: float = _setting(0.05, _positive(float), "share by which a global's hold-out loss may rise")
    models_dir: Path = field(default_factory=_models_dir, metadata={"parse": Path, "doc": "where globals are kept"})
    vgg: Path | None = _setting(None, Path, "VGG-19 weights for the training loss; without them, the shipped encoder")
    ice_servers: tuple[dict, ...] = _secret(
        (), _ice_servers, "STUN and TURN servers as JSON; none by default", find=in_ice_servers
    )

    @property
    def weights_url(self) -> str:
        """The address of the Redis that edges and cloud share."""
        return self.cloud_redis_url or self.redis_url

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the settings; raises BadSetting, which names the variable, for an invalid value."""
        values = {}
        for f in fields(cls):
            name = f"MVS_{f.name.upper()}"
            if name not in environ:
                continue
            parse = f.metadata["parse"]
            try:
                values[f.name] = parse(environ[name])
            except ValueError as error:
                shown = "..." if {"secrets", "unshown"} & f.metadata.keys() else repr(environ[name])
                raise BadSetting(f"{name}={shown} makes no sense: {redact(str(error))}.") from None
        return cls(**values)

    @classmethod
    def secrets(cls, environ: Mapping[str, str] = os.environ) -> set[str]:
        """Return all secrets in the environment, which must not be logged or shown; settings may be invalid."""
        kinds = {f"MVS_{f.name.upper()}": f.metadata["secrets"] for f in fields(cls) if "secrets" in f.metadata}
        return in_environment(environ, kinds)
