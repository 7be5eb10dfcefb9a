/** Numbers and tiles as pictures on a canvas, each with a text alternative, and the legend of their colours. */

import { html, useLayoutEffect, useRef } from '../shared/view.js';

const VIRIDIS = [
  [0.2777, 0.1051, -0.3309, -4.6342, 6.2283, 4.7764, -5.4355],
  [0.0054, 1.4046, 0.2148, -5.7991, 14.1799, -13.7451, 4.6459],
  [0.3341, 1.3846, 0.0951, -19.3324, 56.6906, -65.353, 26.3124],
];

/** The colour of a part from 0 to 1, as red, green and blue: even steps look even, on a screen and in grey. Source: matplotlib's viridis. */
const colour = (part) => VIRIDIS.map((terms) => 255 * terms.reduceRight((sum, term) => sum * part + term, 0));

/** Whether black text can be read on that colour better than white. Source: the relative luminance of WCAG 2.2. */
export const isLight = (part) => {
  const [red, green, blue] = colour(part).map((value) => (Math.max(0, value) / 255) ** 2.2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179;
};

export const css = (part) =>
  `rgb(${colour(part)
    .map((value) => Math.round(Math.min(255, Math.max(0, value))))
    .join(' ')})`;

const grey = (part) => [255 * part, 255 * part, 255 * part];

function painted(canvas, { width, height, values }, max, colours) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const image = context.createImageData(width, height);
  values.forEach((value, place) =>
    image.data.set([...colours(Math.min(1, Math.max(0, value / (max || 1)))), 255], place * 4),
  );
  context.putImageData(image, 0, 0);
}

/** A map of numbers in colours. */
export function HeatMap({ map, max, label, isSmooth = false, isGrey = false }) {
  const canvas = useRef(null);
  useLayoutEffect(() => painted(canvas.current, map, max, isGrey ? grey : colour), [map, max]);
  return html`<canvas ref=${canvas} class=${isSmooth ? 'map smooth' : 'map'} role="img" aria-label=${label}></canvas>`;
}

/** One tile of a sprite. */
export function Tile({ sprite, box, label }) {
  const canvas = useRef(null);
  useLayoutEffect(() => {
    if (!sprite || !box) return;
    canvas.current.width = box.width;
    canvas.current.height = box.height;
    const context = canvas.current.getContext('2d', { willReadFrequently: true });
    context.drawImage(sprite, box.x, box.y, box.width, box.height, 0, 0, box.width, box.height);
  }, [sprite, box?.x, box?.y, box?.width]);
  return html`<canvas ref=${canvas} class="map" role="img" aria-label=${label}></canvas>`;
}

/** What the colours mean, from dark to bright. */
export const Legend = ({ from = '0', to, isGrey = false }) =>
  html`<div class="legend">
    <span>${from}</span>
    <${HeatMap} map=${RAMP} max=${1} isGrey=${isGrey} label=${`Colours from ${from}, dark, to ${to}, bright`} />
    <span>${to}</span>
  </div>`;

const RAMP = { width: 64, height: 1, values: Float32Array.from({ length: 64 }, (_, place) => place / 63) };
