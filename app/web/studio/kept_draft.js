/** A draft across reloads, without its picture. */

import { EMPTY } from './draft.js';

const NAME = 'safelight.draft';

/** The draft that was kept, or an empty one. */
export function readDraft() {
  try {
    return { ...EMPTY, ...JSON.parse(localStorage.getItem(NAME)), source: null };
  } catch {
    return EMPTY;
  }
}

/** Keeps a draft. */
export function keepDraft({ source, ...draft }) {
  try {
    localStorage.setItem(NAME, JSON.stringify(draft));
  } catch {
    // Without storage it holds as long as the page does.
  }
}
