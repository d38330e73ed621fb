/** Starts workers from modules, also for a page of another site, whose workers have to come from that site. */

/**
 * @param {URL} url of the worker's module
 * @param {string} name what the worker finds in `self.name`
 * @returns {Worker}
 */
export function moduleWorker(url, name) {
  if (url.origin === location.origin) return new Worker(url, { type: 'module', name });
  const script = new Blob([`import ${JSON.stringify(url.href)};`], { type: 'text/javascript' });
  const address = URL.createObjectURL(script);
  const worker = new Worker(address, { type: 'module', name });
  worker.addEventListener('message', () => URL.revokeObjectURL(address), { once: true });
  return worker;
}
