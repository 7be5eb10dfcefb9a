/** Records that this browser keeps across reloads; without storage they are kept as long as the page is open. */

const NAME = 'safelight';
const STORE = 'records';

let opening;

function open() {
  opening ??= new Promise((resolve) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id' });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(null);
  }).catch(() => null);
  return opening;
}

async function within(mode, act) {
  const database = await open();
  if (database === null) return undefined;
  return new Promise((resolve) => {
    const transaction = database.transaction(STORE, mode);
    const request = act(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onerror = transaction.onabort = () => resolve(undefined);
  });
}

/** Every record whose `page` is this one. @param {string} page @returns {Promise<any[]>} */
export async function records(page) {
  return ((await within('readonly', (store) => store.getAll())) ?? []).filter((record) => record.page === page);
}

/** Keeps a record, in the place of one of the same id. @param {{id: string, page: string}} record */
export const keep = (record) => within('readwrite', (store) => store.put(record));

/** Removes a record. @param {string} id */
export const forget = (id) => within('readwrite', (store) => store.delete(id));
