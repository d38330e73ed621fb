/** Numbers as the operators' page writes them. Those that are not known are dashes. */

/**
 * @param {number} s seconds
 * @returns {string}
 */
export function duration(s) {
  return `${elapsed(s)} ago`;
}

/**
 * @param {number} s seconds
 * @returns {string}
 */
export function elapsed(s) {
  if (s < 60) return `${s} s`;
  const minutes = Math.round(s / 60);
  if (minutes <= 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d`;
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
