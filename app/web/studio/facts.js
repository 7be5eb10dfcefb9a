/** How a picture was made: in short, whole, and in the words of programs. */

import { copy } from '../shared/clipboard.js';
import { html, useState } from '../shared/view.js';
import { isSilent } from './draft.js';
import { LANGUAGES } from './snippets.js';

const SAID_ABOVE = new Set(['prompt', 'height', 'width', 'guidance', 'num_images']);
const LABELS = { num_inference_steps: 'Steps', guidance_scale: 'Guidance', negative_prompt: 'Without' };

/** @param {{entry: object, request: object, image: object}} props */
export function Facts({ entry, request, image }) {
  const fields = Object.entries(request).filter(([field, value]) => !SAID_ABOVE.has(field) && !isSilent(field, value));
  return html`
    <dl class="facts">
      <dt>Size</dt>
      <dd>${image.width} × ${image.height}</dd>
      ${fields.map(([field, value]) => [
        html`<dt key=${field}>${LABELS[field] ?? sentence(field)}</dt>`,
        html`<dd key=${`${field} value`}>${typeof value === 'object' ? JSON.stringify(value) : String(value)}</dd>`,
      ])}
    </dl>
    ${entry.warnings?.length > 0 &&
    html`<ul class="warnings" aria-label="Warnings">
      ${entry.warnings.map((warning) => html`<li key=${warning}>${warning}</li>`)}
    </ul>`}
    <${Snippets} request=${request} />
    <details class="whole">
      <summary>The complete request</summary>
      <pre tabindex="0">${JSON.stringify(request, null, 2)}</pre>
    </details>
  `;
}

const sentence = (field) => field.charAt(0).toUpperCase() + field.slice(1).replaceAll('_', ' ');

function Snippets({ request }) {
  const [language, setLanguage] = useState('curl');
  const [copied, setCopied] = useState(null);
  const text = LANGUAGES[language].write(request);
  const take = async () => setCopied((await copy(text)) ? language : null);
  const turn = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    const names = Object.keys(LANGUAGES);
    const next = names[(names.indexOf(language) + by + names.length) % names.length];
    setLanguage(next);
    event.currentTarget.querySelector(`[data-language=${next}]`).focus();
  };
  return html`
    <section class="snippets" aria-label="As a program">
      <div class="row">
        <div class="choice" role="tablist" aria-label="Language" onKeyDown=${turn}>
          ${Object.entries(LANGUAGES).map(
            ([name, { label }]) => html`
              <button
                key=${name}
                role="tab"
                data-language=${name}
                aria-selected=${name === language}
                tabindex=${name === language ? 0 : -1}
                onClick=${() => setLanguage(name)}
              >
                ${label}
              </button>
            `,
          )}
        </div>
        <button class="quiet" onClick=${take}>${copied === language ? 'Copied' : 'Copy'}</button>
      </div>
      <pre role="tabpanel" tabindex="0" aria-label=${LANGUAGES[language].label}>${text}</pre>
    </section>
  `;
}
