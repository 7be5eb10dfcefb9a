/** What is asked for: the prompt, and everything that has a default. */

import { Problem } from '../shared/problem.js';
import { NumberField, Select, Slider } from '../shared/controls.js';
import { html } from '../shared/view.js';
import { Adapters } from './adapters.js';
import { completed, OWN } from './draft.js';
import { measured, nameOf, sizesOf } from './sizes.js';
import { SourcePanel } from './source_panel.js';

const LARGEST_SEED = 2 ** 53 - 1;

/**
 * @param {{draft: object, set: (changes: object) => void, offers: object, model: object, error: Error | null,
 *   sending: boolean, generate: () => void, openSheet: () => void, choose: (file: File) => void}} props
 */
export function Composer({ draft, set, offers, model, error, sending, generate, openSheet, choose }) {
  const field = error?.field ?? null;
  const submit = (event) => {
    event.preventDefault();
    generate();
  };
  return html`
    <form class="composer" onSubmit=${submit} aria-label="What to make" novalidate>
      <div class="composer-fields">
        <${Prompts} ...${{ draft, set, field }} />
        <${SourcePanel} source=${draft.source} limits=${model.limits} set=${(source) => set({ source })} choose=${choose} />
        <${Settings} ...${{ draft, set, offers, model, field }} />
        <${Others} others=${draft.others} set=${(others) => set({ others })} />
      </div>
      <div class="composer-end">
        <${Problem} error=${error} />
        <div class="row">
          <button class="primary generate" disabled=${sending}>
            ${sending ? 'Sending …' : 'Generate'} <kbd aria-hidden="true">Ctrl ↵</kbd>
          </button>
          <button type="button" onClick=${openSheet} disabled=${sending}>Grid …</button>
        </div>
      </div>
    </form>
  `;
}

function Prompts({ draft, set, field }) {
  return html`
    <label class="field prompt">
      <span>Prompt</span>
      <textarea
        name="prompt"
        rows="3"
        maxlength="2000"
        placeholder="a red apple"
        aria-invalid=${field === 'prompt' ? 'true' : undefined}
        value=${draft.prompt}
        onInput=${(event) => set({ prompt: event.target.value })}
      ></textarea>
    </label>
    <label class="field">
      <span>Without</span>
      <input
        name="negative_prompt"
        maxlength="2000"
        placeholder="what it must not show"
        aria-invalid=${field === 'negative_prompt' ? 'true' : undefined}
        value=${draft.negativePrompt}
        onInput=${(event) => set({ negativePrompt: event.target.value })}
      />
    </label>
  `;
}

function Settings({ draft, set, offers, model, field }) {
  const own = completed(draft, model);
  const { limits } = model;
  const models = offers.models.map(({ id }) => [id, id]);
  return html`
    <details class="panel-part settings" open=${innerWidth > 700}>
      <summary>Settings</summary>
      <div class="settings-fields">
        <${Select} label="Model" name="model" value=${model.id} options=${models} set=${(id) => set({ ...OWN, model: id })} />
        ${draft.source === null && html`<${Size} ...${{ own, model, set, field }} />`}
        <${Slider}
          label="Steps"
          name="num_inference_steps"
          value=${own.steps}
          min=${1}
          max=${limits.max_num_inference_steps}
          invalid=${field === 'num_inference_steps'}
          set=${(steps) => set({ steps })}
        />
        ${!draft.others.guidance &&
        html`<${Slider}
          label="Guidance"
          name="guidance_scale"
          value=${own.guidance}
          min=${0}
          max=${Math.min(15, limits.max_guidance_scale)}
          step=${0.1}
          invalid=${field === 'guidance_scale'}
          set=${(guidance) => set({ guidance })}
        />`}
        <${Select}
          label="Scheduler"
          name="scheduler"
          value=${own.scheduler}
          options=${model.schedulers.map((name) => [name, name.replaceAll('_', ' ')])}
          invalid=${field === 'scheduler'}
          set=${(scheduler) => set({ scheduler })}
        />
        <div class="pair">
          <${Seed} ...${{ draft, set, field }} />
          <label class="field">
            <span>Pictures</span>
            <${NumberField} label="Pictures" name="num_images" value=${draft.numImages} min=${1} max=${16} step=${1} invalid=${field === 'num_images'} set=${(numImages) => set({ numImages })} />
          </label>
        </div>
        <${Adapters} chosen=${draft.adapters} offered=${offers.adapters} model=${model.id} set=${(adapters) => set({ adapters })} />
      </div>
    </details>
  `;
}

function Size({ own, model, set, field }) {
  const name = nameOf(own.width, own.height);
  const sizes = sizesOf(model);
  const isListed = sizes.some(([one]) => one === name);
  const { size_multiple: step, min_size: min, max_size: max } = model.limits;
  const pick = (chosen) => {
    const [width, height] = measured(chosen);
    set({ width, height });
  };
  const number = (label, key) => html`
    <label class="field">
      <span>${label}</span>
      <${NumberField} label=${label} name=${key} value=${own[key]} invalid=${field === key} ...${{ min, max, step }} set=${(value) => set({ [key]: value })} />
    </label>
  `;
  return html`
    <${Select} label="Size" value=${name} options=${isListed ? sizes : [...sizes, [name, `Own ${own.width} × ${own.height}`]]} set=${pick} />
    <div class="pair">${number('Width', 'width')}${number('Height', 'height')}</div>
  `;
}

function Seed({ draft, set, field }) {
  const { seed, seedLocked } = draft;
  return html`
    <div class="field">
      <span>Seed</span>
      <div class="seed">
        <${NumberField}
          label="Seed"
          name="seed"
          value=${seedLocked ? seed : null}
          min=${0}
          max=${LARGEST_SEED}
          step=${1}
          placeholder=${seed === null ? 'by chance' : `last ${seed}`}
          invalid=${field === 'seed'}
          set=${(value) => set({ seed: value, seedLocked: value !== null })}
        />
        <button
          type="button"
          aria-pressed=${seedLocked}
          aria-label="Keep the seed"
          title="Keep the seed"
          disabled=${seed === null}
          onClick=${() => set({ seedLocked: !seedLocked })}
        >
          <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
            <rect x="3" y="7" width="10" height="7" rx="1.5" />
            <path d=${seedLocked ? 'M5 7V5a3 3 0 0 1 6 0v2' : 'M5 7V4.5a3 3 0 0 1 5.8-1'} />
          </svg>
        </button>
      </div>
    </div>
  `;
}

/** What the request says beyond the fields above, so that nothing goes along unseen. */
function Others({ others, set }) {
  const fields = Object.entries(others);
  if (fields.length === 0) return null;
  const without = (field) => Object.fromEntries(fields.filter(([name]) => name !== field));
  return html`
    <section class="panel-part" aria-label="Also asked for">
      <h3>Also asked for</h3>
      <ul class="others">
        ${fields.map(
          ([field, value]) => html`
            <li key=${field}>
              <code>${field}: ${JSON.stringify(value)}</code>
              <button type="button" class="quiet" aria-label=${`Leave out ${field}`} onClick=${() => set(without(field))}>×</button>
            </li>
          `,
        )}
      </ul>
    </section>
  `;
}
