/**
 * The control protocol by example, for both sides: tsc holds these to the page's types, and test_control.py has Python and
 * the page read them.
 */

/** @type {import('../../../clients/web/net/messages.js').ClientMessage[]} */
export const FROM_PAGE = [
  { type: 'style', style: 'dusk' },
  { type: 'style', style: 'Été — 夕暮れ' },
  { type: 'size', width: 640, height: 360 },
  { type: 'size', width: 2, height: 4096 },
  { type: 'cut', frame_id: 65535 },
  { type: 'pause', on: true },
  { type: 'pause', on: false },
  { type: 'previews', styles: ['0123456789abcdef', 'fedcba9876543210'] },
  { type: 'share', on: true, by: '0123456789abcdef' },
  { type: 'share', on: false, by: '01234567-89ab-cdef-0123-456789abcdef' },
];

/** @type {import('../../../clients/web/net/messages.js').GatewayMessage[]} */
export const FROM_GATEWAY = [
  { type: 'alive' },
  { type: 'pace', fps: 30 },
  { type: 'pace', fps: 2.5, look_interval_s: 2 },
  { type: 'frame' },
  { type: 'key_frame', frame_id: 0, reason: 'first' },
  { type: 'key_frame', frame_id: 65535, reason: 'cut' },
  { type: 'dropped', frame_id: 7, reason: 'deadline' },
  { type: 'share', on: true },
  { type: 'share', on: false },
  { type: 'share_again' },
  { type: 'move' },
  { type: 'error', error: 'This style is not known here any more; upload it again.' },
];

/** Texts that no gateway sends, and that a client refuses. */
export const NOT_FROM_GATEWAY = [
  '', '{', '[]', '3', 'null', '"alive"', '{}', '{"type": null}', '{"type": ["alive"]}', '{"type": "quit"}',
  '{"type": "__proto__"}', '{"type": "style", "style": "dusk"}', '{"type": "key_frame"}',
  '{"type": "key_frame", "frame_id": 7}', '{"type": "key_frame", "frame_id": "7", "reason": "cut"}',
  '{"type": "key_frame", "frame_id": 65536, "reason": "cut"}', '{"type": "key_frame", "frame_id": -1, "reason": "cut"}',
  '{"type": "key_frame", "frame_id": 1.5, "reason": "cut"}', '{"type": "dropped", "frame_id": true, "reason": "cut"}',
  '{"type": "dropped", "frame_id": 7, "reason": null}', '{"type": "share", "on": 1}', '{"type": "share"}',
  '{"type": "pace"}', '{"type": "pace", "fps": 0}', '{"type": "pace", "fps": "30"}', '{"type": "pace", "fps": true}',
  '{"type": "pace", "fps": 30, "look_interval_s": -1}', '{"type": "pace", "fps": 30, "look_interval_s": null}',
  '{"type": "error"}', '{"type": "error", "error": 3}', '{"type": "alive", "at": NaN}',
  `{"type": "error", "error": "${'x'.repeat(5000)}"}`,
];
