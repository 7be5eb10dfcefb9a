/** One fine-tune: how far it is, what its samples show, and what became of it. */

import { blob, pictureAddress } from '../shared/api.js';
import { save } from '../shared/files.js';
import { Problem } from '../shared/problem.js';
import { classes, html, useId } from '../shared/view.js';
import { METHODS } from './draft.js';
import { figure, LossCurve } from './loss_curve.js';
import { lasting } from './recipe.js';
import { cancel, hasEnded, remove } from './runs.js';
import { Samples } from './samples.js';
import { TryIt } from './try_it.js';

/** @param {{run: object}} props */
export function Run({ run }) {
  const id = useId();
  const { request, status, progress, losses, samples, warnings, error, trouble, result } = run;
  const [, method] = METHODS.find(([name]) => name === request.method);
  return html`
    <li class=${classes('run', status)} data-run=${run.id} aria-labelledby=${id} aria-busy=${!hasEnded(run)}>
      <div class="row">
        <h3 id=${id}>${request.trigger ? `“${request.trigger}”, ` : ''}${method}</h3>
        <${Ending} run=${run} />
      </div>
      <p class="small-print" role="status">${stateOf(run)}</p>
      ${!hasEnded(run) && html`<progress max="1" value=${progress.step / progress.total_steps} aria-label="How far it is"></progress>`}
      <div class="learning">
        <${Samples} id=${run.id} samples=${samples} />
        <${LossCurve} losses=${losses} totalSteps=${progress.total_steps} />
      </div>
      ${warnings.map((warning) => html`<p class="small-print" key=${warning}>${warning}</p>`)}
      <${Problem} error=${error ?? trouble ?? null} />
      ${result && html`<${Result} run=${run} />`}
    </li>
  `;
}

function Ending({ run }) {
  if (hasEnded(run)) return html`<button class="quiet" onClick=${() => remove(run.id)}>Remove</button>`;
  return html`<button disabled=${run.cancelling} onClick=${() => cancel(run.id)}>Cancel</button>`;
}

function stateOf({ status, progress, queue_position: place, cancelling, request, loss }) {
  if (cancelling) return 'Ending …';
  if (status === 'queued') return place ? `Waiting, number ${place}` : 'Waiting';
  const steps = `step ${progress.step} of ${progress.total_steps}`;
  const left = progress.eta_seconds === null || status !== 'running' ? '' : `, ${lasting(progress.eta_seconds)} left`;
  const what = { running: 'Learning', succeeded: 'Learnt', failed: 'Failed', cancelled: 'Cancelled' }[status];
  return `${what}: ${steps}${left}${loss ? `, loss ${figure(loss)}` : ''}, seed ${request.seed}`;
}

function Result({ run }) {
  const { result } = run;
  return html`
    ${result.card && html`<${Facts} card=${result.card} />`}
    ${(result.adapter_id || result.model_id) && html`<${TryIt} run=${run} />`}
    <div class="actions">
      ${result.files.map((file) => html`<button type="button" key=${file.name} onClick=${() => download(file)}>Save ${file.name}</button>`)}
      ${result.adapter_id && html`<a class="button" href=${inStudio(run)}>Use it in the studio</a>`}
    </div>
  `;
}

const percent = (share) => `${Math.round(100 * share)} %`;

function Facts({ card }) {
  const { held_out: where, held_out_loss_before: before, held_out_loss_after: after, drift, memorised } = card;
  const on = where === 'pictures' ? 'on pictures held out' : 'on other noise';
  return html`
    <dl class="card">
      ${before !== null && html`<dt>Loss ${on}</dt><dd>${figure(before)} → ${figure(after)}</dd>`}
      ${drift !== null && html`<dt>Change of other prompts</dt><dd>${figure(drift)}</dd>`}
      ${memorised !== null && html`<dt>Samples that are copies</dt><dd>${percent(memorised)}</dd>`}
      <dt>Taught in</dt><dd>${lasting(card.seconds)}</dd>
    </dl>
  `;
}

const download = async (file) => save(await blob(pictureAddress(file)), file.name);

function inStudio({ result, request }) {
  const name = request.trigger ?? 'what it learnt';
  const prompt = request.validation_prompts[0] ?? request.trigger ?? '';
  return `./?${new URLSearchParams({ adapter: result.adapter_id, name, model: request.model, prompt })}`;
}
