/** Everything that was made here, newest first, and a search in it. */

import { useSignal } from '../shared/signal.js';
import { html, useState } from '../shared/view.js';
import { entries, found } from './entries.js';
import { JobTiles } from './tile.js';
import { SheetTile } from './sheet_view.js';

const SHOWN_AT_FIRST = 60;
const IDEAS = ['a red apple', 'a fox on a green background', 'a rocket on a blue background', 'a snowman', 'a cat to the left of a pizza'];

/** @param {{read: boolean, open: Function, openSheet: Function, reuse: Function, begin: (prompt: string) => void}} props */
export function Results({ read, open, openSheet, reuse, begin }) {
  const all = useSignal(entries);
  const [words, setWords] = useState('');
  const [shown, setShown] = useState(SHOWN_AT_FIRST);
  const matching = found(all, words);
  if (all.length === 0 && !read) return html`<section class="results" aria-label="Pictures" aria-busy="true"></section>`;
  if (all.length === 0) return html`<${Nothing} begin=${begin} />`;
  return html`
    <section class="results" aria-label="Pictures">
      <div class="results-head">
        <h2>Pictures</h2>
        <input
          type="search"
          aria-label="Search in prompts, models, schedulers and seeds"
          placeholder="Search …"
          value=${words}
          onInput=${(event) => setWords(event.target.value)}
        />
      </div>
      <p class="unseen" role="status">${words && `${matching.length} found`}</p>
      ${matching.length === 0 && html`<p class="muted">Nothing here has “${words}” in it.</p>`}
      <ul class="grid">
        ${matching.slice(0, shown).map((entry) =>
          entry.kind === 'sheet'
            ? html`<${SheetTile} key=${entry.id} sheet=${entry} open=${openSheet} />`
            : html`<${JobTiles} key=${entry.id} ...${{ entry, open, reuse }} />`,
        )}
      </ul>
      ${matching.length > shown && html`<button class="more" onClick=${() => setShown(shown + SHOWN_AT_FIRST)}>Older ones</button>`}
    </section>
  `;
}

function Nothing({ begin }) {
  return html`
    <section class="nothing" aria-label="Pictures">
      <div class="tray" aria-hidden="true"><div></div></div>
      <h2>Nothing in the tray yet</h2>
      <p class="muted">Say what you want to see. It develops here, step by step, on this machine.</p>
      <ul class="ideas" aria-label="To begin with">
        ${IDEAS.map((idea) => html`<li key=${idea}><button onClick=${() => begin(idea)}>${idea}</button></li>`)}
      </ul>
      <p class="small-print">
        Drop a picture to begin with it, or one that was made here to get its settings back.
      </p>
    </section>
  `;
}
