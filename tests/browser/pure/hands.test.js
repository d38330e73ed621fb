// What an address, a key and a movement of a hand mean, and when the controls fade.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayFade } from '../../../clients/web/controls/fading.js';
import { gestureOf } from '../../../clients/web/controls/gestures.js';
import { commandOf } from '../../../clients/web/controls/shortcuts.js';
import { linkTo, readLink } from '../../../clients/web/looks/look_link.js';

const NONE = { look: null, strength: null, isClean: false, isTransparent: false, starts: false };

test('an address without wishes, or with nonsense, asks for nothing', () => {
  const looks = ['', '<img src=x onerror=alert(1)>', '../../config', 'x'.repeat(81), '\0', 'a"b'];
  const strengths = ['', '-1', '101', '1e1', '0x10', '50%', 'NaN', '9'.repeat(400), ' 5', '5.5'];
  for (const look of looks) {
    for (const strength of strengths) {
      assert.deepEqual(readLink(`?${new URLSearchParams({ look, strength })}`), NONE);
    }
  }
  for (const search of ['', '?', '?clean', '?clean=2', '?background=transparent', '?source=camera', '?autostart=1']) {
    assert.deepEqual(readLink(search), NONE, search);
  }
});

test('what a link says is read as it was written', () => {
  for (const look of ['golden-hour', '0123456789abcdef']) {
    for (const strength of [0, 7, 100]) {
      for (const isClean of [false, true]) {
        const link = linkTo('https://example.org:8443/page/?look=other&mode=warp#top', { look, strength, isClean });
        const { origin, pathname, search, hash } = new URL(link);
        assert.deepEqual([origin, pathname, hash], ['https://example.org:8443', '/page/', '']);
        assert.deepEqual(readLink(search), { ...NONE, look, strength, isClean, starts: isClean });
      }
    }
  }
});

test('only a clean page is transparent', () => {
  assert.equal(readLink('?clean=1&background=transparent').isTransparent, true);
  assert.equal(readLink('?clean=1&background=red').isTransparent, false);
});

test('a gesture is a tap, a swipe along the row of looks, or none', () => {
  const table = [[0, 0, 'tap'], [7, -7, 'tap'], [-48, 0, 'next'], [200, 99, 'previous'], [-47, 0, null], [-90, 46, null],
    [0, 300, null]];
  for (const [across, down, gesture] of table) assert.equal(gestureOf(across, down), gesture, `${across} ${down}`);
});

test('a key is a command only on its own', () => {
  const plain = { ctrlKey: false, altKey: false, metaKey: false };
  const keys = ['1', '9', '0', ' ', 'r', 'R', 'c', 'f', 'p', 'n', '?', 'x', 'Enter', 'constructor'];
  assert.deepEqual(keys.map((key) => commandOf({ ...plain, key })),
    [0, 8, null, 'photo', 'record', 'record', 'compare', 'full-screen', 'picture-in-picture',
      'numbers', 'help', null, null, null]);
  for (const held of ['ctrlKey', 'altKey', 'metaKey']) assert.equal(commandOf({ ...plain, key: 'r', [held]: true }), null);
});

test('the controls fade only from a picture that nobody works on', () => {
  const free = { hasPicture: true, isPointedAt: false, isFocused: false, isOpen: false };
  assert.equal(mayFade(free), true);
  for (const [name, value] of Object.entries(free)) assert.equal(mayFade({ ...free, [name]: !value }), false, name);
});
