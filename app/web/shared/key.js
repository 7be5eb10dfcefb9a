/** The API key: where it is kept, and how a call waits for the person to give one. */

import { Signal } from './signal.js';

const NAME = 'safelight.key';

/** The key in use, or null. */
export const key = new Signal(read());

/** Why a key is wanted, in the words of the API, while it is; else null. */
export const wanted = new Signal(null);

let waiting = [];

function read() {
  try {
    return localStorage.getItem(NAME);
  } catch {
    return null;
  }
}

/** Takes a key into use, or none. Calls that wait for one go on. @param {string | null} text */
export function setKey(text) {
  key.value = text || null;
  try {
    if (key.value === null) localStorage.removeItem(NAME);
    else localStorage.setItem(NAME, key.value);
  } catch {
    // Without storage the key holds as long as the page does.
  }
  settle(key.value !== null);
}

/** Lets calls that wait for a key fail as the API answered them. */
export const dismiss = () => settle(false);

/**
 * Asks for a key. All calls that are refused meanwhile wait for the same one.
 * @param {string} why
 * @returns {Promise<boolean>} whether there is one now
 */
export function ask(why) {
  wanted.value = why;
  return new Promise((resolve) => waiting.push(resolve));
}

function settle(given) {
  wanted.value = null;
  const resolvers = waiting;
  waiting = [];
  for (const resolve of resolvers) resolve(given);
}
