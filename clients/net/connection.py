"""The client's end of a session: it makes the offer, sends video, and reads what the gateway sends back."""

import asyncio
import logging
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
)

from clients.net import fast_data_channel
from pipeline.contract.chunks import ChunkAssembler
from pipeline.contract.control import ClientMessage, GatewayMessage, Move, read_gateway_message
from pipeline.contract.errors import BadMessage, Busy, MVStylizerError
from pipeline.contract.grid_codec import unpack_grid

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 15.0
#: A gateway that says nothing for this long is taken for gone: a live one sends a message every second. ICE alone would
#: take half a minute to notice.
SILENCE_S = 4.0


class Connection:
    """One session with a gateway: sends one video track, and receives grids and control messages.

    `on_grid(header, grid)` is called with the answer to each key frame, and `on_control(message)` with each control
    message of the gateway. `lost` is set once the gateway is gone, the session is over, or the gateway asks to move.
    """

    def __init__(
        self,
        url: str,
        *,
        on_grid: Callable[[dict, Any], None],
        on_control: Callable[[GatewayMessage], None],
        unpack: Callable[[bytes, object], Any] = unpack_grid,
    ) -> None:
        """`unpack(packed, shape)` makes the grid that `on_grid` gets. A load test, which only counts answers, replaces
        it by a function that does nothing.
        """
        self._url = url.rstrip("/")
        self._on_grid, self._on_control, self._unpack = on_grid, on_control, unpack
        self._assembler = ChunkAssembler()
        self._peer: RTCPeerConnection | None = None
        self._silence: asyncio.TimerHandle | None = None
        self.control: RTCDataChannel | None = None
        self.video: RTCRtpTransceiver | None = None
        self.lost = asyncio.Event()

    async def open(self, track: MediaStreamTrack, *, size: tuple[int, int], style: str) -> str:
        """Connect and start sending; returns the stream's id.

        `size` is the video's (width, height). `style` is the path of a photo, which is uploaded, or the id or name of a
        style. Raises Busy when the gateway has no place at the moment, and MVStylizerError when it cannot be reached,
        is not one of ours, or refuses the offer.
        """
        try:
            # Certificates are not checked: gateways on a local network sign their own.
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http:
                style_id = await self._upload(http, Path(style)) if Path(style).is_file() else style
                return await self._connect(http, track, size, style_id)
        except (aiohttp.ClientError, OSError) as error:
            raise MVStylizerError(f"No gateway answers at {self._url} ({error}).") from None

    async def _connect(self, http, track: MediaStreamTrack, size: tuple[int, int], style: str) -> str:
        config = await self._json(http.get(f"{self._url}/config"))
        servers = [RTCIceServer(**server) for server in config["iceServers"]]
        self._peer = peer = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        connected = asyncio.Event()
        peer.on("connectionstatechange", lambda: self._on_state(peer.connectionState, connected))
        self.control = peer.createDataChannel("control")
        self.control.on("message", self._read_control)
        frames = peer.createDataChannel("frames", ordered=False)
        frames.on("message", self._read_chunk)
        for channel in (self.control, frames):
            channel.on("close", self.lost.set)
        self.video = peer.addTransceiver(track, direction="sendonly")
        self.video.setCodecPreferences(
            [c for c in RTCRtpSender.getCapabilities("video").codecs if c.mimeType == "video/VP8"]
        )
        await peer.setLocalDescription(await peer.createOffer())
        sdp, (width, height) = peer.localDescription.sdp, size
        offer = {"type": "offer", "sdp": sdp, "style": style, "width": width, "height": height}
        answer = await self._json(http.post(f"{self._url}/offer", json=offer))
        await peer.setRemoteDescription(RTCSessionDescription(sdp=answer["sdp"], type="answer"))
        try:
            await asyncio.wait_for(connected.wait(), CONNECT_TIMEOUT_S)
        except TimeoutError:
            raise MVStylizerError(f"No video path to {self._url} within {CONNECT_TIMEOUT_S:.0f} s.") from None
        fast_data_channel.attach(peer.sctp)
        self._heard()
        return answer["stream_id"]

    def _on_state(self, state: str, connected: asyncio.Event) -> None:
        if state == "connected":
            connected.set()
        elif state in ("failed", "closed"):
            self.lost.set()

    def _heard(self) -> None:
        """Note that the gateway is alive: it has SILENCE_S to send its next message."""
        if self._silence:
            self._silence.cancel()
        self._silence = asyncio.get_running_loop().call_later(SILENCE_S, self.lost.set)

    async def _upload(self, http, path: Path) -> str:
        picture, headers = BytesIO(path.read_bytes()), {"Content-Type": "image/*"}
        return (await self._json(http.post(f"{self._url}/styles", data=picture, headers=headers)))["id"]

    async def _json(self, request) -> dict:
        async with request as response:
            try:
                body = await response.json()
            except (aiohttp.ContentTypeError, ValueError):
                raise MVStylizerError(f"{self._url} is not a gateway of ours.") from None
            if response.status < 400:
                return body
            sentence = body.get("error", f"{self._url} answered {response.status}.")
            if response.status in (429, 503):
                raise Busy(sentence, float(response.headers.get("Retry-After", 0)))
            raise MVStylizerError(sentence)

    def send(self, message: ClientMessage) -> bool:
        """Send a control message to the gateway. Returns False if the control channel is not open."""
        if self.control is None or self.control.readyState != "open":
            return False
        self.control.send(message.to_text())
        return True

    def _read_control(self, text: str) -> None:
        self._heard()
        try:
            message = read_gateway_message(text)
        except BadMessage as error:
            logger.info("refused: %s", error)
            return
        if isinstance(message, Move):
            logger.info("the gateway is about to stop")
            self.lost.set()
        self._on_control(message)

    def _read_chunk(self, chunk: bytes) -> None:
        self._heard()
        try:
            if joined := self._assembler.push(chunk):
                header, body = joined
                self._on_grid(header, self._unpack(body, header.get("grid")))
        except BadMessage as error:
            logger.info("refused: %s", error)

    async def close(self) -> None:
        if self._silence:
            self._silence.cancel()
        if self._peer:
            await self._peer.close()
