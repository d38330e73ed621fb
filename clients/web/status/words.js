/** Numbers as the operators' page writes them. Those that are not known are dashes. */

/**
 * @param {number} s seconds
 * @returns {string}
 */
export function duration(s) {
  return s < 60 ? `${s} s ago` : `${Math.round(s / 60)} min ago`;
}

/**
 * @param {number|null} s
 * @returns {string}
 */
export function seconds(s) {
  return s === null ? '–' : `${s.toFixed(1)} s`;
}

/**
 * @param {number|null} ms
 * @returns {string}
 */
export function milliseconds(ms) {
  return ms === null ? '–' : `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}

/**
 * @param {number} share 0..1
 * @returns {string}
 */
export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/**
 * @param {number} number
 * @returns {string}
 */
export function bytes(number) {
  return number < 1e9 ? `${Math.round(number / 1e6)} MB` : `${(number / 1e9).toFixed(1)} GB`;
}

/**
 * @param {number|null} value
 * @returns {string}
 */
export function loss(value) {
  return value === null ? '–' : value.toPrecision(3);
}
