/** Decides which state the live picture is in, and what the status line says. The time comes from the caller. */

/**
 * - idle: nothing was started.
 * - opening: the camera or file is being opened.
 * - failed: the source does not play, and the card says why.
 * - frozen: the source plays, but gives no pictures.
 * - connecting: the first connection to the server is being made.
 * - waiting: the server takes our pictures, but has not answered any yet.
 * - live: the look on show is fresh.
 * - changing: the look on show is fresh, but another style was chosen.
 * - old: no look has come for too long.
 * - full: the server has no place.
 * - lost: the connection ended, or could not be made.
 * @typedef {'idle'|'opening'|'failed'|'frozen'|'connecting'|'waiting'|'live'|'changing'|'old'|'full'|'lost'} State
 */

/**
 * The facts from which the state follows. Times are performance.now(), in milliseconds.
 * @typedef {object} Facts
 * @property {'none'|'playing'|'failed'} source the camera or file that is on show
 * @property {Opening|null} opening what is being opened, while the present source may go on
 * @property {'none'|'connecting'|'connected'|'full'|'lost'} link the connection to the server
 * @property {string} reason why the link is full or lost, as a sentence; '' otherwise
 * @property {number} linkSince when the link came into this condition
 * @property {number} frameAt when the source gave its last picture
 * @property {boolean} answered whether a look has come on this connection
 * @property {number} lookAt when the last look came, or when pictures came again after a pause
 * @property {number|null} askedAt when the first key frame since then was announced; null if none was
 * @property {number} intervalMs the server's setting for the longest time from one key frame to the next
 * @property {number|null} busyS how often the busy server renews looks, in seconds; null if it is not busy
 * @property {boolean} changing whether another style was chosen since the last look
 */

/** @typedef {'camera'|'file'} Opening */

/**
 * Something that happened. `source` says that the next picture is of another camera or video. `lost` and `full` come with the reason, `connected` with the server's interval of key frames.
 * @typedef {{type: 'opening', what: Opening}|{type: 'cancelled'}|{type: 'playing'}|{type: 'failed'}|{type: 'stopped'}
 *   |{type: 'frame'}|{type: 'source'}|{type: 'connecting'}|{type: 'connected', intervalMs: number}|{type: 'full', reason: string}
 *   |{type: 'lost', reason: string}|{type: 'asked'}|{type: 'look'}|{type: 'style'}
 *   |{type: 'pace', busyS: number|null}} LiveEvent
 */

/** A key frame without an answer for this long is overdue: the server gives each one up much earlier. */
export const LATE_MS = 4000;
/** A source without a picture for this long is frozen: even in the dark, the slowest cameras give one every second. */
export const FROZEN_MS = 4000;
/** From this time on the page says that connecting takes long; even on a bad network it takes less. */
export const PATIENCE_MS = 6000;

/** @type {Readonly<Facts>} */
export const NOTHING = Object.freeze({
  source: 'none', opening: null, link: 'none', reason: '', linkSince: 0, frameAt: 0, answered: false, lookAt: 0,
  askedAt: null, intervalMs: 4000, busyS: null, changing: false,
});

/**
 * The facts after an event.
 * @param {Readonly<Facts>} facts
 * @param {LiveEvent} event
 * @param {number} now
 * @returns {Facts}
 */
export function after(facts, event, now) {
  return { ...facts, ...changes(facts, event, now) };
}

/**
 * @param {Readonly<Facts>} facts
 * @param {LiveEvent} event
 * @param {number} now
 * @returns {Partial<Facts>}
 */
function changes(facts, event, now) {
  switch (event.type) {
    case 'opening': return { opening: event.what, source: facts.source === 'failed' ? 'none' : facts.source };
    case 'cancelled': return { opening: null };
    case 'playing': return { opening: null, source: 'playing', frameAt: now };
    case 'failed': return { ...NOTHING, source: 'failed' };
    case 'stopped': return NOTHING;
    case 'source': return facts.link === 'connected' ? { answered: false, askedAt: null, linkSince: now, lookAt: now } : {};
    case 'frame': return isFrozen(facts, now) ? { frameAt: now, lookAt: now, askedAt: null } : { frameAt: now };
    case 'connecting': return facts.link === 'none' ? { link: 'connecting', linkSince: now } : {};
    case 'connected': return {
      link: 'connected', reason: '', linkSince: now, answered: false, askedAt: null, intervalMs: event.intervalMs,
      busyS: null,
    };
    case 'full': return { link: 'full', reason: event.reason, linkSince: now };
    case 'lost': return { link: 'lost', reason: event.reason, linkSince: now };
    case 'asked': return { askedAt: facts.askedAt ?? now };
    case 'look': return {
      link: 'connected', reason: '', answered: true, lookAt: now, askedAt: null, changing: false,
    };
    case 'style': return { changing: facts.answered };
    case 'pace': return { busyS: event.busyS };
  }
}

/**
 * @param {Readonly<Facts>} facts
 * @param {number} now
 * @returns {State}
 */
export function stateAt(facts, now) {
  if (facts.source === 'failed') return 'failed';
  if (facts.source === 'none') return facts.opening ? 'opening' : 'idle';
  if (isFrozen(facts, now)) return facts.opening ? 'opening' : 'frozen';
  if (facts.link !== 'connected') return facts.link === 'none' ? 'connecting' : facts.link;
  if (!facts.answered) return 'waiting';
  if (isOld(facts, now)) return 'old';
  return facts.changing ? 'changing' : 'live';
}

/**
 * @param {Readonly<Facts>} facts
 * @param {number} now
 * @returns {boolean} whether the source has stopped giving pictures
 */
function isFrozen({ frameAt }, now) {
  return now - frameAt > FROZEN_MS;
}

/**
 * Whether looks have stopped coming, because the answer is overdue or the server has not even picked a key frame. It
 * picks the next one soon after one that got no answer, so one interval is all that may pass.
 * @param {Readonly<Facts>} facts
 * @param {number} now
 * @returns {boolean}
 */
function isOld({ askedAt, lookAt, intervalMs, busyS }, now) {
  const isOverdue = askedAt !== null && now - askedAt > LATE_MS;
  return isOverdue || now - lookAt > LATE_MS + Math.max(intervalMs, 2000 * (busyS ?? 0));
}

/**
 * What the status line says.
 * @type {Record<State, (facts: Readonly<Facts>, now: number) => string>}
 */
const SENTENCES = {
  idle: () => '',
  opening: ({ opening }) => `Opening the ${opening}…`,
  failed: () => '',
  frozen: () => 'No pictures come from the camera or video.',
  connecting: ({ link, linkSince }, now) => (link === 'connecting' && now - linkSince > PATIENCE_MS
    ? 'The server takes its time to answer…' : 'Connecting to the server…'),
  waiting: ({ linkSince }, now) => (now - linkSince > PATIENCE_MS
    ? 'The server is reached, but sends no look. It may have no worker at the moment; this page goes on asking.'
    : 'Waiting for the first look…'),
  live: ({ busyS }) => (busyS === null ? '' : `Busy: the look is renewed every ${Math.max(1, Math.round(busyS))} s.`),
  changing: () => 'Changing the look…',
  old: ({ lookAt }, now) => `No new look for ${roughly(now - lookAt)}. The picture keeps the last one.`,
  full: ({ reason }) => `${reason} This page does so by itself.`,
  lost: ({ reason }) => `${reason} Trying again…`,
};

/**
 * @param {Readonly<Facts>} facts
 * @param {number} now
 * @returns {string} '' if there is nothing to say
 */
export function sentenceAt(facts, now) {
  return SENTENCES[stateAt(facts, now)](facts, now);
}

/**
 * A time in words that change rarely, because a screen reader reads each change out.
 * @param {number} ms
 * @returns {string}
 */
function roughly(ms) {
  if (ms < 10_000) return 'some seconds';
  if (ms < 60_000) return `${10 * Math.floor(ms / 10_000)} seconds`;
  const minutes = Math.floor(ms / 60_000);
  return minutes === 1 ? 'a minute' : `${minutes} minutes`;
}
