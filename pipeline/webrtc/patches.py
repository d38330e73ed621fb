"""Replaces parts of aiortc and aioice by ours, all together, and restores them: for gateways, clients and tests."""

import contextlib
import importlib.metadata
import logging
from collections.abc import Iterator

from prometheus_client import Counter

from pipeline.webrtc.internals import seams
from pipeline.webrtc.internals.seams import Replacement
from pipeline.webrtc.media import decoder_pool, packet_intake, refusals, rtp
from pipeline.webrtc.media.guarded_decoder import guarded_decoder
from pipeline.webrtc.media.jitter_buffer import jitter_buffer
from pipeline.webrtc.transport import hardening, ice_limits, sctp_limits, sctp_window
from pipeline.webrtc.transport.udp_ports import UdpPorts

logger = logging.getLogger(__name__)

PARTS = seams.Parts(
    connection=ice_limits.GuardedConnection,
    stun_protocol=ice_limits.GuardedStunProtocol,
    mdns_protocol=ice_limits.GuardedMDns,
    certificate=hardening.Certificate,
    dtls_transport=packet_intake.Transport,
    sctp_transport=sctp_limits.LimitedSctpTransport,
    receiver=packet_intake.Receiver,
    nack_generator=packet_intake.BoundedNackGenerator,
    statistics=packet_intake.BoundedStatistics,
    timestamp_mapper=packet_intake.SteadyMapper,
    estimator=packet_intake.CalmEstimator,
    depayload=rtp.depayload,
    longest_message=sctp_limits.MAX_MESSAGE_BYTES,
    shortest_rto_s=sctp_window.RTO_MIN_S,
    first_rto_s=sctp_window.RTO_INITIAL_S,
)
#: These need no private name, so they are installed even with an aiortc that the other parts do not fit.
ALWAYS: list[Replacement] = [
    *seams.decoder(guarded_decoder),
    *seams.sctp_parameters(hardening.decode_params),
]
#: Whether the replacements are in effect in this process now.
_is_installed = False


def verify() -> list[str]:
    """Return what our parts need of aiortc and aioice but do not find there; an empty list means that all is well."""
    sockets = seams.udp_sockets(UdpPorts(range(1)).bind)  # port 0 stands for any free one
    return seams.verify([*PARTS.replacements(), *seams.jitter_buffer(jitter_buffer), *sockets, *ALWAYS])


@contextlib.contextmanager
def installed(
    counters: decoder_pool.Counters | None = None,
    refused: Counter | None = None,
    *,
    marker_jitter_buffer: bool = True,
    udp_ports: range | None = None,
) -> Iterator[None]:
    """Have peer connections that are made inside the `with` block use our parts. A nested call changes nothing.

    A process that receives video passes `counters`, which count frames that are dropped and streams that are refused.
    `refused` counts refused packets, candidates and chunks. With `udp_ports`, connections use no other ports. If
    `verify` finds something, a warning is logged and only ALWAYS is replaced.
    """
    global _is_installed
    if _is_installed:
        yield
        return
    with contextlib.ExitStack() as stack:
        _is_installed = True
        stack.callback(_forget)
        stack.enter_context(refusals.counted_in(refused))
        stack.enter_context(_quiet())
        stack.enter_context(seams.replaced(ALWAYS))
        if missing := verify():
            _warn(missing)
        else:
            stack.enter_context(seams.replaced(PARTS.replacements()))
            if udp_ports:
                stack.enter_context(seams.replaced(seams.udp_sockets(UdpPorts(udp_ports).bind)))
            if counters:
                make = stack.enter_context(decoder_pool.threads(counters))
                stack.enter_context(seams.replaced(seams.decoder_input(make)))
            if counters and marker_jitter_buffer:  # only our decoder threads can take several frames at once from it
                stack.enter_context(seams.replaced(seams.jitter_buffer(jitter_buffer)))
        yield


def _forget() -> None:
    global _is_installed
    _is_installed = False


def _warn(missing: list[str]) -> None:
    logger.warning(
        "aiortc %s with aioice %s lacks what this was written for, so video is received as aiortc does it: "
        "slower, and with fewer limits for peers (%s)",
        importlib.metadata.version("aiortc"),
        importlib.metadata.version("aioice"),
        ", ".join(missing),
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence aioice's log below warnings, since its lines contain the addresses of peers."""
    aioice = logging.getLogger("aioice")
    before = aioice.level
    aioice.setLevel(logging.WARNING)
    try:
        yield
    finally:
        aioice.setLevel(before)
