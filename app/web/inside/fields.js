/** What is turned, typed and chosen at the knobs: each with its name, and the value that stands. */

import { html } from '../shared/view.js';

/** A slider; `says` is its name with the value in it. */
export const Slider = ({ says, value, onValue, ...range }) =>
  html`<label>
    <span>${says}</span>
    <input type="range" value=${value} onInput=${(event) => onValue(Number(event.target.value))} ...${range} />
  </label>`;

export const TextField = ({ says, value, size, onValue }) =>
  html`<label>
    <span>${says}</span>
    <input type="text" size=${size} value=${value} onInput=${(event) => onValue(event.target.value)} />
  </label>`;

/** A whole number from 0 on. */
export const NumberField = ({ says, value, onValue }) =>
  html`<label>
    <span>${says}</span>
    <input
      type="number"
      min="0"
      step="1"
      value=${value}
      onInput=${(event) => onValue(Math.max(0, Math.trunc(Number(event.target.value) || 0)))}
    />
  </label>`;

/** One of several; `options` are pairs of a value and its name. */
export const Choice = ({ says, value, options, onValue }) =>
  html`<label>
    <span>${says}</span>
    <select value=${value} onChange=${(event) => onValue(event.target.value)}>
      ${options.map(([one, name]) => html`<option value=${one}>${name}</option>`)}
    </select>
  </label>`;

export const Button = ({ onClick, disabled, children }) =>
  html`<button type="button" onClick=${onClick} disabled=${disabled}>${children}</button>`;
