// When the page asks for previews of the looks on its own picture.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PreviewSchedule } from '../../../clients/web/net/preview_schedule.js';

/** A thumbnail whose every pixel has this luma. */
const flat = (luma) => [new Uint8Array(64 * 36).fill(luma), ...[128, 128].map((level) => new Uint8Array(64 * 36).fill(level))];
const INTERVAL_MS = 10_000;
const STYLES = ['dusk', 'snow'];
const calm = { thumbnail: flat(100), styles: STYLES, isCalm: true };

/** A schedule that was asked for its first previews at time 0, and has them. */
function shown() {
  const schedule = new PreviewSchedule();
  schedule.connected(INTERVAL_MS);
  assert.equal(schedule.isDue(calm, 0), true);
  schedule.answered();
  return schedule;
}

test('a server that says nothing of previews is asked for none', () => {
  const schedule = new PreviewSchedule();
  assert.equal(schedule.isDue(calm, 0), false);
  schedule.connected(null);
  assert.equal(schedule.isDue(calm, 0), false);
});

test('nothing is asked before the first look, while the server is busy, or without looks', () => {
  const schedule = new PreviewSchedule();
  schedule.connected(INTERVAL_MS);
  assert.equal(schedule.isDue({ ...calm, isCalm: false }, 0), false);
  assert.equal(schedule.isDue({ ...calm, styles: [] }, 0), false);
  assert.equal(schedule.isDue(calm, 0), true);
});

test('a picture that stays as it is needs no other previews', () => {
  const schedule = shown();
  for (let now = 0; now < 100_000; now += 100) assert.equal(schedule.isDue(calm, now), false);
});

test('another light is shown anew, and not sooner than the server takes a request', () => {
  const schedule = shown();
  const times = [];
  for (let now = 100; now < 25_000; now += 100) {
    if (schedule.isDue({ ...calm, thumbnail: flat(now < 12_000 ? 160 : 220) }, now)) {
      times.push(now);
      schedule.answered();
    }
  }
  assert.deepEqual(times, [10_000, 20_000]);
});

test('a look that was added is asked for, and so is everything where no answer came', () => {
  const schedule = shown();
  assert.equal(schedule.isDue({ ...calm, styles: [...STYLES, 'mine'] }, 11_000), true);
  assert.equal(schedule.isDue({ ...calm, styles: [...STYLES, 'mine'] }, 22_000), true);
  schedule.answered();
  assert.equal(schedule.isDue({ ...calm, styles: [...STYLES, 'mine'] }, 33_000), false);
  assert.equal(schedule.isDue(calm, 44_000), false);
});

test('another camera is shown as soon as the server takes a request', () => {
  const schedule = shown();
  schedule.restart();
  assert.equal(schedule.isDue(calm, 5_000), false);
  assert.equal(schedule.isDue(calm, 10_000), true);
});
