/** A small line chart of values over time, with a gap wherever a value is unknown. */

const WIDTH = 300;
const HEIGHT = 100;
const SVG = 'http://www.w3.org/2000/svg';

/** @typedef {[number, number]} Point x and y in the view box, whose origin is the upper left corner */

/**
 * @typedef {object} ChartOptions
 * @property {number} [least] the lowest allowed top of the scale
 * @property {boolean} [dots] whether each value has a dot
 * @property {boolean} [zero] whether the scale begins at zero
 */

export class Chart {
  #line;
  #area;
  #dots;
  #options;
  /** @type {(number|null)[]} those on show, oldest first */
  values = [];
  /** @type {(Point|null)[]} */
  #points = [];
  /** How many values the width has room for. */
  #slots = 1;

  /**
   * @param {SVGElement} svg empty
   * @param {ChartOptions} [options]
   */
  constructor(svg, { least = 1, dots = false, zero = true } = {}) {
    this.#options = { least, dots, zero };
    svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute('preserveAspectRatio', 'none');
    this.#area = addPath(svg, 'area');
    this.#line = addPath(svg, 'line');
    this.#dots = addPath(svg, 'dots');
  }

  /**
   * @param {(number|null)[]} values oldest first
   * @param {number} [slots] how many values the width has room for
   * @returns {number} the top of the scale
   */
  show(values, slots = values.length) {
    const { least, dots, zero } = this.#options;
    const known = values.filter((value) => value !== null);
    const top = zero ? niceTop(Math.max(least, ...known)) : Math.max(...known);
    const bottom = zero ? 0 : Math.min(...known);
    const points = place(values, { slots, top, bottom });
    [this.values, this.#points, this.#slots] = [values, points, slots];
    this.#line.setAttribute('d', lines(points));
    this.#area.setAttribute('d', zero ? areas(points) : '');
    this.#dots.setAttribute('d', dots ? runs(points).flat().map(([x, y]) => `M${x} ${y}h0`).join('') : '');
    return top;
  }

  /**
   * @param {number} share of the width, from the left, 0..1
   * @returns {number} the index of the value nearest to it; -1 if there are no values
   */
  nearest(share) {
    const { length } = this.values;
    const back = Math.round((1 - share) * Math.max(1, this.#slots - 1));
    return Math.min(Math.max(0, length - 1 - back), length - 1);
  }

  /**
   * @param {number} index of a value
   * @returns {[number, number]} where it lies: shares of the width, from the left, and of the height, from the top
   */
  place(index) {
    const back = this.values.length - 1 - index;
    const y = this.#points[index]?.[1] ?? HEIGHT;
    return [1 - back / Math.max(1, this.#slots - 1), y / HEIGHT];
  }
}

/**
 * @param {SVGElement} svg
 * @param {string} name its class
 * @returns {SVGPathElement}
 */
function addPath(svg, name) {
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('class', name);
  svg.append(path);
  return path;
}

/**
 * The smallest of 1, 2, 3, 5 and their multiples by powers of ten that is at least `value`.
 * @param {number} value above 0
 * @returns {number}
 */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 3, 5].find((step) => step * power >= value - 1e-9) ?? 10);
}

/**
 * Where values lie in the chart. The last one is at its right end.
 * @param {(number|null)[]} values oldest first
 * @param {{slots: number, top: number, bottom?: number}} scale how many values (slots) the width has room for, and the
 *   values at the top and bottom edges
 * @returns {(Point|null)[]} null where a value is null
 */
export function place(values, { slots, top, bottom = 0 }) {
  const step = WIDTH / Math.max(1, slots - 1);
  const left = WIDTH - step * (values.length - 1);
  const span = top - bottom || 1;
  return values.map((value, index) => value === null ? null : [
    round(left + step * index), round(HEIGHT * (1 - Math.min(1, (value - bottom) / span))),
  ]);
}

/**
 * The runs of points between gaps.
 * @param {(Point|null)[]} points
 * @returns {Point[][]} without empty runs
 */
export function runs(points) {
  /** @type {Point[]} */
  let run = [];
  const found = [run];
  for (const point of points) {
    if (point) run.push(point);
    else if (run.length) found.push(run = []);
  }
  return found.filter(({ length }) => length);
}

/**
 * @param {(Point|null)[]} points
 * @returns {string} an SVG path
 */
function lines(points) {
  return runs(points).map((run) => `M${run.map((point) => point.join(' ')).join('L')}`).join('');
}

/**
 * @param {(Point|null)[]} points
 * @returns {string} an SVG path around the areas between the lines and the lower edge
 */
function areas(points) {
  return runs(points).map((run) => {
    const [first, last] = [run[0], run[run.length - 1]];
    return `M${first[0]} ${HEIGHT}L${run.map((point) => point.join(' ')).join('L')}L${last[0]} ${HEIGHT}Z`;
  }).join('');
}

/**
 * @param {number} value
 * @returns {number} with two decimals, since a path needs no more
 */
function round(value) {
  return Math.round(value * 100) / 100;
}
