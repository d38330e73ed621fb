// Ids of styles in another mood, as pipeline/styles/mood.py has them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mapParts, parseMix, partsOf } from '../../../clients/web/net/style_mix.js';
import { moodId, parseMood, withoutMood } from '../../../clients/web/net/style_mood.js';

test('an id names a style and how much of its mood there is', () => {
  assert.deepEqual(parseMood('golden-hour~40'), { style: 'golden-hour', percent: 40 });
  assert.deepEqual(parseMood('dusk~0'), { style: 'dusk', percent: 0 });
  assert.deepEqual(parseMood('dusk~100'), { style: 'dusk', percent: 100 });
  assert.equal(moodId({ style: 'dusk', percent: 7 }), 'dusk~7');
  assert.deepEqual(['dusk~40', 'dusk'].map(withoutMood), ['dusk', 'dusk']);
});

test('anything else names no mood', () => {
  const others = ['dusk', 'dusk~', '~40', 'dusk~101', 'dusk~040', 'dusk~-1', 'dusk~4.5', 'dusk~40~40', 'a.b.35~40',
    'dusk~40 ', `${'x'.repeat(76)}~40`, 'dusk~\u0664\u0660'];
  assert.deepEqual(others.map(parseMood), others.map(() => null));
});

test('both styles of a mix may have a mood', () => {
  assert.deepEqual(parseMix('a~40.b~60.35'), { first: 'a~40', second: 'b~60', percent: 35 });
  assert.deepEqual(['a~40.a.35', 'a~40.a~60.35'].map(parseMix), [null, null]); // it is one style
  assert.deepEqual(partsOf('a~40.b.35'), ['a~40', 'b']);
  assert.equal(mapParts('a~40.b~60.35', withoutMood), 'a.b.35');
  assert.equal(mapParts('a~40', withoutMood), 'a');
});
