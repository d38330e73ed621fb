/**
 * Keeps the user's own photos in this browser, as far as it stores anything. The server lists nobody's photos, and forgets
 * each one a day after its last use; then it is sent there again.
 */

/** The localStorage key of the list, the newest first. */
const LIST = 'mvstylizer.styles';
/** The database of the photos themselves, and the store in it, by the photos' ids. */
const [DATABASE, STORE] = ['mvstylizer', 'photos'];
const MAX_PHOTOS = 12;
/** A photo that was shrunk for its upload has a tenth of this. Others are sent as they are, and kept if they are small. */
const MAX_BYTES = 4 << 20;

/** @typedef {import('./gallery.js').Style} Style */

/** @returns {Style[]} the photos added in this browser, the newest first */
export function listedPhotos() {
  try {
    const own = JSON.parse(localStorage.getItem(LIST) ?? '[]');
    return own.filter(isStyle).slice(0, MAX_PHOTOS);
  } catch {
    return []; // this browser stores nothing, or holds something else under this key
  }
}

/**
 * Keep a photo that the server has taken, and forget those beyond the limit.
 * @param {Style} style
 * @param {Blob} photo as it was sent
 */
export async function keepPhoto(style, photo) {
  list([style, ...listedPhotos().filter(({ id }) => id !== style.id)].slice(0, MAX_PHOTOS));
  const kept = new Set(listedPhotos().map(({ id }) => id));
  await inStore('readwrite', (store) => {
    if (photo.size <= MAX_BYTES) store.put(photo, style.id);
    const keys = store.getAllKeys();
    keys.addEventListener('success', () => {
      for (const key of keys.result) if (!kept.has(String(key))) store.delete(key);
    });
    return keys;
  });
}

/**
 * @param {string} id of a photo
 * @returns {Promise<Blob|null>} the photo as it was sent; null if it is not kept here
 */
export async function keptPhoto(id) {
  const found = await inStore('readonly', (store) => store.get(id));
  return found instanceof Blob ? found : null;
}

/**
 * Forget a photo.
 * @param {string} id
 */
export async function forgetPhoto(id) {
  list(listedPhotos().filter((style) => style.id !== id));
  await inStore('readwrite', (store) => store.delete(id));
}

/** @param {Style[]} styles */
function list(styles) {
  try {
    localStorage.setItem(LIST, JSON.stringify(styles));
  } catch {
    // This browser stores nothing: the photos stay in the strip until the user leaves the page.
  }
}

/**
 * @param {any} value
 * @returns {value is Style}
 */
function isStyle(value) {
  return ['id', 'name', 'thumbnail'].every((field) => typeof value?.[field] === 'string');
}

/**
 * Do something in the database.
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest} action
 * @returns {Promise<unknown>} the request's result; null if this browser stores nothing, or has no room
 */
async function inStore(mode, action) {
  try {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    const database = await done(opening);
    try {
      const transaction = database.transaction(STORE, mode);
      const result = await done(action(transaction.objectStore(STORE)));
      if (mode === 'readwrite') await completed(transaction);
      return result;
    } finally {
      database.close();
    }
  } catch {
    return null;
  }
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function done(request) {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error));
  });
}

/**
 * @param {IDBTransaction} transaction
 * @returns {Promise<void>}
 */
function completed(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}
