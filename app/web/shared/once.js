/** Requests that make something once, whatever the connection does. */

import { json, Unreachable } from './api.js';

const TRIES = 4;
const PAUSE_MILLISECONDS = 700;

/**
 * The answer to a request that is sent again, under the same name, where nobody answered.
 * @param {string} path
 * @param {object} body
 * @throws {ApiError | Unreachable}
 */
export async function sendOnce(path, body) {
  const headers = { 'Idempotency-Key': name() };
  for (let tried = 1; ; tried++) {
    try {
      return await json(path, { method: 'POST', body, headers });
    } catch (error) {
      if (!(error instanceof Unreachable) || tried === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, tried * PAUSE_MILLISECONDS));
    }
  }
}

function name() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
