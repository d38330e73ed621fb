/** Which state the live picture is in, and what the status line says of it. Pure: the time comes from the caller. */

/**
 * idle: nothing was started; opening: the camera or file is being opened; failed: it does not play, and the card says
 * why; frozen: it plays, but gives no pictures; connecting: the server is being asked; waiting: it takes our pictures,
 * and has answered none yet; live: the look on show is fresh; changing: so it is, but another one was chosen; old: no
 * look has come for too long; full: the server has no place; lost: the connection ended or was never made.
 * @typedef {'idle'|'opening'|'failed'|'frozen'|'connecting'|'waiting'|'live'|'changing'|'old'|'full'|'lost'} State
 */

/**
 * What is known. Times are performance.now(), in milliseconds.
 * @typedef {object} Facts
 * @property {'none'|'playing'|'failed'} source what gives the pictures
 * @property {Opening|null} opening what is being opened, if so, beside a source that may go on meanwhile
 * @property {'none'|'connecting'|'connected'|'full'|'lost'} link to the server
 * @property {string} reason why it is full or lost, as a sentence; '' otherwise
 * @property {number} linkSince when the link became so
 * @property {number} frameAt when the source gave its last picture
 * @property {boolean} answered whether a look has come on this connection
 * @property {number} lookAt when the last one came; or when pictures came again, after a pause
 * @property {number|null} askedAt when the first key frame after that one was announced; null when none was
 * @property {number} intervalMs the longest time from one key frame to the next, as the server is set
 * @property {boolean} changing whether another style was chosen since the last look
 */

/** @typedef {'camera'|'video'} Opening */

/**
 * What happens. lost and full come with the reason, connected with the server's interval of key frames.
 * @typedef {{type: 'opening', what: Opening}|{type: 'cancelled'}|{type: 'playing'}|{type: 'failed'}|{type: 'stopped'}
 *   |{type: 'frame'}|{type: 'connecting'}|{type: 'connected', intervalMs: number}|{type: 'full', reason: string}
 *   |{type: 'lost', reason: string}|{type: 'asked'}|{type: 'look'}|{type: 'style'}} LiveEvent
 */

/** A key frame is given up by the server well before this; several of them have been, then. */
export const LATE_MS = 4000;
/** The slowest cameras give a picture a second, in the dark. */
export const FROZEN_MS = 4000;
/** Longer than connecting takes on a bad network. */
export const PATIENCE_MS = 6000;

/** @type {Readonly<Facts>} */
export const NOTHING = Object.freeze({
  source: 'none', opening: null, link: 'none', reason: '', linkSince: 0, frameAt: 0, answered: false, lookAt: 0,
  askedAt: null, intervalMs: 500, changing: false,
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
    case 'frame': return isFrozen(facts, now) ? { frameAt: now, lookAt: now, askedAt: null } : { frameAt: now };
    case 'connecting': return facts.link === 'none' ? { link: 'connecting', linkSince: now } : {};
    case 'connected': return {
      link: 'connected', reason: '', linkSince: now, answered: false, askedAt: null, intervalMs: event.intervalMs,
    };
    case 'full': return { link: 'full', reason: event.reason, linkSince: now };
    case 'lost': return { link: 'lost', reason: event.reason, linkSince: now };
    case 'asked': return { askedAt: facts.askedAt ?? now };
    case 'look': return {
      link: 'connected', reason: '', answered: true, lookAt: now, askedAt: null, changing: false,
    };
    case 'style': return { changing: facts.answered };
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
 * Whether looks have stopped coming: the answer is overdue, or the server has not even asked for a key frame.
 * @param {Readonly<Facts>} facts
 * @param {number} now
 * @returns {boolean}
 */
function isOld({ askedAt, lookAt, intervalMs }, now) {
  const isOverdue = askedAt !== null && now - askedAt > LATE_MS;
  return isOverdue || now - lookAt > LATE_MS + 3 * intervalMs;
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
  live: () => '',
  changing: () => 'Changing the look…',
  old: ({ lookAt }, now) => `No new look for ${roughly(now - lookAt)}. The picture keeps the last one.`,
  full: ({ reason }) => `${reason} This page does so by itself.`,
  lost: ({ reason }) => `${reason} Trying again…`,
};

/**
 * @param {Readonly<Facts>} facts
 * @param {number} now
 * @returns {string} '' where there is nothing to say
 */
export function sentenceAt(facts, now) {
  return SENTENCES[stateAt(facts, now)](facts, now);
}

/**
 * A time in words that change seldom, as a screen reader reads each change.
 * @param {number} ms
 * @returns {string}
 */
function roughly(ms) {
  if (ms < 10_000) return 'some seconds';
  if (ms < 60_000) return `${10 * Math.floor(ms / 10_000)} seconds`;
  const minutes = Math.floor(ms / 60_000);
  return minutes === 1 ? 'a minute' : `${minutes} minutes`;
}
