/** A draft across reloads, without its picture. */

import { EMPTY } from './draft.js';

const NAME = 'safelight.draft';

/** The draft that was kept, or an empty one; with what the address asks for, once. */
export function readDraft() {
  try {
    return { ...EMPTY, ...JSON.parse(localStorage.getItem(NAME)), source: null, ...asked() };
  } catch {
    return { ...EMPTY, ...asked() };
  }
}

/** What `?adapter=…` asks for, and `name`, `model` and `prompt` beside it. */
function asked() {
  const said = new URLSearchParams(location.search);
  const id = said.get('adapter');
  if (id === null) return {};
  history.replaceState(null, '', location.pathname);
  const adapters = [{ id, name: said.get('name') ?? id, scale: 1 }];
  return { adapters, model: said.get('model'), prompt: said.get('prompt') ?? '', others: {} };
}

/** Keeps a draft. */
export function keepDraft({ source, ...draft }) {
  try {
    localStorage.setItem(NAME, JSON.stringify(draft));
  } catch {
    // Without storage it holds as long as the page does.
  }
}
