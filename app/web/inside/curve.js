/** A curve over the steps of a run, with a dot where the reader stands. */

import { html } from '../shared/view.js';
import { placeOf } from './tiles.js';
import { figure } from './trace.js';

const WIDTH = 420;
const HEIGHT = 160;
const LEFT = 72;
const RIGHT = WIDTH - 10;
const TOP = 12;
const BOTTOM = HEIGHT - 28;

/** `values` are one a step of the run, null where there is none; a logarithmic axis has a place for 0 at its foot. */
export function Curve({ run, view, values, name, label, unit = '', isLogarithmic = false }) {
  const first = run.trace.steps[0].step;
  const last = values.length - 1;
  const now = placeOf(run, view.step);
  const axis = axisOf(values, isLogarithmic);
  if (axis === null) return null;
  const x = (place) => LEFT + (place / Math.max(1, last)) * (RIGHT - LEFT);
  const y = (value) => BOTTOM - axis.part(value) * (BOTTOM - TOP);
  const clicked = (event) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    const place = Math.round(((((event.clientX - left) / width) * WIDTH - LEFT) / (RIGHT - LEFT)) * last);
    view.setStep(first + Math.min(last, Math.max(0, place)));
  };
  const shown = values.map((value, place) => ({ value, place })).filter(({ value }) => value !== null);
  const said = `${label}: ${name} goes from ${figure(shown[0].value)}${unit} to ${figure(shown.at(-1).value)}${unit}.`;
  const spot = values[now];
  const there = spot === null ? 'none' : `${figure(spot)}${unit}`;
  const caption = `${label}${isLogarithmic ? ', on a logarithmic axis' : ''}. At step ${first + now}: ${there}`;
  return html`<figure class="curve">
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${said} onClick=${clicked}>
      <path class="axis" d=${`M${LEFT} ${TOP}V${BOTTOM}H${RIGHT}`} />
      <text x=${LEFT - 6} y=${TOP + 6} text-anchor="end">${figure(axis.high, 2)}${unit}</text>
      <text x=${LEFT - 6} y=${BOTTOM} text-anchor="end">${figure(axis.low, 2)}${unit}</text>
      <text x=${LEFT} y=${HEIGHT - 8}>step ${first}</text>
      <text x=${RIGHT} y=${HEIGHT - 8} text-anchor="end">step ${first + last}</text>
      <polyline points=${shown.map(({ value, place }) => `${x(place)},${y(value)}`).join(' ')} />
      ${spot !== null && html`<circle cx=${x(now)} cy=${y(spot)} r="6" />`}
    </svg>
    <figcaption>${caption}</figcaption>
  </figure>`;
}

/** The ends of the axis, and where between them, 0 to 1, a value stands; null where there is nothing to show. */
function axisOf(values, isLogarithmic) {
  const fitting = values.filter((value) => value !== null && (!isLogarithmic || value > 0));
  if (fitting.length === 0) return null;
  const low = Math.min(...fitting);
  const high = Math.max(...fitting);
  const scaled = isLogarithmic ? Math.log10 : Number;
  const span = scaled(high) - scaled(low) || 1;
  return { low, high, part: (value) => (isLogarithmic && value <= low ? 0 : (scaled(value) - scaled(low)) / span) };
}
