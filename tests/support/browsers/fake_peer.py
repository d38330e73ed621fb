"""A server for the page, controlled by a test: a peer connection inside the page, without a network."""

import json

import numpy as np
from playwright.async_api import Page

from pipeline.contract.chunks import to_chunks, to_preview_chunks
from pipeline.contract.grid_codec import pack_grid
from pipeline.contract.messages import PreviewGrids, StylizedFrame
from support.browsers.in_page import text
from support.browsers.page_server import PageServer

#: Runs before the page's scripts: the newest connection is `peer`, which sends `alive` as long as `peer.alive` is set.
FAKE = """
class Channel extends EventTarget {
  constructor(label) { super(); Object.assign(this, { label, readyState: 'connecting' }); }
  open() { this.readyState = 'open'; this.dispatchEvent(new Event('open')); }
  hear(data) { this.dispatchEvent(new MessageEvent('message', { data })); }
  send(text) { window.peer.said.push(JSON.parse(text)); }
}
window.RTCPeerConnection = class extends EventTarget {
  constructor() {
    super();
    Object.assign(this, { iceGatheringState: 'complete', connectionState: 'new', said: [], channels: {}, alive: true });
    window.peer = this;
  }
  createDataChannel(label) { return this.channels[label] = new Channel(label); }
  addTransceiver() {
    const parameters = { encodings: [{}] };
    const getParameters = () => structuredClone(parameters);
    this.video = { getParameters, setParameters: async (set) => { Object.assign(parameters, set); } };
    return { sender: this.video };
  }
  async setLocalDescription() { this.localDescription = { type: 'offer', sdp: 'v=0' }; }
  async setRemoteDescription() {
    this.connectionState = 'connected';
    this.dispatchEvent(new Event('connectionstatechange'));
    for (const channel of Object.values(this.channels)) channel.open();
    this.timer = setInterval(() => this.alive && this.hear({ type: 'alive' }), 200);
  }
  hear(message) { this.channels.control.hear(JSON.stringify(message)); }
  close() { clearInterval(this.timer); }
};
"""


class FakePeer:
    """The peer that the page is connected to. The page's server has to accept offers."""

    def __init__(self, page: Page, server: PageServer) -> None:
        self._page, self._messages = page, 0
        server.answer = "v=0"

    async def install(self) -> None:
        """Put the peer into the page; to be called before the page is loaded."""
        await self._page.add_init_script(FAKE)

    async def say(self, **message: object) -> None:
        """Send a message on the control channel."""
        await self._page.evaluate("(text) => peer.hear(JSON.parse(text))", json.dumps(message))

    async def heard(self, kind: str) -> list[dict]:
        """The page's messages of this type."""
        return await self._page.evaluate("(kind) => peer.said.filter(({ type }) => type === kind)", kind)

    async def look(self, style: str, grid: np.ndarray, frame_id: int | None = None) -> None:
        """Answer a frame, by default the newest: announce it as a key frame, and send the grid [3, D, R, C, 4]."""
        if frame_id is None:
            frame_id = await self._page.evaluate("mvstylizer.stats.framesSeen - 1")
        await self.say(type="key_frame", frame_id=frame_id, reason="asked")
        answer = StylizedFrame("s", frame_id, style, "edge", "model", True, grid.shape[1:4], pack_grid(grid), 1, 2, "")
        self._messages += 1
        await self._send(to_chunks(self._messages, answer))

    async def previews(self, looks: dict[str, np.ndarray], frame_id: int | None = None) -> None:
        """Answer a request for previews made at a frame, by default the newest one, with a grid for each style."""
        if frame_id is None:
            frame_id = await self._page.evaluate("mvstylizer.stats.framesSeen - 1")
        tall = np.concatenate(list(looks.values()), axis=2)
        answer = PreviewGrids("s", 0, frame_id, ",".join(looks), tall.shape[1:4], pack_grid(tall))
        self._messages += 1
        await self._send(to_preview_chunks(self._messages, answer))

    async def _send(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            await self._page.evaluate(
                "(text) => peer.channels.frames.hear(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer)",
                text(chunk),
            )
