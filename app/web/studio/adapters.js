/** Adapters of a request: those on offer, and files of one's own. */

import { upload } from '../shared/api.js';
import { Slider } from '../shared/controls.js';
import { Problem } from '../shared/problem.js';
import { html, useId, useRef, useState } from '../shared/view.js';

const IN_ADAPTERS = new Set(['lora', 'textual_inversion']);
const CHOOSE_FILE = ' file';

/**
 * @param {{chosen: {id: string, name: string, scale: number}[], offered: object[], model: string,
 *   set: (chosen: object[]) => void}} props
 */
export function Adapters({ chosen, offered, model, set }) {
  const id = useId();
  const input = useRef(null);
  const [error, setError] = useState(null);
  const [sending, setSending] = useState(null);
  const fitting = offered.filter(
    ({ id, kind, models }) => IN_ADAPTERS.has(kind) && models.includes(model) && !chosen.some((one) => one.id === id),
  );
  const add = (id, name) => set([...chosen, { id, name, scale: 1 }]);
  const pick = (event) => {
    const { value } = event.target;
    event.target.value = '';
    if (value === CHOOSE_FILE) input.current.click();
    else if (value) add(value, value);
  };
  const send = async (event) => {
    const [file] = event.target.files;
    event.target.value = '';
    if (!file) return;
    setSending(file.name);
    setError(null);
    try {
      add((await upload(file, file.name)).id, file.name);
    } catch (refused) {
      setError(refused);
    }
    setSending(null);
  };
  return html`
    <div class="adapters">
      ${chosen.map(
        (adapter) => html`
          <div class="adapter" key=${adapter.id}>
            <${Slider}
              label=${adapter.name}
              value=${adapter.scale}
              min=${-2}
              max=${2}
              step=${0.05}
              set=${(scale) => set(chosen.map((one) => (one.id === adapter.id ? { ...one, scale } : one)))}
            />
            <button
              type="button"
              class="quiet"
              aria-label=${`Take out ${adapter.name}`}
              onClick=${() => set(chosen.filter((one) => one.id !== adapter.id))}
            >
              ×
            </button>
          </div>
        `,
      )}
      <div class="field">
        <label for=${id}>Adapters</label>
        <select id=${id} onChange=${pick}>
          <option value="">${sending === null ? 'Add a style or a word …' : `Sending ${sending} …`}</option>
          ${fitting.map(({ id, kind }) => html`<option key=${id} value=${id}>${id} (${kind.replace('_', ' ')})</option>`)}
          <option value=${CHOOSE_FILE}>From a file: safetensors …</option>
        </select>
      </div>
      <input ref=${input} type="file" hidden accept=".safetensors" aria-label="File of an adapter" onChange=${send} />
      <${Problem} error=${error} />
    </div>
  `;
}
