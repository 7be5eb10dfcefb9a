/** Sizes to choose from, as a model draws them. */

const SHAPES = [
  ['Square', 1, 1],
  ['Portrait', 3, 4],
  ['Landscape', 4, 3],
  ['Tall', 1, 2],
  ['Wide', 2, 1],
];

/** Sizes of several shapes, with the default's long side and with the longest: `[name, label]`, a name is `width×height`. */
export function sizesOf({ defaults, limits }) {
  const sides = new Set([Math.max(defaults.width, defaults.height), limits.max_size]);
  const found = new Map();
  for (const side of sides) {
    for (const [label, across, down] of SHAPES) {
      const longest = Math.max(across, down);
      const name = nameOf(snapped((side * across) / longest, limits), snapped((side * down) / longest, limits));
      if (!found.has(name)) found.set(name, `${label} ${name.replace('×', ' × ')}`);
    }
  }
  return [...found];
}

/** @param {number} width @param {number} height */
export const nameOf = (width, height) => `${width}×${height}`;

/** The width and height of a name. */
export const measured = (name) => name.split('×').map(Number);

function snapped(side, { size_multiple: multiple, min_size: least, max_size: most }) {
  const near = Math.round(side / multiple) * multiple;
  return Math.min(Math.floor(most / multiple) * multiple, Math.max(Math.ceil(least / multiple) * multiple, near));
}
