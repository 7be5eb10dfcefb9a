/** Things to set: a slider with its number, a choice of few, a list. */

import { html, useEffect, useId, useState } from './view.js';

/**
 * A slider, with a field for the exact number beside it.
 * @param {{label: string, value: number, min: number, max: number, step?: number, hint?: string, name?: string,
 *   invalid?: boolean, set: (value: number) => void}} props
 */
export function Slider({ label, value, min, max, step = 1, hint, name, invalid, set }) {
  const id = useId();
  return html`
    <div class="slider">
      <label class="label" for=${id}>${label}</label>
      <${NumberField} label=${`${label}, exactly`} ...${{ value, min, max, step, name, invalid, set }} />
      <input
        id=${id}
        type="range"
        value=${value}
        min=${min}
        max=${max}
        step=${step}
        style=${{ '--at': `${(100 * (value - min)) / (max - min)}%` }}
        aria-describedby=${hint ? `${id}-hint` : undefined}
        onInput=${(event) => set(Number(event.target.value))}
      />
      ${hint && html`<p class="small-print" id=${`${id}-hint`}>${hint}</p>`}
    </div>
  `;
}

/** A number that is taken over when it is one; the API judges whether it is allowed. */
export function NumberField({ label, value, min, max, step, name, invalid, placeholder, disabled, set }) {
  const [text, setText] = useState(String(value ?? ''));
  useEffect(() => setText(String(value ?? '')), [value]);
  const take = (typed) => {
    setText(typed);
    const number = Number(typed);
    if (typed.trim() !== '' && Number.isFinite(number)) set(number);
    else if (value === null || placeholder) set(null);
  };
  return html`<input
    type="number"
    inputmode="decimal"
    aria-label=${label}
    aria-invalid=${invalid ? 'true' : undefined}
    ...${{ min, max, step, name, placeholder, disabled }}
    value=${text}
    onInput=${(event) => take(event.target.value)}
    onBlur=${() => setText(String(value ?? ''))}
  />`;
}

/**
 * One of a few, all in sight.
 * @param {{label: string, value: string, options: [string, any][], set: (value: string) => void}} props
 */
export function Choice({ label, value, options, set }) {
  return html`
    <div class="choice" role="group" aria-label=${label}>
      ${options.map(
        ([name, text]) => html`
          <button type="button" key=${name} aria-pressed=${name === value} onClick=${() => set(name)}>${text}</button>
        `,
      )}
    </div>
  `;
}

/**
 * One of many.
 * @param {{label: string, value: string, options: [string, string][], name?: string, invalid?: boolean,
 *   set: (value: string) => void}} props
 */
export function Select({ label, value, options, name, invalid, set }) {
  const id = useId();
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      <select id=${id} name=${name} aria-invalid=${invalid ? 'true' : undefined} onChange=${(event) => set(event.target.value)}>
        ${options.map(
          ([option, text]) => html`<option key=${option} value=${option} selected=${option === value}>${text}</option>`,
        )}
      </select>
    </div>
  `;
}
