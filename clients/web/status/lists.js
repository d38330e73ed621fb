/** Fills the lists of the operators' page that need no memory: events, failures, workers, and links. */

import { cell, list, section } from './elements.js';
import { bytes, duration, elapsed } from './words.js';
import { byId, find } from '../basics/dom.js';

/** The most workers that are listed; with more, only their number is. */
const MOST_WORKERS = 24;

/** @param {import('./state.js').GatewayEvent[]} events newest first */
export function showEvents(events) {
  section('events').toggleAttribute('data-empty', !events.length);
  list('events', events, ({ ago_s: ago, kind, text }) => {
    const entry = document.createElement('li');
    entry.dataset.kind = kind;
    entry.append(cell('span', text), cell('small', ago < 1 ? 'now' : duration(ago)));
    return entry;
  });
}

/** @param {import('./state.js').Failure[]} failures */
export function showFailures(failures) {
  section('failures').toggleAttribute('data-empty', !failures.length);
  list('failures', failures, ({ what, minute, total }) => {
    const row = document.createElement('tr');
    const name = cell('th', what);
    name.setAttribute('scope', 'row');
    row.append(name, cell('td', minute.toLocaleString('en')), cell('td', total.toLocaleString('en')));
    row.toggleAttribute('data-recent', minute > 0);
    return row;
  });
}

/** @param {import('./state.js').WorkerState[]} workers the oldest first */
export function showWorkers(workers) {
  const plate = section('workers');
  plate.toggleAttribute('data-empty', !workers.length);
  const more = workers.length - MOST_WORKERS;
  find(plate, 'h2 small').textContent = more > 0 ? `the ${MOST_WORKERS} oldest of ${workers.length}` : '';
  list('workers', [...workers.slice(0, MOST_WORKERS).entries()], ([index, { age_s: age, model, memory_bytes: memory }]) => {
    const row = document.createElement('tr');
    const name = cell('th', `Worker ${index + 1}`);
    name.setAttribute('scope', 'row');
    const version = document.createElement('td');
    version.append(cell('code', model ?? '–'));
    row.append(name, cell('td', age === null ? '–' : elapsed(age)), version, cell('td', bytes(memory)));
    return row;
  });
}

/** @param {{name: string, url: string}[]} links to operators' other pages */
export function showLinks(links) {
  const shown = Array.from(byId('links').querySelectorAll('a'), (anchor) => anchor.href).join();
  if (shown === links.map(({ url }) => new URL(url).href).join()) return; // a focused link stays as it is
  list('links', links, ({ name, url }) => {
    const anchor = document.createElement('a');
    anchor.textContent = name;
    anchor.href = url;
    return anchor;
  });
}
