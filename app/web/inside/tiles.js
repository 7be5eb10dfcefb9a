/** Where things are in a trace's files: tiles of sprites, and maps of blocks, by step. */

/** The place of a step in a run's lists: a branch begins at its own first step. */
export const placeOf = (run, step) => {
  const { steps } = run.trace;
  return Math.min(Math.max(step - steps[0].step, 0), steps.length - 1);
};

/** The first and the last step of a run. */
export const endsOf = ({ trace: { steps } }) => [steps[0].step, steps.at(-1).step];

/** What a run says of a step, or of the one that it has next to it. */
export const stepOf = (run, step) => run.trace.steps[placeOf(run, step)];

/** One tile of a sprite of steps, by the name of its row. */
function stepTile(sprite, row, place) {
  const { rows, tile_width: width, tile_height: height } = sprite;
  return { x: place * width, y: rows.indexOf(row) * height, width, height };
}

export const latentsTile = (run, row, step) => stepTile(run.trace.latents, row, placeOf(run, step));
export const guidanceTile = (run, row, step) => stepTile(run.trace.guidance, row, placeOf(run, step));
export const autoencoderTile = (run, name) => run.trace.autoencoder.tiles.find((tile) => tile.name === name);

/** What a block answers at a step, each place's mean over channels as a part of the strongest place's. */
export function activationMap(run, block, step) {
  if (!run.activations) return null;
  const { width, height, offset } = block;
  const start = offset + placeOf(run, step) * width * height;
  const values = Float32Array.from(run.activations.subarray(start, start + width * height), (value) => value / 255);
  return { width, height, values };
}
