/** What was made here: kept by this browser, newest first, with the pictures' bytes where they are small. */

import { blob, pictureAddress } from '../shared/api.js';
import { forget, keep, records } from '../shared/database.js';
import { Signal } from '../shared/signal.js';

const PAGE = 'studio';
const MOST = 600;
const LARGEST_KEPT_BYTES = 400_000;
const THUMBNAIL_SIDE = 256;

/**
 * Entries of the history. Those of kind `job` have `request`, `status` and `images`; those of kind `sheet` have `axes`
 * and `cells`, which name jobs, whose entries have `sheet`.
 */
export const entries = new Signal([]);

const addresses = new Map();

/** Reads what earlier visits have kept. */
export async function readEntries() {
  const kept = await records(PAGE);
  const present = new Set(entries.value.map((entry) => entry.id));
  const all = [...entries.value, ...kept.filter((entry) => !present.has(entry.id))];
  all.sort((one, other) => other.createdAt - one.createdAt);
  for (const { id } of all.slice(MOST)) forget(id);
  entries.value = all.slice(0, MOST);
}

/** The entry of this id. */
export const entryOf = (id) => entries.value.find((entry) => entry.id === id) ?? null;

/** Adds an entry. */
export function add(entry) {
  const whole = { page: PAGE, createdAt: Date.now(), ...entry };
  entries.value = [whole, ...entries.value.filter((other) => other.id !== whole.id)];
  keep(stored(whole));
  return whole;
}

/** Changes an entry, and keeps it unless only what passes has changed. */
export function change(id, changes, kept = true) {
  const entry = entryOf(id);
  if (entry === null) return;
  const changed = { ...entry, ...changes };
  entries.value = entries.value.map((other) => (other.id === id ? changed : other));
  if (kept) keep(stored(changed));
}

/** Removes an entry, and those of a sheet's cells. */
export function remove(id) {
  const gone = entries.value.filter((entry) => entry.id === id || entry.sheet === id);
  for (const entry of gone) {
    forget(entry.id);
    for (const image of entry.images ?? []) release(image.id);
  }
  entries.value = entries.value.filter((entry) => !gone.includes(entry));
}

/** Entries that stand for themselves and have these words in their prompts, model, scheduler or seed. */
export function found(all, words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter((entry) => !entry.sheet && wanted.every((word) => said(entry).includes(word)));
}

function said({ request }) {
  const { prompt, negative_prompt: negative, model, scheduler, seed } = request;
  return [prompt, negative, model, scheduler, seed].join(' ').toLowerCase();
}

/** An image of a job with its bytes, or with a smaller picture of it where it is large. */
export async function withPicture(image) {
  const content = await blob(pictureAddress(image));
  if (content.size <= LARGEST_KEPT_BYTES) return { ...image, picture: content, exact: true };
  return { ...image, picture: await thumbnail(content), exact: false };
}

async function thumbnail(content) {
  const bitmap = await createImageBitmap(content);
  const scale = Math.min(1, THUMBNAIL_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/webp', 0.85));
}

/** An address of what is kept of an image. */
export function addressOf(image) {
  if (!image.picture) return pictureAddress(image);
  if (!addresses.has(image.id)) addresses.set(image.id, URL.createObjectURL(image.picture));
  return addresses.get(image.id);
}

function release(imageId) {
  URL.revokeObjectURL(addresses.get(imageId));
  addresses.delete(imageId);
}

function stored({ progress, preview, queuePosition, ...entry }) {
  return entry;
}
