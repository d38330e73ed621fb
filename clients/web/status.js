/** The operators' page: asks the gateway every second how it is, and says so. */

import { Chart } from './chart.js';

const ASK_MS = 1000;
/** An answer that takes longer than this does not come. */
const PATIENCE_MS = 5000;
/** Seconds that the charts hold. */
const HISTORY = 300;

const element = (id) => document.getElementById(id);

const STAGES = {
  encode: 'encode', queue: 'wait in the queue', decode: 'decode', stylize: 'stylize', return: 'way back',
};
const ROLES = { gateway: 'Gateway', stylize: 'Edge workers', train: 'Trainer', aggregate: 'Cloud' };
const DROPS = {
  deadline: 'too slow', late: 'late', style: 'style changed', slow: 'slow network', redis: 'no Redis', error: 'failed',
  channel: 'no channel',
};

class Status {
  #timer;
  #answeredAt = performance.now();
  #charts = {
    queue: new Chart(element('chart-queue'), { least: 5, slots: HISTORY }),
    keyFrames: new Chart(element('chart-key-frames'), { least: 2, slots: HISTORY }),
    oldest: new Chart(element('chart-oldest'), { least: 1, slots: HISTORY }),
    loss: new Chart(element('chart-loss'), { dots: true, zero: false }),
  };

  start() {
    forgetToken();
    this.#ask();
  }

  destroy() {
    clearTimeout(this.#timer);
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
    this.#pulse('lost', 'Not signed in');
    element('verdict').textContent = 'For operators.';
    list('troubles', ['Open the address with the token that “mvstylizer up” printed.'], (text) => item(text));
  }

  #show(state) {
    if (!state.figures) return; // it has only just begun
    this.#answeredAt = performance.now();
    const { troubles, figures, stages_ms: stages, history, streams, roles, models, rounds } = state;
    this.#pulse(troubles.length ? 'trouble' : 'well', 'Live');
    showVerdict(troubles, figures);
    showFigures(figures);
    showStages(stages);
    this.#showHistory(history);
    showStreams(streams);
    list('roles', roles, role);
    list('models', Object.entries(models), model);
    this.#showRounds(rounds);
  }

  #pulse(state, text) {
    document.body.dataset.state = state;
    if (element('pulse').textContent !== text) element('pulse').textContent = text;
  }

  #showHistory({ step_s: step, queue, key_frames_per_s: keyFrames, oldest_s: oldest }) {
    const ago = duration(step * HISTORY);
    showAxis('chart-queue', `${this.#charts.queue.show(queue)}`, ago);
    showAxis('chart-key-frames', `${this.#charts.keyFrames.show(keyFrames)}`, ago);
    showAxis('chart-oldest', `${this.#charts.oldest.show(oldest)} s`, ago);
  }

  #showRounds(rounds) {
    const learned = rounds.length > 0;
    section('chart-loss').toggleAttribute('data-empty', !learned);
    if (learned) {
      const losses = [rounds[0].loss_before, ...rounds.map((round) => round.loss_after)];
      this.#charts.loss.show(losses);
      const [first, last] = [rounds[0], rounds.at(-1)];
      showAxis('chart-loss', '', `${loss(first.loss_before)} before global ${first.version}`,
        `${loss(last.loss_after)} with global ${last.version}`);
    }
    list('rounds', [...rounds].reverse(), round);
  }
}

function showVerdict(troubles, { streams, oldest_s: oldest, round_trip_p50_ms: trip }) {
  element('verdict').textContent = troubles[0] ?? 'All is well.';
  const calm = [
    streams ? `The oldest look is ${seconds(oldest)} old.` : 'Nobody is here.',
    ...(trip === null ? [] : [`A key frame is back in ${trip.toFixed(0)} ms.`]),
  ];
  list('troubles', troubles.length ? troubles.slice(1) : [calm.join(' ')], item);
}

function showFigures(figures) {
  const { streams, fps, key_frames_per_s: keyFrames, queue, loop_lag_p99_ms: lag } = figures;
  const { round_trip_p50_ms: half, round_trip_p95_ms: most } = figures;
  say('streams', streams);
  say('fps', fps.toFixed(0));
  say('key-frames', keyFrames.toFixed(1));
  say('queue', queue ?? '–');
  say('trip', milliseconds(half));
  say('trip-tail', most === null ? '' : `p95 ${milliseconds(most)}`);
  say('lag', milliseconds(lag));
}

function showStages(stages) {
  const all = Object.values(stages).reduce((sum, ms) => sum + ms, 0);
  section('stages').toggleAttribute('data-empty', !all);
  list('stages', Object.entries(stages), ([stage, ms]) => {
    const part = document.createElement('span');
    part.dataset.stage = stage;
    part.style.flexGrow = ms;
    return part;
  });
  list('legend', Object.entries(stages), ([stage, ms]) => {
    const entry = item(STAGES[stage]);
    entry.dataset.stage = stage;
    entry.append(strong(milliseconds(ms)));
    return entry;
  });
}

function showStreams(streams) {
  section('stream-rows').toggleAttribute('data-empty', !streams.length);
  list('stream-rows', streams, (stream) => {
    const row = element('stream-row').content.cloneNode(true).firstElementChild;
    const { number, style, size, fps, age_s: age, answers, key_frames: picked, drops } = stream;
    row.querySelector('th').textContent = `Stream ${number}`;
    row.querySelector('.look').textContent = style;
    row.querySelector('.fps').textContent = fps.toFixed(0);
    row.querySelector('.fps').title = size.join('×');
    row.querySelector('.age').textContent = seconds(age);
    row.querySelector('.age').toggleAttribute('data-old', age > 2.5);
    row.querySelector('.answers').textContent = answers;
    row.querySelector('.answers').title = `${picked} key frames picked`;
    const lost = Object.entries(drops).map(([reason, count]) => `${count} ${DROPS[reason] ?? reason}`);
    row.querySelector('.drops').textContent = lost.join(', ');
    return row;
  });
}

function role({ role: name, processes, cpu, memory_bytes: memory, details }) {
  const entry = element('role').content.cloneNode(true).firstElementChild;
  entry.dataset.role = name;
  entry.toggleAttribute('data-live', processes > 0);
  entry.querySelector('.name').textContent = ROLES[name];
  entry.querySelector('.count').textContent = processes > 1 ? `× ${processes}` : '';
  entry.querySelector('.does').textContent = processes ? doing(name, details) : 'not running';
  entry.querySelector('.takes').textContent = processes ? `${percent(cpu)} of a core, ${bytes(memory)}` : '';
  return entry;
}

function doing(name, { key_frames_per_s: rate, busy, samples, images, round: version, updates, refused }) {
  return {
    gateway: () => 'hands out the answers',
    stylize: () => `${rate.toFixed(1)} key frames a second, ${percent(busy)} busy`,
    train: () => `${samples} pictures shared, ${images.toLocaleString('en')} images learned from`,
    aggregate: () => `global ${version}, ${updates} waiting, ${refused} refused`,
  }[name]();
}

function model([version, workers]) {
  const entry = item('');
  const name = document.createElement('code');
  name.textContent = version;
  entry.append(name, ` on ${workers} worker${workers === 1 ? '' : 's'}`);
  return entry;
}

function round({ version, images, loss_before: before, loss_after: after }) {
  const row = document.createElement('tr');
  row.append(cell('th', `Global ${version}`), cell('td', `${images.toLocaleString('en')} images`));
  row.append(cell('td', before ? `${(100 * (after / before - 1)).toFixed(1)} %`.replace('-', '−') : '–'));
  return row;
}

// Words

function duration(s) {
  return s < 60 ? `${s} s ago` : `${Math.round(s / 60)} min ago`;
}

function seconds(s) {
  return s === null ? '–' : `${s.toFixed(1)} s`;
}

function milliseconds(ms) {
  return ms === null ? '–' : `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}

function percent(share) {
  return `${Math.round(100 * share)} %`;
}

function bytes(number) {
  return number < 1e9 ? `${Math.round(number / 1e6)} MB` : `${(number / 1e9).toFixed(1)} GB`;
}

function loss(value) {
  return value.toPrecision(3);
}

// Elements

function say(id, text) {
  element(id).textContent = text;
}

function section(id) {
  return element(id).closest('section');
}

/** Have the element `id` hold one child for each of `values`. */
function list(id, values, make) {
  element(id).replaceChildren(...values.map(make));
}

function item(text) {
  return cell('li', text);
}

function strong(text) {
  return cell('strong', text);
}

function cell(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

/** The top of a chart's scale, and what is at its ends. */
function showAxis(id, top, left, right = 'now') {
  const chart = element(id);
  chart.closest('section').querySelector('h2').dataset.top = top;
  const [from, to] = chart.nextElementSibling.children;
  [from.textContent, to.textContent] = [left, right];
}

/** The gateway has made a cookie of it; an address with a token gets around. */
function forgetToken() {
  const url = new URL(location.href);
  if (!url.searchParams.has('token')) return;
  url.searchParams.delete('token');
  window.history.replaceState(null, '', url);
}

window.mvstylizerStatus = new Status();
window.mvstylizerStatus.start();
