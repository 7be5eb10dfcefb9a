/** Fine-tunes of the service: which there are, and what happens to those that have not ended. */

import { json } from '../shared/api.js';
import { follow } from '../shared/events.js';
import { sendOnce } from '../shared/once.js';
import { Signal } from '../shared/signal.js';

const MOST_LISTED = 20;

/** The newest, as the API shows them, each with `losses`: step and loss, as far as they were seen. Null until known. */
export const runs = new Signal(null);

const followed = new Set();

/** Whether nothing follows. */
export const hasEnded = ({ status }) => ['succeeded', 'failed', 'cancelled'].includes(status);

/** Reads them, and follows those that have not ended. */
export async function readRuns() {
  const { data } = await json(`v1/fine-tunes?limit=${MOST_LISTED}`);
  runs.value = data.map((run) => ({ ...run, losses: lossesOf(run) }));
  for (const run of data) if (!hasEnded(run)) keepFollowing(run.id);
}

/** Begins one. @param {object} request @throws {ApiError | Unreachable} */
export async function teach(request) {
  const run = await sendOnce('v1/fine-tunes', request);
  runs.value = [{ ...run, losses: [] }, ...(runs.value ?? []).filter(({ id }) => id !== run.id)];
  keepFollowing(run.id);
  return run;
}

/** Ends one. Its last event says so. */
export async function cancel(id) {
  change(id, { cancelling: true });
  try {
    await json(`v1/fine-tunes/${id}/cancel`, { method: 'POST' });
  } catch (error) {
    change(id, { cancelling: false, trouble: error });
  }
}

/** Removes one that has ended, and what it has learnt. */
export async function remove(id) {
  try {
    await json(`v1/fine-tunes/${id}`, { method: 'DELETE' });
    runs.value = runs.value.filter((run) => run.id !== id);
  } catch (error) {
    change(id, { trouble: error });
  }
}

const lossesOf = ({ result }) => result?.card?.losses ?? [];

function change(id, changes) {
  runs.value = runs.value.map((run) => (run.id === id ? { ...run, ...changes } : run));
}

async function keepFollowing(id) {
  if (followed.has(id)) return;
  followed.add(id);
  try {
    for await (const event of follow(`v1/fine-tunes/${id}/events`)) take(id, event);
  } catch (error) {
    change(id, { trouble: error });
  } finally {
    followed.delete(id);
  }
}

function take(id, { name, data }) {
  const run = runs.value.find((one) => one.id === id);
  if (!run) return;
  if (name === 'started') change(id, { status: 'running' });
  if (name === 'queued') change(id, { status: 'queued' });
  if (name === 'progress') {
    // A run that was interrupted goes on from an earlier step.
    const losses = [...run.losses.filter(([step]) => step < data.step), [data.step, data.loss]];
    change(id, { status: 'running', progress: data, loss: data.loss, losses });
  }
  if (name === 'sample') change(id, { samples: [...run.samples.filter(({ step }) => step !== data.step), data] });
  if (['succeeded', 'failed', 'cancelled'].includes(name)) {
    const losses = run.losses.length > 1 ? run.losses : lossesOf(data);
    change(id, { ...data, losses, cancelling: false });
  }
}
