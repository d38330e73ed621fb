/** One peer connection to the gateway, from the offer to its end. It is never reused. */

import { parseMix } from './style_mix.js';

/** How long to collect our own network addresses. Local ones are known at once; a STUN server may never answer. */
const GATHERING_MS = 2000;
/** The gateway's address: it is where this module comes from, whichever site's page has imported it. */
const GATEWAY = new URL('../', import.meta.url);
/** How long an HTTP request may take. */
const HTTP_MS = 10000;
/** How long it may take from the gateway's answer to the first packet. */
const CONNECT_TIMEOUT_MS = 15000;
/** How long a gateway may be silent: it sends a message every second, and the browser alone notices its end later. */
const SILENCE_MS = 4000;
/** How long a gateway may be silent after the network has changed, which often ends the path to it. */
const CHECK_MS = 1500;
/** How long to wait for a phone that changes networks: it is "disconnected" for a moment, and recovers by itself. */
const DISCONNECTED_MS = 2000;

/** @typedef {import('./messages.js').ClientMessage} ClientMessage */

/**
 * What the page tells the gateway in its offer. The video is the stream's first video track.
 * @typedef {object} OfferRequest
 * @property {string} style the style's id; '' leaves the choice to the gateway
 * @property {number} width of the picture without the strip, in pixels
 * @property {number} height in pixels
 * @property {string} [replaces] the stream id of a lost connection, which the new one takes the place of
 */

/**
 * @typedef {object} ConnectionHandlers
 * @property {(text: unknown) => void} onControl a message on the "control" channel
 * @property {(chunk: unknown) => void} onChunk a message on the "frames" channel
 * @property {(pace: GatewayPace) => void} onOpen the gateway listens
 */

/**
 * @typedef {object} GatewayPace
 * @property {number} intervalMs the gateway takes a key frame at least this often
 * @property {number|null} previewsMs how often it takes a request for previews; null if it knows none
 * @property {boolean} mixes whether it knows mixes of looks
 */

/**
 * The gateway's JSON: the first four from /config, `sdp` and `stream_id` from /offer, `error` (a sentence) if it refuses.
 * @typedef {{iceServers?: RTCIceServer[], key_frame_interval_s?: number, preview_interval_s?: number, mixes?: boolean,
 *   sdp?: string, stream_id?: string, error?: string}} GatewayAnswer
 */

/** The gateway answered, and refused. */
export class OfferRefused extends Error {
  /**
   * @param {string} message the gateway's reason, as a sentence
   * @param {number} retryAfterMs how long the gateway asks us to wait; 0 if it does not say
   */
  constructor(message, retryAfterMs) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

export class Connection {
  /** @type {RTCPeerConnection|null} null before `start` */
  #peer = null;
  /** @type {RTCDataChannel|null} null before `start` */
  #control = null;
  /** @type {RTCRtpSender|null} the video's; null before `start` */
  #video = null;
  #handlers;
  #abort = new AbortController();
  /** @type {Map<string, ClientMessage>} the newest message of each type, until the channel is open */
  #unsent = new Map();
  /** @type {number|undefined} a timeout */
  #timer;
  /** @type {(reason: string) => void} resolves `lost` */
  #lose = () => {};

  /** @type {string|null} the secret by which a later connection can take this one's place; null before the answer */
  streamId = null;

  /** @type {Promise<string>} resolves with the reason, as a sentence, when the connection is over */
  lost = new Promise((resolve) => { this.#lose = resolve; });

  /** @param {ConnectionHandlers} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /**
   * Offer the stream and wait for the gateway's answer.
   * @param {MediaStream} stream
   * @param {OfferRequest} request
   * @throws {OfferRefused} if the gateway refuses; fetch's own errors if it cannot be reached
   */
  async start(stream, request) {
    const config = await this.#fetchJson('config');
    const { iceServers, key_frame_interval_s: intervalS = 4, preview_interval_s: previewsS, mixes = false } = config;
    const peer = this.#peer = new RTCPeerConnection({ iceServers });
    peer.addEventListener('connectionstatechange', this.#onState);
    this.#openChannels(peer, { intervalMs: 1000 * intervalS, previewsMs: previewsS ? 1000 * previewsS : null, mixes });
    this.#video = addVideo(peer, stream).sender;
    await peer.setLocalDescription();
    await gathered(peer);
    const style = mixes ? request.style : parseMix(request.style)?.first ?? request.style; // it would refuse a mix
    const body = JSON.stringify({ ...request, style, type: 'offer', sdp: peer.localDescription?.sdp });
    const headers = { 'Content-Type': 'application/json' };
    const answer = await this.#fetchJson('offer', { method: 'POST', headers, body });
    this.streamId = answer.stream_id ?? null;
    this.#giveUpAfter(CONNECT_TIMEOUT_MS, 'The video connection could not be made.');
    await peer.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
  }

  /**
   * Send a message to the gateway. Until the channel is open, the newest message of each type is kept for it.
   * @param {ClientMessage} message
   */
  send(message) {
    if (this.#control?.readyState === 'open') this.#control.send(JSON.stringify(message));
    else this.#unsent.set(message.type, message);
  }

  /** Find out soon whether the gateway can still be reached, because the network has changed. */
  check() {
    if (this.#peer?.connectionState === 'connected') this.#giveUpAfter(CHECK_MS, 'The network has changed.');
    else if (this.streamId === null) this.#abort.abort(); // the request may have gone to where nobody is any more
  }

  /**
   * Limit the bit rate of the video, so that few frames take no more than few need.
   * @param {number|null} bitsPerS null for no limit
   */
  async limitVideo(bitsPerS) {
    const parameters = this.#video?.getParameters();
    const encoding = parameters?.encodings?.[0];
    if (!parameters || !encoding) return;
    if (bitsPerS === null) delete encoding.maxBitrate;
    else encoding.maxBitrate = bitsPerS;
    await this.#video?.setParameters(parameters).catch(() => {}); // another limit follows at once, or it is closed
  }

  destroy() {
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.#peer?.close();
    this.#lose('The connection was closed.');
  }

  /**
   * @param {RTCPeerConnection} peer
   * @param {GatewayPace} pace
   */
  #openChannels(peer, pace) {
    const { onControl, onChunk, onOpen } = this.#handlers;
    const control = this.#control = peer.createDataChannel('control');
    control.addEventListener('open', () => {
      this.#unsent.forEach((message) => this.send(message));
      onOpen(pace);
    });
    control.addEventListener('message', (event) => onControl(event.data));
    const frames = peer.createDataChannel('frames', { ordered: false });
    frames.binaryType = 'arraybuffer';
    frames.addEventListener('message', (event) => onChunk(event.data));
    for (const channel of [control, frames]) {
      channel.addEventListener('message', this.#onHeard);
      channel.addEventListener('close', () => this.#lose('The server closed the connection.'));
    }
  }

  #onState = () => {
    clearTimeout(this.#timer);
    const state = this.#peer?.connectionState; // "connecting" may come before the gateway's answer
    if (state === 'connecting') this.#giveUpAfter(CONNECT_TIMEOUT_MS, 'The video connection could not be made.');
    if (state === 'connected') this.#giveUpAfter(CONNECT_TIMEOUT_MS, 'The server was reached, and has said nothing.');
    if (state === 'disconnected') this.#giveUpAfter(DISCONNECTED_MS, 'The server is out of reach.');
    if (state === 'failed' || state === 'closed') this.#lose('The connection to the server failed.');
  };

  #onHeard = () => {
    if (this.#peer?.connectionState === 'connected') this.#giveUpAfter(SILENCE_MS, 'The server has become silent.');
  };

  /**
   * @param {number} delayMs
   * @param {string} reason
   */
  #giveUpAfter(delayMs, reason) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#lose, delayMs, reason);
  }

  /**
   * @param {string} path
   * @param {RequestInit} [options]
   * @returns {Promise<GatewayAnswer>}
   * @throws {OfferRefused} if the gateway refuses; fetch's own errors if it cannot be reached
   */
  async #fetchJson(path, options) {
    const timer = setTimeout(() => this.#abort.abort(), HTTP_MS);
    const response = await fetch(new URL(path, GATEWAY), { ...options, signal: this.#abort.signal }).finally(() => clearTimeout(timer));
    const json = await response.json().catch(() => ({}));
    if (response.ok) return json;
    const retryAfterMs = 1000 * (Number(response.headers.get('Retry-After')) || 0);
    throw new OfferRefused(json.error ?? `The server answered with status ${response.status}.`, retryAfterMs);
  }
}

/**
 * Send the stream's video, as VP8 if the browser has it, because that costs the gateway least to decode.
 * @param {RTCPeerConnection} peer
 * @param {MediaStream} stream
 * @returns {RTCRtpTransceiver}
 */
function addVideo(peer, stream) {
  const transceiver = inLayers(peer, stream);
  const codecs = RTCRtpSender.getCapabilities?.('video')?.codecs ?? [];
  const vp8 = codecs.filter(({ mimeType }) => mimeType === 'video/VP8');
  if (vp8.length) transceiver.setCodecPreferences?.([...vp8, ...codecs.filter((codec) => !vp8.includes(codec))]);
  return transceiver;
}

/**
 * Add the video in two temporal layers where the browser can do that: no frame needs one of the upper layer, so that a
 * busy gateway may leave those out.
 * @param {RTCPeerConnection} peer
 * @param {MediaStream} stream
 * @returns {RTCRtpTransceiver}
 */
function inLayers(peer, stream) {
  const [track] = stream.getVideoTracks();
  /** @type {RTCRtpTransceiverInit} */
  const init = { direction: 'sendonly', streams: [stream] };
  /** @type {RTCRtpEncodingParameters & {scalabilityMode: string}} */
  const encoding = { scalabilityMode: 'L1T2' };
  try {
    return peer.addTransceiver(track, { ...init, sendEncodings: [encoding] });
  } catch {
    return peer.addTransceiver(track, init);
  }
}

/**
 * Wait until our network addresses are known, but not for long.
 * @param {RTCPeerConnection} peer
 * @returns {Promise<void>}
 */
function gathered(peer) {
  return new Promise((resolve) => {
    const check = () => { if (peer.iceGatheringState === 'complete') resolve(); };
    peer.addEventListener('icegatheringstatechange', check);
    setTimeout(resolve, GATHERING_MS);
    check();
  });
}
