/** Jobs from here: sent once whatever the connection does, followed to their ends, and cancelled. */

import { ApiError, json } from '../shared/api.js';
import { follow } from '../shared/events.js';
import { sendOnce } from '../shared/once.js';
import { add, change, entries, entryOf, withPicture } from './entries.js';

/** Browsers open about six connections to a place, and other calls want some of them. */
const MOST_STREAMS = 3;

/** Whether nothing follows in the entry's job. */
export const hasEnded = ({ status }) => ['succeeded', 'failed', 'cancelled', 'lost'].includes(status);

/**
 * Sends a request, and follows its job from then on.
 * @param {object} request
 * @param {object} [more] what else the entry says
 * @returns {Promise<object>} the entry
 * @throws {ApiError | Unreachable}
 */
export async function make(request, more = {}) {
  const job = await sendOnce('v1/generations', request);
  const entry = add({ kind: 'job', ...shown(job), images: [], ...more });
  keepFollowing(entry.id);
  return entry;
}

/** Follows the jobs that had not ended when the page was left. */
export function resume() {
  for (const entry of entries.value) if (entry.kind === 'job' && !hasEnded(entry)) keepFollowing(entry.id);
}

/** Ends a job. Its last event says so, unless it ended by itself first. */
export async function cancel(id) {
  change(id, { cancelling: true }, false);
  try {
    await json(`v1/jobs/${id}/cancel`, { method: 'POST' });
  } catch (error) {
    change(id, { cancelling: false, error }, false);
  }
}

function shown(job) {
  const { id, request, status, warnings, error, progress, queue_position: queuePosition } = job;
  return { id, request, status, warnings, error, progress, queuePosition };
}

let streams = 0;
const waiting = [];

async function keepFollowing(id) {
  if (streams === MOST_STREAMS) await new Promise((resolve) => waiting.push(resolve));
  else streams += 1;
  try {
    for await (const event of follow(`v1/jobs/${id}/events?previews=true`)) await take(id, event);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) change(id, { status: 'lost', error: { message: error.message } });
    else change(id, { error: { message: error.message } }, false);
  } finally {
    if (waiting.length) waiting.shift()();
    else streams -= 1;
  }
}

async function take(id, { name, data }) {
  if (name === 'queued') change(id, { status: 'queued' }, false);
  if (name === 'started') change(id, { status: 'running', queuePosition: null }, false);
  if (name === 'progress') change(id, { progress: data }, false);
  if (name === 'preview') change(id, { preview: `data:${data.media_type};base64,${data.data}` }, false);
  if (name === 'image') await takeImage(id, data);
  if (['succeeded', 'failed', 'cancelled'].includes(name)) {
    for (const image of data.images) await takeImage(id, image);
    change(id, { ...shown(data), preview: null, cancelling: false });
  }
}

async function takeImage(id, image) {
  const entry = entryOf(id);
  if (entry === null || entry.images.some((other) => other.id === image.id)) return;
  const picture = await withPicture(image).catch(() => image);
  const { images } = entryOf(id) ?? { images: [] };
  change(id, { images: [...images, picture].sort((one, other) => one.index - other.index), preview: null });
}

/** Reads a waiting job again, so that what is said of its waiting is true. */
export async function refresh(id) {
  const job = await json(`v1/jobs/${id}`);
  const entry = entryOf(id);
  if (entry !== null && !hasEnded(entry)) {
    change(id, { progress: job.progress, queuePosition: job.queue_position }, false);
  }
}
