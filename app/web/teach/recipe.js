/** How it is taught: the method, the word, and what it will cost. */

import { json } from '../shared/api.js';
import { NumberField, Select, Slider } from '../shared/controls.js';
import { html, useEffect, useState } from '../shared/view.js';
import { hasRank, isWorded, lacking, METHODS, requestOf, TASKS } from './draft.js';

const QUIET_MILLISECONDS = 400;

/** @param {{draft: object, set: (changes: object) => void, models: object[], error: Error | null}} props */
export function Recipe({ draft, set, models, error }) {
  const field = error?.field ?? null;
  const [, , does] = METHODS.find(([name]) => name === draft.method);
  return html`
    <section class="panel-part" aria-label="How to teach it">
      <h2>2. How</h2>
      <${Select} label="What it becomes" name="method" value=${draft.method} options=${METHODS} set=${(method) => set({ method })} />
      <p class="small-print">${does}</p>
      ${isWorded(draft) ? html`<${Words} ...${{ draft, set, field }} />` : html`<${Task} ...${{ draft, set }} />`}
      <label class="field">
        <span>Steps</span>
        <${NumberField} label="Steps" name="steps" value=${draft.steps} min=${1} step=${1} placeholder="as many as are usual" invalid=${field === 'steps'} set=${(steps) => set({ steps })} />
      </label>
      <${Details} ...${{ draft, set, models, field }} />
    </section>
  `;
}

function Words({ draft, set, field }) {
  const text = (label, name, key, placeholder) => html`
    <label class="field">
      <span>${label}</span>
      <input
        name=${name}
        maxlength=${name === 'trigger' ? 64 : 2000}
        placeholder=${placeholder}
        aria-invalid=${field?.startsWith(name) ? 'true' : undefined}
        value=${draft[key]}
        onInput=${(event) => set({ [key]: event.target.value })}
      />
    </label>
  `;
  return html`
    ${text('Trigger: a word that nobody uses', 'trigger', 'trigger', 'zorbling')}
    ${draft.method === 'dreambooth' && text('What such things are called', 'prior_preservation', 'classPrompt', 'a toy')}
    <label class="field">
      <span>Prompts to watch, one a line</span>
      <textarea
        name="validation_prompts"
        rows="2"
        placeholder="zorbling on a beach"
        aria-invalid=${field?.startsWith('validation_prompts') ? 'true' : undefined}
        value=${draft.prompts}
        onInput=${(event) => set({ prompts: event.target.value })}
      ></textarea>
    </label>
  `;
}

const Task = ({ draft, set }) => html`
  <${Select} label="What the maps show" name="task" value=${draft.task} options=${TASKS.map((task) => [task, task])} set=${(task) => set({ task })} />
`;

function Details({ draft, set, models, field }) {
  const number = (label, name, key, options) => html`
    <label class="field">
      <span>${label}</span>
      <${NumberField} ...${{ label, name, ...options }} value=${draft[key]} invalid=${field === name} set=${(value) => set({ [key]: value })} />
    </label>
  `;
  const own = 'its own';
  return html`
    <details class="settings">
      <summary>Details</summary>
      <div class="settings-fields">
        <${Select}
          label="Model"
          name="model"
          value=${draft.model ?? models[0]?.id}
          options=${models.map(({ id }) => [id, id])}
          invalid=${field === 'model'}
          set=${(model) => set({ model })}
        />
        ${hasRank(draft) &&
        html`<${Slider} label="Rank" name="rank" value=${draft.rank} min=${1} max=${64} invalid=${field === 'rank'} set=${(rank) => set({ rank })} />`}
        <div class="pair">
          ${number('Learning rate', 'learning_rate', 'learningRate', { min: 0, max: 1, step: 'any', placeholder: own })}
          ${number('Resolution', 'resolution', 'resolution', { min: 1, step: 1, placeholder: own })}
        </div>
        ${number('Seed', 'seed', 'seed', { min: 0, step: 1, placeholder: 'by chance' })}
      </div>
    </details>
  `;
}

/** What it costs, asked anew when something has changed and nothing changes any more. */
export function Price({ draft, dataset }) {
  const [quote, setQuote] = useState(null);
  const wanted = dataset === null ? 'pictures' : lacking(draft);
  const request = wanted === null ? requestOf(draft, dataset.id) : null;
  const asked = JSON.stringify([request, dataset?.digest]);
  useEffect(() => {
    setQuote(null);
    if (request === null) return undefined;
    const stop = new AbortController();
    const { signal } = stop;
    const ask = async () => {
      try {
        setQuote(await json('v1/fine-tunes?dry_run=true', { method: 'POST', body: request, signal }));
      } catch (error) {
        if (!signal.aborted) setQuote({ error });
      }
    };
    const timer = setTimeout(ask, QUIET_MILLISECONDS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [asked]);
  return html`<div class="small-print price" role="status">
    <p>${said(wanted, quote)}</p>
    ${quote?.warnings?.map((warning) => html`<p key=${warning}>${warning}</p>`)}
  </div>`;
}

function said(wanted, quote) {
  if (wanted !== null) return `What it takes is said when this is known: ${wanted}.`;
  if (quote === null) return 'Reckoning …';
  if (quote.error) return quote.error.message;
  const work = `${(quote.cost.pixel_steps / 1e6).toLocaleString('en', { maximumFractionDigits: 1 })} million pixel-steps`;
  const ahead = quote.queue_position > 1 ? `, ${quote.queue_position - 1} before it` : '';
  return quote.eta_seconds === null ? `${work}${ahead}` : `${work}, done in about ${lasting(quote.eta_seconds)}${ahead}`;
}

/** A time for people. @param {number} seconds */
export function lasting(seconds) {
  return seconds < 100 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`;
}
