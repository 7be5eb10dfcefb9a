/** What went wrong, in the words of the API. */

import { html } from './view.js';

/**
 * An error to read.
 * @param {{error: {message: string, code?: string, field?: string | null} | null, retry?: () => void}} props
 */
export function Problem({ error, retry }) {
  if (!error) return null;
  return html`
    <div class="problem" role="alert">
      <p>${error.message}</p>
      ${(error.code || error.field) &&
      html`<p class="small-print">
        ${error.code && html`<code>${error.code}</code>`}${error.field && html` in <code>${error.field}</code>`}
      </p>`}
      ${retry && html`<button class="quiet" onClick=${retry}>Try again</button>`}
    </div>
  `;
}
