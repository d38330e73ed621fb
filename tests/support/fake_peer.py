"""A server for the page that does what a test says: a peer connection without a network, inside the page."""

import json

import numpy as np
from playwright.async_api import Page

from pipeline.contract.chunks import to_chunks
from pipeline.contract.grid_codec import pack_grid
from pipeline.contract.messages import StylizedFrame
from support.in_page import text
from support.page_server import PageServer

#: In the page, before its scripts: the newest connection is `peer`, and says `alive` as long as `peer.alive`.
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
  addTransceiver() { return {}; }
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
    """What the page is connected to. The page's server has to accept offers, or nobody connects."""

    def __init__(self, page: Page, server: PageServer) -> None:
        self._page, self._messages = page, 0
        server.answer = "v=0"

    async def install(self) -> None:
        """Before the page is loaded."""
        await self._page.add_init_script(FAKE)

    async def say(self, **message: object) -> None:
        """On the control channel."""
        await self._page.evaluate("(text) => peer.hear(JSON.parse(text))", json.dumps(message))

    async def heard(self, kind: str) -> list[dict]:
        """What the page has said of this type."""
        return await self._page.evaluate("(kind) => peer.said.filter(({ type }) => type === kind)", kind)

    async def look(self, style: str, grid: np.ndarray) -> None:
        """Answer the newest frame: announce it, and send the grid [3, D, R, C, 4]."""
        frame_id = await self._page.evaluate("mvstylizer.stats.framesSent - 1")
        await self.say(type="key_frame", frame_id=frame_id, reason="asked")
        answer = StylizedFrame("s", frame_id, style, "edge", "model", True, grid.shape[1:4], pack_grid(grid), 1, 2, "")
        self._messages += 1
        for chunk in to_chunks(self._messages, answer):
            await self._page.evaluate(
                "(text) => peer.channels.frames.hear(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer)",
                text(chunk),
            )
