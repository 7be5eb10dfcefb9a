/** A run as the page has it: the job, its trace and the trace's files; and how another is made that differs in one thing. */

import { call, json, pictureAddress } from '../shared/api.js';
import { follow } from '../shared/events.js';

const WAITING = { Prefer: 'wait=30' };

/** What the runs of a model can record. `models` are those of the API. */
export function kindsOf(models, id) {
  const kinds = models.find((model) => model.id === id)?.trace_kinds ?? [];
  if (kinds.length === 0) throw new Error(`Runs of ${id} cannot be looked into.`);
  return kinds;
}

/** Posts a request and waits for its run, with all that its model can record; rejects with the API's own error. */
export async function makeRun(request, kinds) {
  const body = { ...request, trace: Object.fromEntries(kinds.map((kind) => [kind, true])) };
  return loadRun(await ended(await json('v1/generations', { method: 'POST', body, headers: WAITING })));
}

/** The run of a job that is there. One that was made without a trace is made again with it: that is the same picture. */
export async function openRun(jobId, models) {
  const job = await ended(await json(pathOf(jobId)));
  if (job.trace) return loadRun(job);
  return makeRun(changed({ job }, { num_images: 1 }), kindsOf(models, job.request.model));
}

const pathOf = (jobId) => `v1/jobs/${encodeURIComponent(jobId)}`;

async function ended(job) {
  const isOpen = (status) => status === 'queued' || status === 'running';
  if (isOpen(job.status)) for await (const event of follow(`v1/jobs/${job.id}/events`)) void event;
  if (isOpen(job.status)) job = await json(pathOf(job.id));
  if (job.status !== 'succeeded') throw new Error(job.error?.message ?? `The run was ${job.status}.`);
  return job;
}

async function loadRun(job) {
  const [picture] = job.images;
  const files = Object.entries(job.trace.files).filter(([name]) => name !== 'trace');
  const [trace, ...contents] = await Promise.all([
    json(pictureAddress(job.trace)),
    ...files.map(([, file]) => content(file)),
  ]);
  const named = Object.fromEntries(files.map(([name], index) => [name, contents[index]]));
  return { job, trace, picture, address: pictureAddress(picture), ...named };
}

async function content(file) {
  const response = await call(pictureAddress(file));
  return file.media_type.startsWith('image/')
    ? createImageBitmap(await response.blob())
    : new Uint8Array(await response.arrayBuffer());
}

/** The request of a run with one thing changed; its interventions stay, and those of the change come after them. */
export function changed(run, change) {
  const { metadata, ...request } = run.job.request;
  const said = { ...withoutNulls(request), ...change };
  delete said.guidance_scale;
  if (change.intervene) said.intervene = [...(request.intervene ?? []), ...change.intervene];
  return said;
}

/** What goes on from a step of a run: what it leaves open is the run's. */
export const branched = (run, step, change) => ({ ...change, branch_from: { job: run.job.id, step } });

const withoutNulls = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));

/** Whether two runs made the same file, to the byte. */
export const isSame = (one, other) => one.picture.sha256 === other.picture.sha256;
