"""Runs the fast path of received video without a network, with its patches installed during a test."""

import queue
from collections.abc import Iterator
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from aiortc import rtcrtpreceiver
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpDecodingParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpReceiveParameters,
    RTCRtpRtxParameters,
)
from aiortc.rtp import RTCP_PSFB_APP, RtcpPacket

from pipeline.monitoring.metrics import GatewayMetrics
from pipeline.webrtc import patches
from pipeline.webrtc.media import packet_intake
from support.webrtc.our_parts import counters


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    with patches.installed(counters(GatewayMetrics())):
        yield


VP8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=97)
RTX = RTCRtpCodecParameters(mimeType="video/rtx", clockRate=90_000, payloadType=98, parameters={"apt": 97})
SENT_AT = RTCRtpHeaderExtensionParameters(id=3, uri="http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time")
PARAMETERS = RTCRtpReceiveParameters(
    codecs=[VP8, RTX],
    headerExtensions=[SENT_AT],
    muxId="0",
    encodings=[RTCRtpDecodingParameters(ssrc=1, payloadType=97, rtx=RTCRtpRtxParameters(ssrc=2))],
)


class Dtls(packet_intake.Transport):
    """A DTLS transport that encrypts nothing, and keeps what is sent."""

    def __init__(self):
        super().__init__(SimpleNamespace(_connection=SimpleNamespace(data_received=None)), [None])
        self._rx_srtp, self.sent = SimpleNamespace(unprotect=lambda data: data), []

    async def _send_rtp(self, data):
        (packet,) = RtcpPacket.parse(data)
        self.sent += [] if getattr(packet, "fmt", None) == RTCP_PSFB_APP else [data]  # rates depend on the clock


async def receiver() -> tuple[Dtls, rtcrtpreceiver.RTCRtpReceiver]:
    dtls = Dtls()
    receiver = packet_intake.Receiver("video", dtls)
    receiver._track = SimpleNamespace(_queue=None)
    receiver._set_rtcp_ssrc(3)
    receiver._RTCRtpReceiver__decoder_queue = queue.SimpleQueue()  # nobody takes frames from it
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rtcrtpreceiver.threading, "Thread", Mock())
        await receiver.receive(PARAMETERS)
    return dtls, receiver


def queued(made: rtcrtpreceiver.RTCRtpReceiver) -> list[tuple]:
    """The data and times of the frames that wait for the decoder; they stay in its queue."""
    waiting = made._RTCRtpReceiver__decoder_queue
    tasks = [waiting.get() for _ in range(waiting.qsize())]
    return [(part.data, task[1].timestamp) for task in tasks for part in getattr(task[1], "frames", [task[1]])]
