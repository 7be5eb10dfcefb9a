/** How the loss falls, on the way. */

import { html } from '../shared/view.js';

const WIDTH = 420;
const HEIGHT = 120;
const LEFT = 52;
const RIGHT = WIDTH - 8;
const TOP = 10;
const BOTTOM = HEIGHT - 22;

/** @param {{losses: [number, number][], totalSteps: number}} props */
export function LossCurve({ losses, totalSteps }) {
  if (losses.length < 2) return null;
  const values = losses.map(([, loss]) => loss);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const x = (step) => LEFT + (step / Math.max(1, totalSteps)) * (RIGHT - LEFT);
  const y = (loss) => BOTTOM - ((loss - low) / (high - low || 1)) * (BOTTOM - TOP);
  const [last, now] = losses.at(-1);
  return html`
    <svg class="loss-curve" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${`Loss: from ${figure(values[0])} to ${figure(now)} at step ${last}`}>
      <path class="axis" d=${`M${LEFT} ${TOP}V${BOTTOM}H${RIGHT}`} />
      <text x=${LEFT - 6} y=${TOP + 6} text-anchor="end">${figure(high)}</text>
      <text x=${LEFT - 6} y=${BOTTOM} text-anchor="end">${figure(low)}</text>
      <text x=${LEFT} y=${HEIGHT - 6}>loss</text>
      <text x=${RIGHT} y=${HEIGHT - 6} text-anchor="end">step ${totalSteps}</text>
      <polyline points=${losses.map(([step, loss]) => `${x(step)},${y(loss)}`).join(' ')} />
      <circle cx=${x(last)} cy=${y(now)} r="4" />
    </svg>
  `;
}

/** A number for people. @param {number} value */
export const figure = (value) => Number(value.toPrecision(3)).toString();
