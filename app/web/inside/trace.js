/** What a trace says, as pure functions: words of tokens, maps of words, and what is different between two requests. */

import { placeOf } from './tiles.js';

/** Tokens put together to words: a piece with ## goes on with the word before it. */
export function wordsOf(trace) {
  const words = [];
  for (const token of trace.tokens) {
    const goesOn = token.text.startsWith('##') && words.length > 0;
    if (goesOn) {
      const word = words.at(-1);
      word.text += token.text.slice(2);
      word.positions.push(token.position);
    } else words.push({ text: token.text, positions: [token.position], isSpecial: token.is_special });
  }
  return words;
}

export const spokenWords = (trace) => wordsOf(trace).filter((word) => !word.isSpecial);

/** The prompt with one word left out, or another in its place; null where the prompt does not say the word so. */
export function withWord(prompt, words, index, replacement) {
  const wanted = words[index].text.toLowerCase();
  const before = words.slice(0, index).filter((word) => word.text.toLowerCase() === wanted).length;
  let seen = -1;
  let found = false;
  const parts = prompt.split(/(\p{L}[\p{L}\p{N}]*|\p{N}+)/u).map((part) => {
    if (part.toLowerCase() !== wanted || ++seen !== before) return part;
    found = true;
    return replacement;
  });
  return found ? parts.join('').replace(/\s+/g, ' ').trim() : null;
}

/** The map of some tokens in one block, from 0 to 1: at one step, or averaged over all where step is null. */
export function attentionMap(run, block, positions, step = null) {
  const { tokens, steps } = run.trace.attention;
  const { width, height, offset, scales } = block;
  const chosen = step === null ? [...Array(steps).keys()] : [placeOf(run, step)];
  const values = new Float32Array(width * height);
  for (const one of chosen)
    for (const position of positions) {
      const start = offset + (one * tokens + position) * values.length;
      const unit = scales[position] / 255 / chosen.length;
      for (let place = 0; place < values.length; place++) values[place] += run.attention[start + place] * unit;
    }
  return { width, height, values };
}

/** The maps of all blocks averaged at the size of the largest one. Source: Tang et al. 2022, arXiv:2210.04885, equation 7. */
export function meanAttention(run, positions, step = null) {
  const blocks = run.trace.attention.blocks;
  const width = Math.max(...blocks.map((block) => block.width));
  const height = Math.max(...blocks.map((block) => block.height));
  const values = new Float32Array(width * height);
  for (const block of blocks) {
    const map = stretched(attentionMap(run, block, positions, step), width, height);
    map.values.forEach((value, place) => (values[place] += value / blocks.length));
  }
  return { width, height, values };
}

/** How much of all that is heard goes to some tokens, from 0 to 1: the mean over places and blocks. */
export function shareOf(run, positions, step) {
  const { values } = meanAttention(run, positions, step);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** A map at another size, bilinear. */
function stretched(map, width, height) {
  if (map.width === width && map.height === height) return map;
  const values = new Float32Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const across = clamped(((x + 0.5) * map.width) / width - 0.5, map.width);
      const down = clamped(((y + 0.5) * map.height) / height - 0.5, map.height);
      const upper = mixed(at(map, across.low, down.low), at(map, across.high, down.low), across.part);
      const lower = mixed(at(map, across.low, down.high), at(map, across.high, down.high), across.part);
      values[y * width + x] = mixed(upper, lower, down.part);
    }
  return { width, height, values };
}

const at = (map, x, y) => map.values[y * map.width + x];
const mixed = (one, other, part) => one + (other - one) * part;

function clamped(place, size) {
  const inside = Math.min(Math.max(place, 0), size - 1);
  const low = Math.floor(inside);
  return { low, high: Math.min(low + 1, size - 1), part: inside - low };
}

const ROWS = ['upper', '', 'lower'];
const COLUMNS = ['left', '', 'right'];

/** Whether tokens are muted at a step of a run; their maps are of what they would have been. */
export function isMuted(run, positions, step) {
  const mutes = run.job.request.intervene?.filter(({ kind }) => kind === 'mute_token') ?? [];
  const acts = ({ step_from: from, step_to: to }) => step === null || (step >= (from ?? 0) && step < (to ?? Infinity));
  return positions.every((position) => mutes.some((one) => one.token === position && acts(one)));
}

/** In words, where most of a map is: "mostly the upper left". */
export function whereabouts({ width, height, values }) {
  const floor = Math.min(...values);
  const parts = Array(9).fill(0);
  values.forEach((value, place) => {
    const row = Math.floor((Math.floor(place / width) * 3) / height);
    parts[row * 3 + Math.floor(((place % width) * 3) / width)] += value - floor;
  });
  const sum = parts.reduce((one, other) => one + other, 0);
  const best = parts.indexOf(Math.max(...parts));
  if (sum === 0 || parts[best] / sum < 0.15) return 'everywhere about alike';
  return `mostly the ${[ROWS[Math.floor(best / 3)], COLUMNS[best % 3]].filter(Boolean).join(' ') || 'middle'}`;
}

/** What the second request asks otherwise, in words, each a line. */
export function changesBetween(
  { job: { request: base }, trace },
  { job: { request: branch, branch_from: branchedOff } },
) {
  const lines = [];
  if (branchedOff) lines.push(`branched off at step ${branchedOff.step}`);
  const told = (name, shown = quoted) => {
    if (JSON.stringify(base[name]) !== JSON.stringify(branch[name]))
      lines.push(`${LABELS[name]} ${shown(branch[name])} instead of ${shown(base[name])}`);
  };
  for (const name of ['prompt', 'negative_prompt', 'seed', 'num_inference_steps', 'scheduler', 'width', 'height'])
    told(name);
  told('guidance', guidanceShown);
  const before = (base.intervene ?? []).map((one) => JSON.stringify(one));
  for (const one of branch.intervene ?? [])
    if (!before.includes(JSON.stringify(one))) lines.push(interventionShown(one, base, trace));
  return lines;
}

const LABELS = {
  prompt: 'prompt',
  negative_prompt: 'negative prompt',
  seed: 'seed',
  num_inference_steps: 'steps',
  scheduler: 'scheduler',
  width: 'width',
  height: 'height',
  guidance: 'guidance',
};
const quoted = (value) => (typeof value === 'string' ? `“${value}”` : String(value));

const guidanceShown = (ways) =>
  (ways ?? [])
    .map((way) => `${way.kind.replaceAll('_', ' ')}${way.label ? ` towards ${way.label}` : ''} ${way.scale}`)
    .join(' and ') || 'none';

const INTERVENTIONS = {
  mute_token: (one, word) => `${word} muted`,
  scale_token: (one, word) => `${word} heard ${one.factor} times as much`,
  set_guidance: (one) => `guidance ${one.scale}`,
  swap_prompt: (one) => `prompt “${one.prompt}”`,
  add_noise: (one) => `noise of ${one.strength} added`,
  skip_block: (one) => `block ${one.block} skipped`,
};

/** One intervention in words. */
function interventionShown(one, request, trace) {
  const last = request.num_inference_steps;
  const from = one.step_from ?? 0;
  const to = one.step_to ?? last;
  const when = from === 0 && to >= last ? '' : to >= last ? ` from step ${from} on` : ` in steps ${from} to ${to - 1}`;
  return (INTERVENTIONS[one.kind]?.(one, `“${trace.tokens[one.token]?.text}”`) ?? one.kind) + when;
}

const UNITS = [
  [1e9, ' G'],
  [1e6, ' M'],
  [1e3, ' k'],
];

/** A count as people read it: 23.4 M. */
export function count(value) {
  const unit = UNITS.find(([size]) => value >= size);
  return unit ? `${Number((value / unit[0]).toPrecision(3))}${unit[1]}` : String(value);
}

/** A number with so many figures. */
export const figure = (value, digits = 3) => (Number.isFinite(value) ? String(Number(value.toPrecision(digits))) : '∞');

/** A part as people read it: 34 %. */
export const percent = (part) => `${figure(100 * part, 2)}\u00a0%`;
