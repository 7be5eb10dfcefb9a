/** Data sets of the service: which there are, which one is open, and every change of it. */

import { json } from '../shared/api.js';
import { Signal } from '../shared/signal.js';

/** All of them, newest first, without their pictures; null until they are known. */
export const listed = new Signal(null);

/** The one that is open, with its pictures; null for one that is still to be made. */
export const dataset = new Signal(null);

/** What was wrong with single files of the last call. */
export const problems = new Signal([]);

const MOST_LISTED = 100;

/** Reads which there are, and opens the newest where none is open. */
export async function readDatasets() {
  listed.value = (await json(`v1/datasets?limit=${MOST_LISTED}`)).data;
  if (dataset.value === null && listed.value.length > 0) await open(listed.value[0].id);
}

/** Opens one; '' begins another. @param {string} id */
export async function open(id) {
  problems.value = [];
  dataset.value = id === '' ? null : await json(`v1/datasets/${id}`);
}

/** Sends files: pictures, captions, or one archive. They make a data set where none is open. @param {File[]} files */
export async function send(files) {
  const form = new FormData();
  const isArchive = files.length === 1 && files[0].name.toLowerCase().endsWith('.zip');
  for (const file of files) form.append(isArchive ? 'archive' : 'files', file, file.name);
  const path = dataset.value === null ? 'v1/datasets' : `v1/datasets/${dataset.value.id}/pictures`;
  if (dataset.value === null) form.append('name', nameOf(files));
  const { problems: found, ...sent } = await json(path, { method: 'POST', form });
  // That there is no caption yet is to be seen where captions are written.
  problems.value = found.filter(({ code }) => code !== 'no_caption');
  take(sent);
}

/** Gives a picture another caption. */
export const caption = async (index, text) =>
  take(await json(`${pathOf(index)}`, { method: 'PATCH', body: { caption: text } }));

/** Takes a picture out. */
export const takeOut = async (index) => take(await json(pathOf(index), { method: 'DELETE' }));

/** Removes the open data set. */
export async function remove() {
  await json(`v1/datasets/${dataset.value.id}`, { method: 'DELETE' });
  dataset.value = null;
  listed.value = null;
  await readDatasets();
}

const pathOf = (index) => `v1/datasets/${dataset.value.id}/pictures/${index}`;

function take(changed) {
  const { pictures, ...said } = changed;
  const others = (listed.value ?? []).filter(({ id }) => id !== said.id);
  listed.value = [said, ...others].sort((one, other) => other.created_at.localeCompare(one.created_at));
  if (dataset.value === null || dataset.value.id === said.id) dataset.value = changed;
}

/** What a new data set is called: by its archive, or by its first file. */
const nameOf = ([first]) => first.name.replace(/\.[^.]*$/, '').slice(0, 200);
