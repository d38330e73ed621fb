"""Replaces parts of aiortc and aioice by ours for a while, and checks beforehand whether they fit."""

import contextlib
import dis
import importlib.metadata
import inspect
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from types import CodeType, FunctionType, ModuleType

from aioice import ice as aioice_ice
from aioice import mdns
from aioice.ice import StunProtocol
from aioice.mdns import MDnsProtocol
from aiortc import RTCPeerConnection, rtcicetransport, rtcpeerconnection, rtcrtpreceiver, rtcrtpsender, rtcsctptransport
from aiortc.codecs.base import Decoder, Encoder
from aiortc.rate import RemoteBitrateEstimator
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpreceiver import StreamStatistics

from pipeline.webrtc.internals import dtls, ice, peer, rtp, sctp

#: The versions that this code was written for and is tested with; pyproject.toml requires the same ones.
TESTED = {"aiortc": "1.16.", "aioice": "0.13."}
LAYERS: tuple[ModuleType, ...] = (ice, dtls, rtp, sctp, peer)
#: The modules from which aiortc makes a decoder's queue and its thread, as names in aiortc's own module.
DECODER_MODULES = ((rtcrtpreceiver, "queue"), (rtcrtpreceiver, "threading"))

#: A module or class, a name in it, and the object that replaces what has this name.
Replacement = tuple[object, str, object]


def verify(replacements: Iterable[Replacement]) -> list[str]:
    """Return everything in aiortc and aioice that this room touches or replaces, but that is missing or has changed.

    Each entry names a class and an attribute, or a version. The list is empty if the installed packages fit.
    """
    return [*_untested(), *_missing_attributes(), *_missing_names(replacements), *_changed_methods()]


@cache
def fits() -> bool:
    """Return whether private names may be touched at all, even on connections that were made without our parts."""
    return not verify(())


def _untested() -> Iterator[str]:
    for package, tested in TESTED.items():
        version = importlib.metadata.version(package)
        if not version.startswith(tested):
            yield f"{package} {tested}x (this is {version})"


def _missing_attributes() -> Iterator[str]:
    for layer in LAYERS:
        for owner, names in layer.NEEDS.items():
            yield from (f"{owner.__name__}.{name}" for name in names if name not in attributes(owner))


def _missing_names(replacements: Iterable[Replacement]) -> Iterator[str]:
    for owner, name in [*((owner, name) for owner, name, _ in replacements), *DECODER_MODULES]:
        if not hasattr(owner, name):
            yield f"{getattr(owner, '__name__', owner)}.{name}"


def _changed_methods() -> Iterator[str]:
    """Yield the methods that this room's classes override, but whose parameters have changed in aiortc or aioice."""
    for layer in LAYERS:
        for member in vars(layer).values():
            if inspect.isclass(member) and member.__module__ == layer.__name__ and member.__name__.startswith("Open"):
                yield from _changed(member)


def _changed(subclass: type) -> Iterator[str]:
    base = subclass.__mro__[1]
    for name, ours in vars(subclass).items():
        theirs = getattr(base, name, None)
        if name != "__init__" and isinstance(ours, FunctionType) and isinstance(theirs, FunctionType):
            if _parameters(ours) != _parameters(theirs):
                yield f"{base.__name__}.{name}{inspect.signature(theirs)}"


def _parameters(function: FunctionType) -> list[str]:
    return list(inspect.signature(function).parameters)


def attributes(owner: type) -> set[str]:
    """Return the names that a class and its bases define or annotate, or that their methods assign as attributes."""
    names: set[str] = set()
    for base in owner.__mro__:
        names |= set(vars(base)) | set(vars(base).get("__annotations__", {}))
        for member in vars(base).values():
            if isinstance(member, FunctionType):
                names |= _stored(member.__code__)
    return names


@cache
def _stored(code: CodeType) -> frozenset[str]:
    return frozenset(found.argval for found in dis.get_instructions(code) if found.opname == "STORE_ATTR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Our parts; the name of each field says which part of aiortc or aioice it replaces."""

    connection: type[ice.OpenConnection]
    stun_protocol: type[StunProtocol]
    mdns_protocol: type[MDnsProtocol]
    certificate: type[dtls.OpenCertificate]
    dtls_transport: type[dtls.OpenDtlsTransport]
    sctp_transport: type[sctp.OpenSctpTransport]
    receiver: type[rtp.OpenReceiver]
    nack_generator: type[rtp.NackGenerator]
    statistics: type[StreamStatistics]
    timestamp_mapper: type
    estimator: type[RemoteBitrateEstimator]
    depayload: Callable[[RTCRtpCodecParameters, bytes], bytes]
    #: The longest message of a data channel that we accept, in bytes; SDP tells the peer.
    longest_message: int
    #: The shortest and the first time-out for a packet of SCTP.
    shortest_rto_s: float
    first_rto_s: float

    def replacements(self) -> list[Replacement]:
        return [
            (rtcicetransport, "Connection", self.connection),
            (aioice_ice, "StunProtocol", self.stun_protocol),
            (mdns, "MDnsProtocol", self.mdns_protocol),
            (rtcpeerconnection, "RTCCertificate", self.certificate),
            (rtcpeerconnection, "RTCDtlsTransport", self.dtls_transport),
            (rtcpeerconnection, "RTCSctpTransport", self.sctp_transport),
            (rtcpeerconnection, "RTCRtpReceiver", self.receiver),
            (rtcpeerconnection, "RemoteStreamTrack", rtp.OpenTrack),
            (RTCPeerConnection, peer.CONNECT, peer.connect),
            (rtcrtpreceiver, "NackGenerator", self.nack_generator),
            (rtcrtpreceiver, "StreamStatistics", self.statistics),
            (rtcrtpreceiver, "TimestampMapper", self.timestamp_mapper),
            (rtcrtpreceiver, "RemoteBitrateEstimator", self.estimator),
            (rtcrtpreceiver, "depayload", self.depayload),
            (rtcsctptransport, "LOCAL_MAX_MESSAGE_SIZE", self.longest_message),
            (rtcsctptransport, "SCTP_RTO_MIN", self.shortest_rto_s),
            (rtcsctptransport, "SCTP_RTO_INITIAL", self.first_rto_s),
        ]


def jitter_buffer(make: Callable[..., rtp.JitterBuffer]) -> list[Replacement]:
    """Have aiortc's receivers make their jitter buffer with `make`, which has the parameters of JitterBuffer."""
    return [(rtcrtpreceiver, "JitterBuffer", make)]


def decoder_input(make: Callable[[], rtp.DecoderInput]) -> list[Replacement]:
    """Have aiortc start no thread for a stream, and put its encoded frames into an object that `make` returns."""
    return [(owner, name, module) for (owner, name), module in zip(DECODER_MODULES, rtp.decoder_modules(make))]


def udp_sockets(bind: Callable[[str], socket.socket]) -> list[Replacement]:
    """Have connections send and receive through the sockets that `bind(address)` returns; see `ice.asyncio_with`."""
    return [(aioice_ice, "asyncio", ice.asyncio_with(bind))]


def decoder(make: Callable[[RTCRtpCodecParameters], Decoder]) -> list[Replacement]:
    """Have aiortc's own decoder threads make their decoders with `make`."""
    return [(rtcrtpreceiver, "get_decoder", make)]


def encoder(make: Callable[[RTCRtpCodecParameters], Encoder]) -> list[Replacement]:
    """Have aiortc's senders make their encoders with `make`."""
    return [(rtcrtpsender, "get_encoder", make)]


def sctp_parameters(read: Callable[[bytes], list[tuple[int, bytes]]]) -> list[Replacement]:
    """Have aiortc parse the parameters of SCTP chunks with `read`."""
    return [(rtcsctptransport, "decode_params", read)]


@contextlib.contextmanager
def replaced(replacements: Iterable[Replacement]) -> Iterator[None]:
    """Replace names inside the `with` block; names that do not exist are left out."""
    fitting = [replacement for replacement in replacements if hasattr(replacement[0], replacement[1])]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in fitting]
    try:
        for owner, name, ours in fitting:
            setattr(owner, name, ours)
        yield
    finally:
        for owner, name, theirs in reversed(before):
            setattr(owner, name, theirs)
