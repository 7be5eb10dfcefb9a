/** What stays in sight: the drawing, and below it what the model does, or what became of it. */

import { Problem } from '../shared/problem.js';
import { html } from '../shared/view.js';
import { Drawing } from './drawing.js';
import { isSame } from './run.js';

export const Bar = ({ view, here }) =>
  html`<div class="bar">
    <${Drawing} here=${here} picture=${(view.branch ?? view.base)?.address} />
    <p role="status" class="status">${view.isBusy ? 'The model is at work …' : said(view)}</p>
    <${Problem} error=${view.error} />
  </div>`;

function said({ base, branch, changes }) {
  if (!base) return 'No run yet.';
  if (!branch) return 'Done. Walk down through the stations, or change something at any of them.';
  const what = changes.join('; ') || 'nothing changed';
  return isSame(base, branch) ? `Changed run: ${what}. It is the same file, to the last bit.` : `Changed run: ${what}.`;
}
