"""The page's frame-id strip through the browser's own encoder and a real connection, as the gateway receives it."""

import asyncio
from collections.abc import AsyncIterator

import av
import numpy as np
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from playwright.async_api import Page

from pipeline.contract import frame_strip
from pipeline.key_frames.frames import planes
from support.browsers.chromium import chromium
from support.browsers.page_server import PageServer

HEIGHT, FRAMES = 360, 60
#: Without permission for a camera, the browser would hide its addresses behind names that only it can resolve.
FLAGS = ["--disable-features=WebRtcHideLocalIpsWithMdns"]

#: Runs in the page: sends pictures that also show their own id, as 4 x 4 large squares below small moving ones.
SEND = """async ({ bitrate, scale }) => {
  const { SentPicture } = await import('/capture/sender.js');
  const source = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
  const context = source.getContext('2d', { willReadFrequently: true });
  const sender = new SentPicture(true, () => {});
  let id = 0;
  const step = () => {
    for (let bit = 0; bit < 16; bit++) {
      context.fillStyle = (id >> bit) & 1 ? '#d0d0d0' : '#303030';
      context.fillRect(160 * (bit % 4), 90 * Math.floor(bit / 4), 160, 90);
    }
    for (let dot = 0; dot < 200; dot++) {
      context.fillStyle = `hsl(${137 * dot} 60% ${30 + dot % 40}%)`;
      context.fillRect((dot * 89 + 7 * id) % 640, (dot * 53 + 3 * id) % 360, 12, 12);
    }
    id = sender.take({ source, width: 640, height: 360 }, performance.now()) + 1;
    sender.send();
    requestAnimationFrame(step);
  };
  step();
  window.peer = new RTCPeerConnection();
  const { sender: encoder } = peer.addTransceiver(sender.stream.getVideoTracks()[0], { direction: 'sendonly' });
  const parameters = encoder.getParameters();
  Object.assign(parameters.encodings[0], { maxBitrate: bitrate, scaleResolutionDownBy: scale });
  await encoder.setParameters(parameters);
  await peer.setLocalDescription();
  while (peer.iceGatheringState !== 'complete') await new Promise(requestAnimationFrame);
  return peer.localDescription.sdp;
}"""


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with PageServer().running() as server, chromium(flags=FLAGS) as browser:
        page = await browser.new_page()
        await page.goto(f"{server.url}/config")
        yield page


@pytest.fixture
async def receiver() -> AsyncIterator[RTCPeerConnection]:
    peer = RTCPeerConnection()
    yield peer
    await peer.close()


async def received(page: Page, peer: RTCPeerConnection, bitrate: int, scale: float) -> AsyncIterator[av.VideoFrame]:
    """The page's pictures as they arrive, encoded at a bit rate (bits per second) and scaled down."""
    tracks: asyncio.Queue = asyncio.Queue()
    peer.on("track", tracks.put_nowait)
    offer = await page.evaluate(SEND, {"bitrate": bitrate, "scale": scale})
    await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    await page.evaluate("(sdp) => peer.setRemoteDescription({ type: 'answer', sdp })", peer.localDescription.sdp)
    track = await tracks.get()
    for _ in range(FRAMES):
        yield await asyncio.wait_for(track.recv(), 30)


def shown_id(luma: np.ndarray) -> int:
    """The id that the picture itself shows; the median removes the moving squares."""
    rows, columns = (np.linspace(0, side, 5).astype(int) for side in luma.shape)
    squares = [luma[rows[b // 4] : rows[b // 4 + 1], columns[b % 4] : columns[b % 4 + 1]] for b in range(16)]
    return sum((np.median(square) > 127) << b for b, square in enumerate(squares))


@pytest.mark.parametrize(("bitrate", "scale"), [(2_000_000, 1), (150_000, 1), (150_000, 2), (150_000, 4)])
async def test_every_frame_is_read_as_itself_or_not_at_all(page, receiver, bitrate, scale):
    read = []
    async for frame in received(page, receiver, bitrate, scale):
        luma = planes(frame)[0]
        rows = frame_strip.strip_rows(frame.height, HEIGHT)
        read.append((frame_strip.read(luma[-rows:]), shown_id(luma[:-rows])))

    assert all(stamped in (shown, None) for stamped, shown in read), read
    assert sum(stamped is not None for stamped, _ in read) >= 0.9 * FRAMES
    assert len({shown for _, shown in read}) > FRAMES / 2
