/** What the gateway tells the operators' page, as types. Nothing here runs. */

/**
 * The gateway's state, as pipeline/monitoring/status.py makes it. A number that is not known is null.
 * @typedef {object} GatewayState
 * @property {string[]} alerts sentences, the worst first
 * @property {number} old_look_s the age, in seconds, from which on a look is marked
 * @property {Figures} figures
 * @property {Record<string, number>} stages_ms the mean time of each stage of key frames in the last minute
 * @property {History} history the last minutes
 * @property {History} hour the last hour, of which a value is the mean or the worst of some samples
 * @property {GatewayEvent[]} events newest first
 * @property {Failure[]} failures whatever was refused or failed since the gateway or Redis began
 * @property {WorkerState[]} workers the edge's, the oldest first
 * @property {{name: string, url: string}[]} links to operators' other pages
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
 * Something that happened. Its kind is session, process, alert or over, which is the end of an alert.
 * @typedef {{ago_s: number, kind: string, text: string}} GatewayEvent
 */

/** @typedef {{what: string, minute: number, total: number}} Failure minute: how often in the last one */

/** @typedef {{age_s: number|null, memory_bytes: number, model: string|null}} WorkerState model: its version */

/**
 * Samples of some time, `step_s` seconds apart, oldest first.
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
