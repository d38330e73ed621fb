/** A small chart: one line over time, from zero up, gaps where nothing is known. */

const WIDTH = 300;
const HEIGHT = 100;
const SVG = 'http://www.w3.org/2000/svg';

export class Chart {
  #svg;
  #line;
  #area;
  #dots;
  #options;

  /**
   * @param {SVGElement} svg empty
   * @param {{least?: number, slots?: number, dots?: boolean, zero?: boolean}} options the least top of the scale; values
   *   that the width has room for (by default as many as there are); whether each has a dot; whether it begins at zero
   */
  constructor(svg, { least = 1, slots = 0, dots = false, zero = true } = {}) {
    this.#svg = svg;
    this.#options = { least, slots, dots, zero };
    svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute('preserveAspectRatio', 'none');
    [this.#area, this.#line, this.#dots] = ['area', 'line', 'dots'].map((name) => {
      const path = document.createElementNS(SVG, 'path');
      path.setAttribute('class', name);
      svg.append(path);
      return path;
    });
  }

  /**
   * @param {(number|null)[]} values oldest first
   * @returns {number} the top of the scale
   */
  show(values) {
    const { least, slots, dots, zero } = this.#options;
    const known = values.filter((value) => value !== null);
    const top = zero ? niceTop(Math.max(least, ...known)) : Math.max(...known);
    const bottom = zero ? 0 : Math.min(...known);
    const points = place(values, { slots: slots || values.length, top, bottom });
    this.#line.setAttribute('d', lines(points));
    this.#area.setAttribute('d', zero ? areas(points) : '');
    this.#dots.setAttribute('d', dots ? points.filter(Boolean).map(([x, y]) => `M${x} ${y}h0`).join('') : '');
    return top;
  }
}

/** The smallest of 1, 2, 3, 5 and their tenfolds that is not below. */
export function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 5, 10].map((step) => step * power).find((step) => step >= value - 1e-9);
}

/** Places in the chart, null where a value is null; the last value is at the right end. */
export function place(values, { slots, top, bottom = 0 }) {
  const step = WIDTH / Math.max(1, slots - 1);
  const left = WIDTH - step * (values.length - 1);
  const span = top - bottom || 1;
  return values.map((value, index) => value === null ? null : [
    round(left + step * index), round(HEIGHT * (1 - Math.min(1, (value - bottom) / span))),
  ]);
}

/** Runs of places without a gap. */
export function runs(points) {
  const found = [[]];
  for (const point of points) {
    if (point) found.at(-1).push(point);
    else if (found.at(-1).length) found.push([]);
  }
  return found.filter((run) => run.length);
}

function lines(points) {
  return runs(points).map((run) => `M${run.map((point) => point.join(' ')).join('L')}`).join('');
}

function areas(points) {
  return runs(points).map((run) => {
    const [first, last] = [run[0], run.at(-1)];
    return `M${first[0]} ${HEIGHT}L${run.map((point) => point.join(' ')).join('L')}L${last[0]} ${HEIGHT}Z`;
  }).join('');
}

function round(value) {
  return Math.round(value * 100) / 100;
}
