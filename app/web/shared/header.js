/** What stands above every page: where one is, whether the connection holds, and the API key. */

import { connected } from './events.js';
import { dismiss, key, setKey, wanted } from './key.js';
import { useSignal } from './signal.js';
import { html, useEffect, useId, useRef, useState } from './view.js';

const PAGES = [
  ['studio', './', 'Studio'],
  ['teach', 'teach', 'Teach'],
  ['inside', 'inside', 'Inside'],
  ['docs', 'docs', 'API'],
];

/** The header. @param {{page: 'studio' | 'teach' | 'inside'}} props */
export function Header({ page }) {
  const [asked, setAsked] = useState(false);
  const why = useSignal(wanted);
  const held = useSignal(key);
  return html`
    <header class="header">
      <a class="wordmark" href="./"><span class="lamp" aria-hidden="true"></span>Safelight</a>
      <nav aria-label="Pages">
        ${PAGES.map(
          ([name, href, label]) =>
            html`<a href=${href} aria-current=${name === page ? 'page' : undefined} key=${name}>${label}</a>`,
        )}
      </nav>
      <button class="quiet key-button" onClick=${() => setAsked(true)}>
        <${KeyIcon} /><span>${held === null ? 'API key' : 'API key set'}</span>
      </button>
    </header>
    <${Connection} />
    ${(asked || why !== null) && html`<${KeyDialog} why=${why} close=${() => setAsked(false)} />`}
  `;
}

function Connection() {
  const whole = useSignal(connected);
  return html`<div class="connection" role="status">
    ${!whole && html`<p>The connection is lost. Nothing else is: it will go on where it was.</p>`}
  </div>`;
}

const KeyIcon = () => html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
  <circle cx="5" cy="11" r="3" /><path d="M7.2 8.8 13.5 2.5M11 5l2 2M9 7l1.5 1.5" />
</svg>`;

function KeyDialog({ why, close }) {
  const id = useId();
  const dialog = useRef(null);
  const [text, setText] = useState('');
  useEffect(() => dialog.current.showModal(), []);
  const end = (act) => (event) => {
    event.preventDefault();
    act();
    close();
  };
  return html`
    <dialog ref=${dialog} class="small" aria-labelledby=${id} onClose=${end(dismiss)}>
      <form onSubmit=${end(() => setKey(text.trim()))}>
        <h2 id=${id}>API key</h2>
        <p class=${why === null ? 'muted' : 'problem'} role=${why === null ? undefined : 'alert'}>
          ${why ?? 'Where a service has keys, every call needs one. It is kept in this browser only.'}
        </p>
        <label class="field">
          <span>Key</span>
          <input
            type="password"
            autocomplete="off"
            spellcheck="false"
            placeholder=${key.value === null ? 'sl_…' : 'another key'}
            value=${text}
            onInput=${(event) => setText(event.target.value)}
          />
        </label>
        <div class="actions">
          ${key.value !== null &&
          html`<button type="button" class="quiet" onClick=${end(() => setKey(null))}>Forget the key</button>`}
          <button type="button" class="quiet" onClick=${end(dismiss)}>Cancel</button>
          <button class="primary" disabled=${text.trim() === ''}>Use this key</button>
        </div>
      </form>
    </dialog>
  `;
}
