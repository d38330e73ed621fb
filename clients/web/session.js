/** Keeps a connection to the gateway alive: offers again whenever it is lost, later and later. */

import { ChunkAssembler } from './chunks.js';
import { Connection, OfferRefused } from './connection.js';
import { readControl, readStylizedFrame } from './messages.js';

const FIRST_RETRY_MS = 500;
/** Whoever comes back after an hour finds its clients within five seconds. */
const LAST_RETRY_MS = 4000;

/**
 * How long to wait before the next attempt: doubling, and spread so that clients do not come back all at once.
 * @param {number} attempt 0 for the first one after a loss
 * @param {number} random 0..1
 * @returns {number} milliseconds
 */
export function retryDelayMs(attempt, random) {
  return Math.min(FIRST_RETRY_MS * 2 ** attempt, LAST_RETRY_MS) * (0.5 + random / 2);
}

/**
 * @typedef {object} SessionHandlers
 * @property {(frame: import('./messages.js').StylizedFrame) => void} onStylized
 * @property {(message: {type: string}) => void} onControl
 * @property {() => void} onConnecting an attempt begins
 * @property {(reason: string) => void} onLost it failed or ended, and another one will follow
 * @property {(reason: string) => void} onFull the server has no place now; it will be asked again
 * @property {() => void} onMalformed something arrived that does not fit the contract
 */

export class Session {
  #handlers;
  #request;
  /** @type {Connection|null} */
  #connection = null;
  #running = false;
  #attempt = 0;
  #wake = () => {};
  /** Answers are handed on in the order they came, however long each takes to unpack. */
  #turn = Promise.resolve();

  /**
   * @param {() => Promise<{stream: MediaStream, style: string, width: number, height: number}>} request
   *   what to offer, asked again at each attempt
   * @param {SessionHandlers} handlers
   */
  constructor(request, handlers) {
    this.#request = request;
    this.#handlers = handlers;
  }

  /** Connect, and stay connected until `destroy`. */
  async start() {
    this.#running = true;
    window.addEventListener('online', this.#retryNow);
    document.addEventListener('visibilitychange', this.#retryNow);
    while (this.#running) {
      this.#handlers.onConnecting();
      const { reason, retryAfterMs } = await this.#connectOnce();
      if (!this.#running) return;
      if (retryAfterMs > 0) {
        this.#handlers.onFull(reason);
        await this.#pause(retryAfterMs * (1 + Math.random() / 2)); // spread, so that not all who wait ask at once
      } else {
        this.#handlers.onLost(reason);
        await this.#pause(retryDelayMs(this.#attempt++, Math.random()));
      }
    }
  }

  /** @param {string} style id */
  setStyle(style) {
    this.#connection?.send({ type: 'style', style });
    this.#retryNow();
  }

  /** Announce the size of the frames that follow. */
  setSize(width, height) {
    this.#connection?.send({ type: 'size', width, height });
  }

  /** @param {{type: string}} message for the session of the moment */
  send(message) {
    this.#connection?.send(message);
  }

  destroy() {
    this.#running = false;
    window.removeEventListener('online', this.#retryNow);
    document.removeEventListener('visibilitychange', this.#retryNow);
    this.#connection?.destroy();
    this.#connection = null;
    this.#wake();
  }

  async #connectOnce() {
    const assembler = new ChunkAssembler();
    const connection = new Connection({
      onControl: (text) => this.#onControl(text),
      onChunk: (chunk) => this.#onChunk(connection, assembler, chunk),
    });
    this.#connection = connection;
    try {
      const { stream, ...request } = await this.#request();
      await connection.start(stream, request);
      return { reason: await connection.lost, retryAfterMs: 0 };
    } catch (error) {
      if (error instanceof OfferRefused) return { reason: error.message, retryAfterMs: error.retryAfterMs };
      return { reason: 'The server does not answer.', retryAfterMs: 0 };
    } finally {
      this.#connection = null;
      connection.destroy();
    }
  }

  #onControl(text) {
    const message = readControl(text);
    if (message) this.#handlers.onControl(message);
    else this.#handlers.onMalformed();
  }

  #onChunk(connection, assembler, chunk) {
    const refused = assembler.malformed;
    const payload = assembler.add(chunk);
    if (assembler.malformed > refused) this.#handlers.onMalformed();
    if (!payload) return;
    const read = () => this.#onPayload(connection, payload);
    this.#turn = this.#turn.then(read, read);
  }

  async #onPayload(connection, payload) {
    const frame = await readStylizedFrame(payload);
    if (connection !== this.#connection) return; // over meanwhile
    if (frame) this.#onStylized(frame);
    else this.#handlers.onMalformed();
  }

  #onStylized(frame) {
    this.#attempt = 0; // only a connection that works earns a quick retry
    this.#handlers.onStylized(frame);
  }

  #pause(delayMs) {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (!document.hidden) setTimeout(resolve, delayMs); // a hidden page sends no frames: it waits until it is seen
    });
  }

  #retryNow = () => this.#wake();
}
