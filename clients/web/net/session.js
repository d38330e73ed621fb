/** Keeps a connection to the gateway. Whenever it is lost, it is made again, after growing delays. */

import { ChunkAssembler } from './chunks.js';
import { Connection, OfferRefused } from './connection.js';
import { readAnswer, readGatewayMessage } from './messages.js';

const FIRST_RETRY_MS = 500;
/** The longest delay. Even after an hour, a gateway that returns has its clients back within this time. */
const LAST_RETRY_MS = 4000;

/**
 * Tells when a phone changes from Wi-Fi to a mobile network, or back. Only some browsers have it.
 * @type {EventTarget|undefined}
 */
const network = /** @type {Navigator & {connection?: EventTarget}} */ (navigator).connection;

/** @typedef {import('./messages.js').GatewayMessage} GatewayMessage */
/** @typedef {import('./messages.js').LookPreviews} LookPreviews */
/** @typedef {import('./messages.js').StylizedFrame} StylizedFrame */

/** @typedef {import('./connection.js').OfferRequest & {stream: MediaStream}} SessionRequest what to offer */

/**
 * How long to wait before the next attempt: twice as long each time, and spread so that clients do not return together.
 * @param {number} attempt 0 for the first one after a loss
 * @param {number} random 0..1
 * @returns {number} milliseconds
 */
export function retryDelayMs(attempt, random) {
  return Math.min(FIRST_RETRY_MS * 2 ** attempt, LAST_RETRY_MS) * (0.5 + random / 2);
}

/**
 * @typedef {object} SessionHandlers
 * @property {(frame: StylizedFrame) => void} onStylized
 * @property {(previews: LookPreviews) => void} onPreviews
 * @property {(message: GatewayMessage) => void} onControl
 * @property {() => void} onConnecting an attempt begins
 * @property {(pace: import('./connection.js').GatewayPace) => void} onConnected the gateway takes our frames
 * @property {(reason: string) => void} onLost the attempt failed or the connection ended; another attempt will follow
 * @property {(reason: string) => void} onFull the gateway has no place at the moment, and will be asked again
 * @property {() => void} onMalformed a message arrived that does not fit the contract
 */

export class Session {
  #handlers;
  #request;
  /** @type {Connection|null} */
  #connection = null;
  #running = false;
  /** @type {string|null} the stream id of the last connection, whose place the next one takes */
  #lastStream = null;
  /** The number of failed attempts since the last connection that worked. */
  #attempt = 0;
  /** Whether the gateway asked us to leave it, because it is about to stop. */
  #moving = false;
  /** @type {() => void} ends the present pause */
  #wake = () => {};
  /** Settles when the last answer was handed on, so that answers keep their order however long each takes to unpack. */
  #turn = Promise.resolve();

  /**
   * @param {() => Promise<SessionRequest>} request called at each attempt
   * @param {SessionHandlers} handlers
   */
  constructor(request, handlers) {
    this.#request = request;
    this.#handlers = handlers;
  }

  /** Connect, and stay connected until `destroy`. */
  async start() {
    this.#running = true;
    window.addEventListener('online', this.#onNetwork);
    network?.addEventListener('change', this.#onNetwork);
    document.addEventListener('visibilitychange', this.#retryNow);
    while (this.#running) {
      this.#moving = false;
      this.#handlers.onConnecting();
      const { reason, retryAfterMs } = await this.#connectOnce();
      if (!this.#running) return;
      if (this.#moving && this.#attempt === 0) {
        this.#attempt += 1; // whoever asks again before any look has come has us wait
      } else if (retryAfterMs > 0) {
        this.#handlers.onFull(reason);
        await this.#pause(retryAfterMs * (1 + Math.random() / 2)); // spread, so that not all clients ask at once
      } else {
        this.#handlers.onLost(reason);
        await this.#pause(retryDelayMs(this.#attempt++, Math.random()));
      }
    }
  }

  /** @param {string} style the style's id; a pause between attempts ends, too */
  setStyle(style) {
    this.#connection?.send({ type: 'style', style });
    this.#retryNow();
  }

  /**
   * Announce the size of the frames that follow.
   * @param {number} width in pixels
   * @param {number} height in pixels
   */
  setSize(width, height) {
    this.#connection?.send({ type: 'size', width, height });
  }

  /** @param {import('./messages.js').ClientMessage} message it is lost unless there is a connection or an attempt */
  send(message) {
    this.#connection?.send(message);
  }

  /** @param {number|null} bitsPerS of this connection's video, or null for no limit */
  limitVideo(bitsPerS) {
    this.#connection?.limitVideo(bitsPerS);
  }

  destroy() {
    this.#running = false;
    window.removeEventListener('online', this.#onNetwork);
    network?.removeEventListener('change', this.#onNetwork);
    document.removeEventListener('visibilitychange', this.#retryNow);
    this.#connection?.destroy();
    this.#connection = null;
    this.#wake();
  }

  /** @returns {Promise<{reason: string, retryAfterMs: number}>} why it ended, and how long we are asked to wait, or 0 */
  async #connectOnce() {
    const assembler = new ChunkAssembler();
    const connection = new Connection({
      onControl: (text) => this.#onControl(text),
      onChunk: (chunk) => this.#onChunk(connection, assembler, chunk),
      onOpen: (pace) => this.#handlers.onConnected(pace),
    });
    this.#connection = connection;
    try {
      const { stream, ...request } = await this.#request();
      await connection.start(stream, { ...request, ...(this.#lastStream && { replaces: this.#lastStream }) });
      this.#lastStream = connection.streamId;
      return { reason: await connection.lost, retryAfterMs: 0 };
    } catch (error) {
      if (error instanceof OfferRefused) return { reason: error.message, retryAfterMs: error.retryAfterMs };
      return { reason: 'The server does not answer.', retryAfterMs: 0 };
    } finally {
      this.#connection = null;
      connection.destroy();
    }
  }

  /** @param {unknown} text */
  #onControl(text) {
    const message = readGatewayMessage(text);
    if (message?.type === 'move') this.#move();
    else if (message) this.#handlers.onControl(message);
    else this.#handlers.onMalformed();
  }

  /** Leave the gateway, and make the next connection at once; it leads to another one. */
  #move() {
    this.#moving = true;
    this.#connection?.destroy();
  }

  /**
   * @param {Connection} connection it came from
   * @param {ChunkAssembler} assembler the connection's
   * @param {unknown} chunk
   */
  #onChunk(connection, assembler, chunk) {
    const refused = assembler.malformed;
    const payload = assembler.push(chunk);
    if (assembler.malformed > refused) this.#handlers.onMalformed();
    if (!payload) return;
    const read = () => this.#onPayload(connection, payload);
    this.#turn = this.#turn.then(read, read);
  }

  /**
   * @param {Connection} connection it came from
   * @param {Uint8Array<ArrayBuffer>} payload
   */
  async #onPayload(connection, payload) {
    const answer = await readAnswer(payload);
    if (connection !== this.#connection) return; // it ended meanwhile
    if (!answer) this.#handlers.onMalformed();
    else if ('grids' in answer) this.#handlers.onPreviews(answer);
    else this.#onStylized(answer);
  }

  /** @param {StylizedFrame} frame */
  #onStylized(frame) {
    this.#attempt = 0; // only a connection that works earns a quick retry
    this.#handlers.onStylized(frame);
  }

  /**
   * @param {number} delayMs
   * @returns {Promise<void>} resolves after that time, or earlier if there is a reason to try at once
   */
  #pause(delayMs) {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (!document.hidden) setTimeout(resolve, delayMs); // a hidden page has no frames to send: it waits to be seen
    });
  }

  #retryNow = () => this.#wake();

  #onNetwork = () => {
    this.#connection?.check();
    this.#wake();
  };
}
