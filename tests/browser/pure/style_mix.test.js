// Ids of mixes, as pipeline/styles/mix.py has them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mixId, pairOf, parseMix } from '../../../clients/web/net/style_mix.js';

test('an id of a mix names two styles and the share of the second', () => {
  assert.deepEqual(parseMix('golden-hour.dusk.35'), { first: 'golden-hour', second: 'dusk', percent: 35 });
  assert.equal(mixId({ first: 'a', second: 'b', percent: 7 }), 'a.b.7');
  assert.deepEqual(['a.b.7', 'a.b.93', 'dusk'].map(pairOf), ['a.b', 'a.b', 'dusk']);
});

test('anything else is the id of one style', () => {
  const others = ['dusk', 'dusk.snow', 'dusk.dusk.50', 'dusk.snow.0', 'dusk.snow.100', 'dusk.snow.05', 'dusk.snow.5.5',
    '.snow.50', 'dusk..50', 'dusk.snow.50.', '', 'dusk.snow.-5', `${'x'.repeat(81)}.b.5`];
  assert.deepEqual(others.map(parseMix), others.map(() => null));
});
