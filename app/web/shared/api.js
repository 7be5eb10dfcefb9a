/** Calls to the API: its address, the key, and its errors in its own words. */

import { ask, key } from './key.js';

/** Where the API is. This file is served at `web/shared/api.js` below it, also behind a proxy. */
export const BASE = new URL('../../', import.meta.url);

/** The address of a path, such as `v1/jobs`. @param {string} path */
export const address = (path) => new URL(path.replace(/^\//, ''), BASE);

/** What the API refused, as it said it. */
export class ApiError extends Error {
  /** @param {number} status @param {{code: string, message: string, field: string | null, request_id: string}} error */
  constructor(status, { code, message, field = null, request_id: requestId = '' }, retryAfter = null) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.field = field;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }
}

/** Nobody answered. */
export class Unreachable extends Error {
  constructor() {
    super('Safelight does not answer. Is it running, and are you connected?');
    this.name = 'Unreachable';
    this.code = 'unreachable';
    this.field = null;
  }
}

/**
 * The answer to a call; a key is asked for where the API wants one.
 * @param {string} path such as `v1/generations`, or an address of this API
 * @param {{method?: string, body?: object, form?: FormData, headers?: Record<string, string>, signal?: AbortSignal}} [options]
 * @returns {Promise<Response>}
 * @throws {ApiError | Unreachable | DOMException}
 */
export async function call(path, options = {}) {
  for (;;) {
    const used = key.value;
    const response = await send(path, options, used);
    if (response.ok) return response;
    const error = await errorOf(response);
    if (error.status !== 401) throw error;
    if (key.value === used && !(await ask(error.message))) throw error;
  }
}

/** The JSON that answers a call. @returns {Promise<any>} */
export async function json(path, options) {
  const response = await call(path, options);
  return response.status === 204 ? null : response.json();
}

/** The bytes that answer a call. @returns {Promise<Blob>} */
export async function blob(path, options) {
  return (await call(path, options)).blob();
}

/** Sends a picture or weights; requests name it by the `id` in the answer. @param {Blob} file */
export function upload(file, name = 'file') {
  const form = new FormData();
  form.append('file', file, name);
  return json('v1/files', { method: 'POST', form });
}

/**
 * The address that opens a picture in an `<img>`: its own, below where this page found the API.
 * @param {{id: string, url: string}} image an image of a job, or anything of that shape
 */
export function pictureAddress({ url }) {
  const { pathname, search } = new URL(url, BASE);
  return address(pathname.slice(pathname.indexOf('v1/')) + search).href;
}

async function send(path, { method = 'GET', body, form, headers = {}, signal }, used) {
  const sent = { ...headers };
  if (used !== null) sent.Authorization = `Bearer ${used}`;
  if (body !== undefined) sent['Content-Type'] = 'application/json';
  try {
    return await fetch(address(path), {
      method,
      headers: sent,
      body: body === undefined ? form : JSON.stringify(body),
      signal,
      credentials: 'omit',
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Unreachable();
  }
}

async function errorOf(response) {
  const retryAfter = Number(response.headers.get('retry-after')) || null;
  try {
    return new ApiError(response.status, (await response.json()).error, retryAfter);
  } catch {
    const message = `The answer was ${response.status} ${response.statusText}.`;
    return new ApiError(response.status, { code: 'unexpected_answer', message }, retryAfter);
  }
}
