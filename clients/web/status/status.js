/** The operators' page: asks the gateway for its state every second, and shows it. */

import { Chart } from './chart.js';
import { ChartCursor } from './chart_cursor.js';
import { cell, item, list, say, section, showAxis, strong } from './elements.js';
import { History, plotOf } from './history.js';
import { showEvents, showFailures, showLinks, showWorkers } from './lists.js';
import { bytes, loss, milliseconds, percent, seconds } from './words.js';
import { byId, find, instantiate } from '../basics/dom.js';

const ASK_MS = 1000;
/** How long to wait for an answer before it counts as lost. */
const PATIENCE_MS = 5000;

/** @typedef {import('./state.js').Figures} Figures */
/** @typedef {import('./state.js').GatewayState} GatewayState */
/** @typedef {import('./state.js').Role} Role */
/** @typedef {import('./state.js').RoleDetails} RoleDetails */
/** @typedef {import('./state.js').RoleState} RoleState */
/** @typedef {import('./state.js').Round} Round */
/** @typedef {import('./state.js').StreamState} StreamState */

/** @type {Record<string, string>} */
const STAGES = {
  encode: 'encode', queue: 'wait in the queue', decode: 'decode', stylize: 'stylize', return: 'way back',
};
/** @type {Record<Role, string>} */
const ROLES = { gateway: 'Gateway', stylize: 'Edge workers', train: 'Trainer', aggregate: 'Cloud' };
/** @type {Record<string, string>} */
const DROPS = {
  deadline: 'too slow', late: 'late', style: 'style changed', slow: 'slow network', redis: 'no Redis', error: 'failed',
  channel: 'no channel',
};

class Status {
  /** @type {number|undefined} a timeout */
  #timer;
  /** performance.now() at the last good answer. */
  #answeredAt = performance.now();
  #history = new History(byId('range'));
  #loss = new Chart(byId('chart-loss', SVGSVGElement), { dots: true, zero: false });
  #lossCursor = new ChartCursor(plotOf('chart-loss'), this.#loss, (value, index) => this.#describeLoss(value, index));
  /** @type {Round[]} */
  #rounds = [];

  start() {
    forgetToken();
    this.#ask();
  }

  destroy() {
    clearTimeout(this.#timer);
    this.#history.destroy();
    this.#lossCursor.destroy();
  }

  async #ask() {
    try {
      const response = await fetch('status.json', { signal: AbortSignal.timeout(PATIENCE_MS) });
      if (response.status === 401) this.#refused();
      else if (!response.ok) throw new Error(response.statusText);
      else this.#show(await response.json());
    } catch {
      const seconds = (performance.now() - this.#answeredAt) / 1000;
      this.#pulse('lost', `The gateway has not answered for ${seconds.toFixed(0)} s`);
    }
    this.#timer = setTimeout(() => this.#ask(), ASK_MS);
  }

  #refused() {
    this.#pulse('refused', 'Not signed in');
    say('verdict', 'For operators.');
    list('alerts', ['Open the address with the token that “mvstylizer up” printed.'], (text) => item(text));
  }

  /** @param {GatewayState} state */
  #show(state) {
    if (!state.figures) return; // the gateway has only just started: {}
    this.#answeredAt = performance.now();
    const { alerts, figures, stages_ms: stages, giving_way: givingWay } = state;
    const { streams, roles, models, rounds, old_look_s: oldLook } = state;
    this.#pulse(alerts.length ? 'alert' : 'well', 'Live');
    showVerdict(alerts, figures);
    showFigures(figures);
    showStages(stages);
    list('giving-way', givingWay, givingWayStep);
    this.#history.show(state);
    showStreams(streams, oldLook);
    showEvents(state.events);
    showFailures(state.failures);
    showWorkers(state.workers);
    showLinks(state.links);
    list('roles', roles, role);
    section('models').toggleAttribute('data-empty', !rounds.length && !Object.keys(models).length);
    list('models', Object.entries(models), model);
    this.#showRounds(rounds);
  }

  /**
   * @param {'well'|'alert'|'lost'|'refused'} state
   * @param {string} text set only when it changes: screen readers read it out each time
   */
  #pulse(state, text) {
    document.body.dataset.state = state;
    if (byId('pulse').textContent !== text) say('pulse', text);
  }

  /** @param {Round[]} rounds */
  #showRounds(rounds) {
    this.#rounds = rounds;
    section('chart-loss').toggleAttribute('data-empty', !rounds.length);
    if (rounds.length) {
      const losses = [rounds[0].loss_before, ...rounds.map((round) => round.loss_after)];
      this.#loss.show(losses);
      this.#lossCursor.follow();
      const [first, last] = [rounds[0], rounds[rounds.length - 1]];
      showAxis('chart-loss', '', `${loss(first.loss_before)} before global ${first.version}`,
        `${loss(last.loss_after)} with global ${last.version}`);
    }
    list('rounds', [...rounds].reverse(), round);
  }

  /**
   * @param {number|null} value
   * @param {number} index 0 is before the first round
   * @returns {string}
   */
  #describeLoss(value, index) {
    return index ? `${loss(value)} with global ${this.#rounds[index - 1].version}` : `${loss(value)} before`;
  }
}

/**
 * @param {string[]} alerts
 * @param {Figures} figures
 */
function showVerdict(alerts, { streams, oldest_s: oldest, round_trip_p50_ms: trip }) {
  say('verdict', alerts[0] ?? 'All is well.');
  const calm = [
    streams ? `The oldest look is ${seconds(oldest)} old.` : 'Nobody is here.',
    ...(trip === null ? [] : [`A key frame is back in ${trip.toFixed(0)} ms.`]),
  ];
  list('alerts', alerts.length ? alerts.slice(1) : [calm.join(' ')], item);
}

/** @param {{step: string, active: boolean}} step */
function givingWayStep({ step, active }) {
  const entry = item(step);
  entry.toggleAttribute('data-active', active);
  if (active) entry.append(' ', strong('now'));
  return entry;
}

/** @param {Figures} figures */
function showFigures(figures) {
  const { streams, fps, key_frames_per_s: keyFrames, queue, loop_lag_p99_ms: lag } = figures;
  const { round_trip_p50_ms: median, round_trip_p95_ms: p95 } = figures;
  say('streams', String(streams));
  say('fps', fps.toFixed(0));
  say('key-frames', keyFrames.toFixed(1));
  say('queue', queue === null ? '–' : String(queue));
  say('trip', milliseconds(median));
  say('trip-tail', p95 === null ? '' : `p95 ${milliseconds(p95)}`);
  say('lag', milliseconds(lag));
}

/** @param {Record<string, number>} stages milliseconds */
function showStages(stages) {
  const all = Object.values(stages).reduce((sum, ms) => sum + ms, 0);
  section('stages').toggleAttribute('data-empty', !all);
  list('stages', Object.entries(stages), ([stage, ms]) => {
    const part = document.createElement('span');
    part.dataset.stage = stage;
    part.style.flexGrow = String(ms);
    return part;
  });
  list('legend', Object.entries(stages), ([stage, ms]) => {
    const entry = item(STAGES[stage]);
    entry.dataset.stage = stage;
    entry.append(strong(milliseconds(ms)));
    return entry;
  });
}

/**
 * @param {StreamState[]} streams
 * @param {number} oldLook in seconds
 */
function showStreams(streams, oldLook) {
  section('stream-rows').toggleAttribute('data-empty', !streams.length);
  list('stream-rows', streams, (stream) => {
    const row = instantiate(byId('stream-row', HTMLTemplateElement));
    const { number, style, size, fps, age_s: age, answers, key_frames: picked, drops } = stream;
    find(row, 'th').textContent = `Stream ${number}`;
    find(row, '.look').textContent = style;
    find(row, '.fps').textContent = fps.toFixed(0);
    find(row, '.fps').title = size.join('×');
    find(row, '.age').textContent = seconds(age);
    find(row, '.age').toggleAttribute('data-old', (age ?? 0) > oldLook);
    find(row, '.answers').textContent = String(answers);
    find(row, '.answers').title = `${picked} key frames picked`;
    const lost = Object.entries(drops).map(([reason, count]) => `${count} ${DROPS[reason] ?? reason}`);
    find(row, '.drops').textContent = lost.join(', ');
    return row;
  });
}

/**
 * @param {RoleState} state
 * @returns {HTMLElement}
 */
function role({ role: name, processes, cpu, memory_bytes: memory, details }) {
  const entry = instantiate(byId('role', HTMLTemplateElement));
  entry.dataset.role = name;
  entry.toggleAttribute('data-live', processes > 0);
  find(entry, '.name').textContent = ROLES[name];
  find(entry, '.count').textContent = processes > 1 ? `× ${processes}` : '';
  find(entry, '.does').textContent = processes ? doing(name, details) : 'not running';
  find(entry, '.takes').textContent = processes ? `${percent(cpu)} of a core, ${bytes(memory)}` : '';
  return entry;
}

/**
 * @param {Role} name
 * @param {RoleDetails} details
 * @returns {string} what a role is doing
 */
function doing(name, details) {
  const { key_frames_per_s: rate = 0, busy = 0, samples = 0, images = 0 } = details;
  const { round: version = 0, updates = 0, refused = 0 } = details;
  return {
    gateway: () => 'hands out the answers',
    stylize: () => `${rate.toFixed(1)} key frames a second, ${percent(busy)} busy`,
    train: () => `${samples} pictures shared, ${images.toLocaleString('en')} images learned from`,
    aggregate: () => `global ${version}, ${updates} waiting, ${refused} refused`,
  }[name]();
}

/**
 * @param {[version: string, workers: number]} loaded
 * @returns {HTMLElement}
 */
function model([version, workers]) {
  const entry = item('');
  const name = document.createElement('code');
  name.textContent = version;
  entry.append(name, ` on ${workers} worker${workers === 1 ? '' : 's'}`);
  return entry;
}

/**
 * @param {Round} round
 * @returns {HTMLElement} a row of the table
 */
function round({ version, images, loss_before: before, loss_after: after }) {
  const row = document.createElement('tr');
  row.append(cell('th', `Global ${version}`), cell('td', `${images.toLocaleString('en')} images`));
  const change = before && after !== null ? `${(100 * (after / before - 1)).toFixed(1)} %` : '–';
  row.append(cell('td', change.replace('-', '−')));
  return row;
}

/** Take the token out of the address, which people share; the gateway has made a cookie of it. */
function forgetToken() {
  const url = new URL(location.href);
  if (!url.searchParams.has('token')) return;
  url.searchParams.delete('token');
  window.history.replaceState(null, '', url);
}

/** For tests and tools. */
const status = Object.assign(window, { mvstylizerStatus: new Status() }).mvstylizerStatus;
status.start();
