/** Shows the tables of the queue dashboard. Everything that comes from jobs, queues and workers is shown as text. */

const ASK_MS = 2500;
/** A request that takes longer than this is given up. */
const PATIENCE_MS = 5000;
/** Longer texts are cut: some have megabytes, which nobody reads. */
const MOST_CHARACTERS = 10_000;

const main = document.querySelector('main');
const { view, source, jobs: jobsUrl } = main.dataset;

/** @param {...(Node|string|number|null|undefined)} children those that are not nodes become text */
function node(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.map((child) => (child instanceof Node ? child : text(child))));
  return made;
}

function text(value) {
  const whole = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return whole.length > MOST_CHARACTERS ? `${whole.slice(0, MOST_CHARACTERS)}…` : whole;
}

function row(role, ...cells) {
  const made = node('tr', {}, ...cells.map((cell) => node('td', {}, cell)));
  made.dataset.role = role;
  return made;
}

/** Returns a link within this dashboard; for an address that leads elsewhere, it returns only the text. */
function link(url, label) {
  return String(url).startsWith('/') && !String(url).startsWith('//') ? node('a', { href: url }, label) : text(label);
}

const jobLink = (id, label = id) => link(jobsUrl + encodeURIComponent(id), label);

function when(date) {
  const seconds = Math.round((Date.now() - Date.parse(date)) / 1000);
  if (!date || Number.isNaN(seconds)) return '–';
  const [amount, unit] = seconds < 120 ? [seconds, 's'] : seconds < 7200 ? [Math.round(seconds / 60), 'min'] : [Math.round(seconds / 3600), 'h'];
  return node('time', { dateTime: date, title: date }, `${amount} ${unit} ago`);
}

function fill(selector, rows, otherwise) {
  document.querySelector(selector).replaceChildren(...(rows.length ? rows : [row('none', otherwise)]));
}

const SHOW = {
  queues({ queues }) {
    fill('#queues tbody', queues.map((queue) => row(
      'queue', queue.name, link(queue.queued_url, queue.count),
      ...['started', 'finished', 'failed', 'deferred', 'scheduled', 'canceled'].map((registry) => (
        link(queue[`${registry}_url`], queue[`${registry}_job_registry_count`])
      )),
    )), 'No queues.');
  },

  workers({ workers }) {
    fill('#workers tbody', workers.map((worker) => row(
      'worker', worker.name, worker.state,
      worker.current_job === 'idle' ? 'idle' : jobLink(worker.current_job.job_id, worker.current_job.call_string),
      worker.queues.join(', '), worker.successful_job_count, worker.failed_job_count, when(worker.last_heartbeat),
    )), 'No workers.');
  },

  jobs({ jobs, pagination }) {
    fill('#jobs tbody', jobs.map((job) => {
      const about = node('div', {}, jobLink(job.id), node('div', { className: 'description' }, job.description ?? ''));
      if (job.exc_info) about.append(node('pre', { className: 'exc_info' }, job.exc_info));
      return row('job', about, when(job.created_at), when(job.ended_at));
    }), 'No jobs.');
    const pages = pagination.num_pages > 1 ? pagination.pages_in_window : [];
    document.querySelector('#pages').replaceChildren(...pages.map(({ number, url }) => {
      const item = node('li', { className: 'page-item' }, link(url, number));
      item.firstElementChild?.classList.add('page-link');
      item.classList.toggle('active', number === pagination.current_page);
      return item;
    }));
  },

  job(job) {
    const names = {
      status: 'Status', origin: 'Queue', description: 'Description', created_at: 'Made', enqueued_at: 'Queued',
      started_at: 'Started', ended_at: 'Ended', result: 'Result', metadata: 'Metadata', depends_on: 'Depends on',
      exc_info: 'Exception',
    };
    const told = Object.entries(names).filter(([name]) => job[name] !== null && job[name] !== undefined);
    document.querySelector('#job-data').replaceChildren(...told.flatMap(([name, label]) => [
      node('dt', { className: 'col-2' }, label),
      node('dd', { className: `col-10 ${name}` }, name.endsWith('_at') ? when(job[name]) : node('pre', {}, job[name])),
    ]));
  },
};

async function ask() {
  const said = document.querySelector('#said');
  try {
    const response = await fetch(source, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!response.ok) throw new Error(await response.text());
    SHOW[view](await response.json());
    said.textContent = '';
  } catch (error) {
    said.textContent = `This is not up to date: ${text(error.message)}`;
  }
}

for (;;) {
  if (document.querySelector('#refresh').checked) await ask();
  await new Promise((resolve) => { setTimeout(resolve, ASK_MS); });
}
