/** What the gateway tells the operators' page, as types. Nothing here runs. */

/**
 * The gateway's state, as pipeline/monitoring/status.py makes it. A number that is not known is null.
 * @typedef {object} GatewayState
 * @property {string[]} alerts sentences, the worst first
 * @property {number} old_look_s the age, in seconds, from which on a look is marked
 * @property {Figures} figures
 * @property {Record<string, number>} stages_ms the mean time of each stage of key frames in the last minute
 * @property {History} history
 * @property {{step: string, active: boolean}[]} giving_way in this order; active: whether it is given up at present
 * @property {StreamState[]} streams
 * @property {RoleState[]} roles
 * @property {Record<string, number>} models by version, how many edge workers have loaded it
 * @property {Round[]} rounds oldest first
 */

/**
 * @typedef {object} Figures
 * @property {number} streams
 * @property {number} fps frames per second, of all streams
 * @property {number} key_frames_per_s
 * @property {number|null} queue key frames in the queue
 * @property {number|null} oldest_s age of the oldest look on show, in seconds
 * @property {number|null} round_trip_p50_ms
 * @property {number|null} round_trip_p95_ms
 * @property {number|null} loop_lag_p99_ms how late the gateway's timers are
 */

/**
 * Samples of the last minutes, `step_s` seconds apart, oldest first.
 * @typedef {object} History
 * @property {number} step_s
 * @property {(number|null)[]} queue
 * @property {(number|null)[]} key_frames_per_s
 * @property {(number|null)[]} oldest_s
 */

/**
 * @typedef {object} StreamState
 * @property {number} number
 * @property {string} style its name
 * @property {[number, number]} size width and height, in pixels
 * @property {number} fps
 * @property {number|null} age_s the age of the look on show, in seconds
 * @property {number} key_frames picked so far
 * @property {number} answers so far
 * @property {Record<string, number>} drops by reason, answers given up so far
 */

/** @typedef {'gateway'|'stylize'|'train'|'aggregate'} Role */

/**
 * @typedef {object} RoleState
 * @property {Role} role
 * @property {number} processes
 * @property {number} cpu cores in use
 * @property {number} memory_bytes
 * @property {RoleDetails} details
 */

/**
 * A role's numbers. stylize has key_frames_per_s and busy (0..1). train has samples, the number of pictures shared, and
 * images, the number learned from. aggregate has the last round, and how many updates are waiting and were refused.
 * @typedef {Partial<Record<'key_frames_per_s'|'busy'|'samples'|'images'|'round'|'updates'|'refused', number>>}
 *   RoleDetails
 */

/**
 * A round of federated averaging. Losses are those on held-out pictures, and null if they are not known.
 * @typedef {{version: number, images: number, loss_before: number|null, loss_after: number|null}} Round
 */

export {};
