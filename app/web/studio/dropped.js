/** A picture that was dropped: whether it was made here, and what to do with it. */

import { json } from '../shared/api.js';
import { html, useEffect, useId, useRef } from '../shared/view.js';

const MADE_HERE = new Set(['valid', 'resaved', 'altered']);

/** What the service says of a picture. @param {Blob} file @returns {Promise<{status: string, why: string, receipt: object | null}>} */
export function verified(file) {
  const form = new FormData();
  form.append('file', file, file.name);
  return json('v1/verify', { method: 'POST', form });
}

/**
 * A question, where a picture says how it was made.
 * @param {{file: File, verdict: object, reuse: (request: object) => void, begin: () => void, close: () => void}} props
 */
export function Dropped({ file, verdict, reuse, begin, close }) {
  const label = useId();
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  const { request } = verdict.receipt;
  const then = (act) => () => {
    act();
    close();
  };
  return html`
    <dialog ref=${dialog} class="small" aria-labelledby=${label} onClose=${close}>
      <div class="dialog-body">
        <h2 id=${label}>${MADE_HERE.has(verdict.status) ? 'This was made here' : 'This says how it was made'}</h2>
        <p class="clamp">“${request.prompt}”</p>
        <p class="small-print">${file.name}: ${verdict.why}</p>
        <div class="actions">
          <button class="quiet" onClick=${close}>Cancel</button>
          <button onClick=${then(begin)}>Begin with it</button>
          <button class="primary" onClick=${then(() => reuse(request))}>Use its settings</button>
        </div>
      </div>
    </dialog>
  `;
}
