/** A job's events, across lost connections: each once, in order, up to the last. */

import { ApiError, call, Unreachable } from './api.js';
import { Signal } from './signal.js';

/** Names of events after which none follows. */
export const LAST = new Set(['succeeded', 'failed', 'cancelled']);

/** Whether every stream of this page is connected. */
export const connected = new Signal(true);

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8000;

const lost = new Set();

/**
 * Follows a job. Where the connection ends before the job does, it is made again after the last event that came.
 * @param {string} path where its events are
 * @param {{after?: string, signal?: AbortSignal}} [options]
 * @returns {AsyncGenerator<{name: string, data: any, id: string}>}
 * @throws {ApiError | DOMException} where the job is gone, or the signal says so
 */
export async function* follow(path, { after = '0-0', signal } = {}) {
  const me = {};
  let pause = FIRST_PAUSE;
  try {
    for (;;) {
      try {
        for await (const event of connection(path, after, signal, () => say(me, false))) {
          after = event.id;
          pause = FIRST_PAUSE;
          yield event;
          if (LAST.has(event.name)) return;
        }
      } catch (error) {
        if (!passes(error)) throw error;
      }
      say(me, true);
      await rest(pause, signal);
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    }
  } finally {
    say(me, false);
  }
}

function say(stream, isLost) {
  if (isLost) lost.add(stream);
  else lost.delete(stream);
  connected.value = lost.size === 0;
}

function passes(error) {
  if (error instanceof ApiError) return error.status === 429 || error.status >= 500;
  return error instanceof Unreachable || error instanceof TypeError;
}

async function* connection(path, after, signal, opened) {
  const response = await call(path, {
    headers: { Accept: 'text/event-stream', 'Last-Event-ID': after },
    signal,
  });
  opened();
  yield* parsed(response.body.pipeThrough(new TextDecoderStream()).getReader());
}

/** Server-sent events in a text that comes in pieces; one that is cut off is not passed on. */
export async function* parsed(reader) {
  let text = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (text + value).split(/\r?\n\r?\n/);
      text = blocks.pop();
      for (const block of blocks) {
        const event = eventOf(block);
        if (event !== null) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function eventOf(block) {
  const fields = {};
  for (const line of block.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
  }
  return fields.event ? { name: fields.event, data: JSON.parse(fields.data), id: fields.id } : null;
}

/** Waits, until the browser says that it is online again at the latest. */
function rest(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = new AbortController();
    const end = (act) => () => {
      clearTimeout(timer);
      stop.abort();
      act();
    };
    const timer = setTimeout(end(resolve), milliseconds);
    addEventListener('online', end(resolve), { signal: stop.signal });
    const aborted = end(() => reject(signal.reason));
    if (signal?.aborted) aborted();
    else signal?.addEventListener('abort', aborted, { signal: stop.signal });
  });
}
