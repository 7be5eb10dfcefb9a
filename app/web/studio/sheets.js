/** Sheets of pictures: one job a cell, behind whatever else is asked for, and all of them as one picture. */

import { PARAMETERS, requestsOf } from './axes.js';
import { add, addressOf, change, entries, entryOf } from './entries.js';
import { cancel, hasEnded, make } from './jobs.js';

const GAP = 8;
const MARGIN = 24;

/** Sends the jobs of a sheet; all have one seed unless an axis says otherwise. @throws {Error} where the axes say nonsense */
export async function makeSheet(request, axes) {
  const whole = { ...request, num_images: 1, seed: request.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] };
  const requests = requestsOf(whole, axes);
  const id = `sheet_${Date.now().toString(36)}`;
  add({ id, kind: 'sheet', request: whole, axes, cells: requests.map((row) => row.map(() => null)), images: [] });
  for (const [at, row] of requests.entries()) {
    for (const [across, one] of row.entries()) {
      const sheet = entryOf(id);
      if (sheet === null || sheet.cancelled) return;
      put(id, at, across, await cellOf(one, id));
    }
  }
}

async function cellOf(request, sheet) {
  try {
    return { job: (await make({ ...request, priority: 'low' }, { sheet })).id };
  } catch (error) {
    return { error: error.message };
  }
}

function put(id, at, across, cell) {
  const cells = entryOf(id)?.cells.map((row) => [...row]);
  if (cells) cells[at][across] = cell;
  change(id, { cells });
}

/** The jobs of a sheet's cells, as far as they were sent. */
export const jobsOf = ({ cells }) => cells.flat().map((cell) => cell?.job && entryOf(cell.job)).filter(Boolean);

/** How many cells there are, how many have ended, and whether all have. */
export function stateOf(sheet) {
  const all = sheet.cells.flat();
  const done = all.filter((cell) => cell?.error || (cell?.job && hasEnded(entryOf(cell.job) ?? { status: 'lost' })));
  return { all: all.length, done: done.length, ended: sheet.cancelled || done.length === all.length };
}

/** Sends no more jobs, and ends those that were sent. */
export function cancelSheet(sheet) {
  change(sheet.id, { cancelled: true });
  for (const job of jobsOf(sheet)) if (!hasEnded(job)) cancel(job.id);
}

/** The words above a column or before a row. */
export const labelOf = (axis, value) => (axis.parameter === 'prompt' ? value : `${PARAMETERS[axis.parameter].label} ${value}`);

/** The sheet as one picture, with its labels. @returns {Promise<Blob>} */
export async function pictureOf(sheet) {
  const { x, y } = sheet.axes;
  const pictures = await Promise.all(sheet.cells.map((row) => Promise.all(row.map(loaded))));
  const sides = pictures.flat().filter(Boolean);
  const width = Math.max(64, ...sides.map((picture) => picture.naturalWidth));
  const height = Math.max(64, ...sides.map((picture) => picture.naturalHeight));
  const left = y === null ? MARGIN : MARGIN + 120;
  const canvas = document.createElement('canvas');
  canvas.width = left + x.values.length * (width + GAP) + MARGIN - GAP;
  canvas.height = 2 * MARGIN + pictures.length * (height + GAP) + MARGIN - GAP;
  const pen = canvas.getContext('2d');
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = '#222';
  pen.font = '13px system-ui, sans-serif';
  x.values.forEach((value, across) => pen.fillText(labelOf(x, value), left + across * (width + GAP), MARGIN + 10, width));
  pictures.forEach((row, at) => {
    const top = 2 * MARGIN + at * (height + GAP);
    if (y !== null) pen.fillText(labelOf(y, y.values[at]), MARGIN, top + height / 2, 110);
    row.forEach((picture, across) => picture && pen.drawImage(picture, left + across * (width + GAP), top));
  });
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}

async function loaded(cell) {
  const image = cell?.job && entryOf(cell.job)?.images[0];
  if (!image) return null;
  const picture = new Image();
  picture.src = addressOf(image);
  await picture.decode();
  return picture;
}

/** Ends the sheets whose sending a closed page has left undone. */
export function stopUnfinished() {
  for (const entry of entries.value) {
    if (entry.kind === 'sheet' && entry.cells.flat().includes(null)) change(entry.id, { cancelled: true });
  }
}
