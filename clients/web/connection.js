/** One peer connection to the gateway, from offer to loss. It is never reused. */

const GATHERING_MS = 2000;
const HTTP_MS = 10000;
const CONNECTING_MS = 15000;
/** The server says something every second; a browser alone takes longer to notice that it is gone. */
const SILENT_MS = 4000;
/** A phone that changes networks is "disconnected" for a moment, and recovers by itself. */
const DISCONNECTED_MS = 2000;

/** The gateway answered, and said no. */
export class OfferRefused extends Error {
  /**
   * @param {string} message the gateway's sentence
   * @param {number} retryAfterMs when it says it may be better
   */
  constructor(message, retryAfterMs) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

export class Connection {
  /** @type {RTCPeerConnection} */
  #peer;
  /** @type {RTCDataChannel} */
  #control;
  #handlers;
  #abort = new AbortController();
  #unsent = new Map();
  #timer;
  #lose;

  /** @type {Promise<string>} resolves with one sentence when the connection is over */
  lost = new Promise((resolve) => { this.#lose = resolve; });

  /**
   * @param {{onControl: (text: unknown) => void, onChunk: (chunk: unknown) => void}} handlers
   */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /**
   * Offer the stream and wait for the gateway's answer.
   * @param {MediaStream} stream
   * @param {{style: string, width: number, height: number}} request
   * @throws {OfferRefused} and whatever fetch throws when nobody is there
   */
  async start(stream, request) {
    const { iceServers } = await this.#fetchJson('/config');
    this.#peer = new RTCPeerConnection({ iceServers });
    this.#peer.addEventListener('connectionstatechange', this.#onState);
    this.#openChannels();
    this.#addVideo(stream);
    await this.#peer.setLocalDescription();
    await this.#gathered();
    const body = JSON.stringify({ ...request, type: 'offer', sdp: this.#peer.localDescription.sdp });
    const headers = { 'Content-Type': 'application/json' };
    const answer = await this.#fetchJson('/offer', { method: 'POST', headers, body });
    this.#giveUpAfter(CONNECTING_MS, 'The video connection could not be made.');
    await this.#peer.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
  }

  /**
   * Say something to the gateway. Before the channel is open, the newest message of each type is kept for it.
   * @param {{type: string}} message
   */
  send(message) {
    if (this.#control?.readyState === 'open') this.#control.send(JSON.stringify(message));
    else this.#unsent.set(message.type, message);
  }

  destroy() {
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.#peer?.close();
    this.#lose('The connection was closed.');
  }

  #openChannels() {
    const { onControl, onChunk } = this.#handlers;
    this.#control = this.#peer.createDataChannel('control');
    this.#control.addEventListener('open', () => this.#unsent.forEach((message) => this.send(message)));
    this.#control.addEventListener('message', (event) => onControl(event.data));
    const frames = this.#peer.createDataChannel('frames', { ordered: false });
    frames.binaryType = 'arraybuffer';
    frames.addEventListener('message', (event) => onChunk(event.data));
    for (const channel of [this.#control, frames]) {
      channel.addEventListener('message', this.#onHeard);
      channel.addEventListener('close', () => this.#lose('The server closed the connection.'));
    }
  }

  #addVideo(stream) {
    const [track] = stream.getVideoTracks();
    const transceiver = this.#peer.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
    const codecs = RTCRtpSender.getCapabilities?.('video')?.codecs ?? [];
    const vp8 = codecs.filter(({ mimeType }) => mimeType === 'video/VP8');
    if (vp8.length) transceiver.setCodecPreferences?.([...vp8, ...codecs.filter((codec) => !vp8.includes(codec))]);
  }

  #gathered() {
    const peer = this.#peer;
    return new Promise((resolve) => {
      const check = () => peer.iceGatheringState === 'complete' && resolve();
      peer.addEventListener('icegatheringstatechange', check);
      setTimeout(resolve, GATHERING_MS); // an unreachable STUN server must not keep us; local candidates are in by now
      check();
    });
  }

  #onState = () => {
    clearTimeout(this.#timer);
    const state = this.#peer.connectionState; // connecting may come before the answer: the server's first checks do
    if (state === 'connecting') this.#giveUpAfter(CONNECTING_MS, 'The video connection could not be made.');
    if (state === 'disconnected') this.#giveUpAfter(DISCONNECTED_MS, 'The server is out of reach.');
    if (state === 'failed' || state === 'closed') this.#lose('The connection to the server failed.');
  };

  #onHeard = () => {
    if (this.#peer.connectionState === 'connected') this.#giveUpAfter(SILENT_MS, 'The server has become silent.');
  };

  #giveUpAfter(delayMs, reason) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#lose, delayMs, reason);
  }

  async #fetchJson(path, options) {
    const timer = setTimeout(() => this.#abort.abort(), HTTP_MS);
    const response = await fetch(path, { ...options, signal: this.#abort.signal }).finally(() => clearTimeout(timer));
    const json = await response.json().catch(() => ({}));
    if (response.ok) return json;
    const retryAfterMs = 1000 * (Number(response.headers.get('Retry-After')) || 0);
    throw new OfferRefused(json.error ?? `The server answered with status ${response.status}.`, retryAfterMs);
  }
}
