/** What a sheet of pictures is to show: two axes and their values. */

import { Select } from '../shared/controls.js';
import { Problem } from '../shared/problem.js';
import { html, useEffect, useId, useRef, useState } from '../shared/view.js';
import { MOST_CELLS, PARAMETERS, requestsOf, valuesOf, varying } from './axes.js';

const NO_AXIS = ['', 'Nothing'];

/** @param {{request: object, make: (axes: object) => void, close: () => void}} props */
export function SheetForm({ request, make, close }) {
  const label = useId();
  const dialog = useRef(null);
  const [x, setX] = useState(axis('guidance_scale'));
  const [y, setY] = useState(axis('num_inference_steps'));
  useEffect(() => dialog.current.showModal(), []);
  const { axes, count, error } = judged(request, x, y);
  const submit = (event) => {
    event.preventDefault();
    make(axes);
    close();
  };
  const options = varying(request);
  return html`
    <dialog ref=${dialog} class="small" aria-labelledby=${label} onClose=${close}>
      <form onSubmit=${submit}>
        <h2 id=${label}>A grid of pictures</h2>
        <p class="small-print">One seed, and a picture for every pair of values. At most ${MOST_CELLS}; other pictures come first.</p>
        <${Axis} name="Across" axis=${x} set=${setX} options=${options} />
        <${Axis} name="Down" axis=${y} set=${setY} options=${[NO_AXIS, ...options]} />
        <${Problem} error=${error} />
        <div class="actions">
          <button type="button" class="quiet" onClick=${close}>Cancel</button>
          <button class="primary" disabled=${error !== null}>${count ? `Make ${count} pictures` : 'Make them'}</button>
        </div>
      </form>
    </dialog>
  `;
}

const axis = (parameter) => ({ parameter, text: PARAMETERS[parameter]?.example ?? '' });

function Axis({ name, axis: { parameter, text }, set, options }) {
  return html`
    <fieldset>
      <legend class="unseen">${name}</legend>
      <${Select} label=${name} value=${parameter} options=${options} set=${(chosen) => set(axis(chosen))} />
      ${parameter !== '' &&
      html`<input aria-label=${`Values ${name.toLowerCase()}`} value=${text} onInput=${(event) => set({ parameter, text: event.target.value })} />`}
    </fieldset>
  `;
}

function judged(request, x, y) {
  try {
    if (x.parameter === y.parameter) throw new Error('Both axes vary the same.');
    const read = ({ parameter, text }) => ({ parameter, values: valuesOf(parameter, text) });
    const axes = { x: read(x), y: y.parameter === '' ? null : read(y) };
    return { axes, count: requestsOf(request, axes).flat().length, error: null };
  } catch (error) {
    return { axes: null, count: 0, error: { message: error.message } };
  }
}
