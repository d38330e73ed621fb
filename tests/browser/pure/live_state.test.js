// Every sequence of events up to a length, at every kind of moment: what the status line may say, and may not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FROZEN_MS, LATE_MS, NOTHING, PATIENCE_MS, after, sentenceAt, stateAt,
} from '../../../clients/web/live/live_state.js';

const FULL = 'All places are taken.';
const LOST = 'The server is out of reach.';
const EVENTS = [
  { type: 'opening', what: 'camera' }, { type: 'cancelled' }, { type: 'playing' }, { type: 'failed' },
  { type: 'stopped' }, { type: 'frame' }, { type: 'connecting' }, { type: 'connected', intervalMs: 500 },
  { type: 'full', reason: FULL }, { type: 'lost', reason: LOST }, { type: 'asked' }, { type: 'look' }, { type: 'style' },
];
const SILENT = ['idle', 'failed', 'live'];
const named = Object.fromEntries(EVENTS.map((event) => [event.type, event]));

/** The facts after events that come `stepMs` apart, pictures all the while. */
function factsAfter(events, stepMs = 1) {
  let [facts, now] = [NOTHING, 0];
  for (const event of events) {
    now += stepMs;
    facts = after(facts, event, now);
  }
  return { facts, now };
}

/** The state and sentence after events named in a text, `waitMs` later, if pictures come on. */
function told(names, waitMs = 0) {
  const { facts, now } = factsAfter(names.split(' ').map((name) => named[name]));
  const at = now + waitMs;
  return [stateAt({ ...facts, frameAt: at }, at), sentenceAt({ ...facts, frameAt: at }, at)];
}

function* sequences(length) {
  if (length === 0) return yield [];
  for (const head of sequences(length - 1)) for (const event of EVENTS) yield [...head, event];
}

test('after any five events, at any moment, the line fits the state', () => {
  for (const events of sequences(5)) {
    const { facts, now } = factsAfter(events);
    for (const later of [0, PATIENCE_MS + 1, 1e6]) {
      const [state, sentence] = [stateAt(facts, now + later), sentenceAt(facts, now + later)];
      const why = `${events.map(({ type }) => type).join(' ')} +${later}: ${state} ${sentence}`;
      assert.equal(sentence === '', SILENT.includes(state), why);
      assert.equal(sentence.includes(FULL), state === 'full', why);
      assert.equal(sentence.includes(LOST), state === 'lost', why);
    }
  }
});

test('after any four events, a picture and a look make it live, whatever was before', () => {
  for (const events of sequences(4)) {
    const { facts, now } = factsAfter([...events, named.playing, named.frame, named.look]);
    assert.equal(stateAt(facts, now), 'live');
  }
});

test('nothing lasts for ever unsaid: without looks, or without pictures, no state stays live', () => {
  for (const events of sequences(4)) {
    const { facts, now } = factsAfter(events);
    for (const frameAt of [facts.frameAt, now + 1e6]) {
      assert.notEqual(stateAt({ ...facts, frameAt }, now + 1e6), 'live');
    }
  }
});

test('what is opened beside a picture changes nothing until it is there', () => {
  for (const events of sequences(3)) {
    const { facts, now } = factsAfter([...events, named.playing, named.frame]);
    const opened = after(facts, named.opening, now);
    assert.equal(stateAt(opened, now), stateAt(facts, now));
    assert.deepEqual(after(opened, named.cancelled, now), facts);
  }
});

test('each state, in the words of the table', () => {
  const table = [
    ['stopped', 0, 'idle', ''],
    ['opening', 0, 'opening', 'Opening the camera…'],
    ['opening cancelled', 0, 'idle', ''],
    ['failed', 0, 'failed', ''],
    ['failed opening', 0, 'opening', 'Opening the camera…'],
    ['playing', 0, 'connecting', 'Connecting to the server…'],
    ['playing connecting', 0, 'connecting', 'Connecting to the server…'],
    ['playing connecting', PATIENCE_MS + 1, 'connecting', 'The server takes its time to answer…'],
    ['playing connecting connected', 0, 'waiting', 'Waiting for the first look…'],
    ['playing connected asked', PATIENCE_MS + 2, 'waiting',
      'The server is reached, but sends no look. It may have no worker at the moment; this page goes on asking.'],
    ['playing connected asked look', 0, 'live', ''],
    ['playing connected look style', 0, 'changing', 'Changing the look…'],
    ['playing connected style', 0, 'waiting', 'Waiting for the first look…'],
    ['playing connected look style look', 0, 'live', ''],
    ['playing connected look asked', LATE_MS + 1, 'old',
      'No new look for some seconds. The picture keeps the last one.'],
    ['playing connected look asked', 31_000, 'old', 'No new look for 30 seconds. The picture keeps the last one.'],
    ['playing connected look asked', 61_000, 'old', 'No new look for a minute. The picture keeps the last one.'],
    ['playing connected look asked', 150_000, 'old', 'No new look for 2 minutes. The picture keeps the last one.'],
    ['playing connected look asked look', LATE_MS, 'live', ''],
    ['playing full', 0, 'full', `${FULL} This page does so by itself.`],
    ['playing full connecting', 0, 'full', `${FULL} This page does so by itself.`],
    ['playing full connected', 0, 'waiting', 'Waiting for the first look…'],
    ['playing look lost', 0, 'lost', `${LOST} Trying again…`],
    ['playing look lost connecting', 0, 'lost', `${LOST} Trying again…`],
    ['playing look lost connected', 0, 'waiting', 'Waiting for the first look…'],
  ];
  for (const [names, waitMs, state, sentence] of table) assert.deepEqual(told(names, waitMs), [state, sentence], names);
});

test('a server with a long interval of key frames has no old looks within it', () => {
  const { facts, now } = factsAfter([named.playing, { type: 'connected', intervalMs: 20_000 }, named.look]);
  const at = (ms) => stateAt({ ...facts, frameAt: now + ms }, now + ms);

  assert.equal(at(20_000 + LATE_MS), 'live');
  assert.equal(at(20_000 + LATE_MS + 1), 'old');
});

test('a camera that gives no pictures is told, and its return makes no look old', () => {
  let { facts, now } = factsAfter([named.playing, named.connected, named.look, named.asked]);
  assert.equal(stateAt(facts, now + FROZEN_MS + 1), 'frozen');

  facts = after(facts, named.frame, now + 60_000);

  assert.equal(stateAt(facts, now + 60_000), 'live');
});
