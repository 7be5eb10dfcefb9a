/** Axes of a sheet of pictures: which parameters can vary, how values are read, and which requests follow. */

export const MOST_CELLS = 64;

const text = (value) => value;

function number(value) {
  const read = Number(value);
  if (!Number.isFinite(read)) throw new Error(`“${value}” is not a number.`);
  return read;
}

/** What can vary: how a value is read, and values to begin with. */
export const PARAMETERS = {
  guidance_scale: { label: 'Guidance', read: number, example: '1, 2.5, 5, 8' },
  num_inference_steps: { label: 'Steps', read: number, example: '4, 10, 20, 40' },
  seed: { label: 'Seed', read: number, example: '1, 2, 3, 4' },
  scheduler: { label: 'Scheduler', read: text, example: 'ddim, euler, euler_ancestral, dpmpp_2m' },
  prompt: { label: 'A word of the prompt', read: text, example: 'red, green, blue' },
  strength: { label: 'Strength', read: number, example: '0.3, 0.5, 0.7, 0.9', means: (request) => 'strength' in request },
  adapter: { label: 'First adapter', read: number, example: '0, 0.5, 1, 1.5', means: (request) => request.adapters?.length },
};

/** The parameters that mean something for a request. @returns {[string, string][]} names and labels */
export const varying = (request) =>
  Object.entries(PARAMETERS)
    .filter(([, { means }]) => !means || means(request))
    .map(([name, { label }]) => [name, label]);

/** The values in a text with commas. @throws {Error} */
export function valuesOf(parameter, said) {
  const parts = said.split(',').map((part) => part.trim()).filter(Boolean);
  if (parts.length === 0) throw new Error(`${PARAMETERS[parameter].label} needs at least one value.`);
  return parts.map(PARAMETERS[parameter].read);
}

/** The requests of a sheet, row by row. @throws {Error} */
export function requestsOf(request, { x, y }) {
  const rows = y === null ? [request] : y.values.map((value) => withValue(request, y, value));
  if (rows.length * x.values.length > MOST_CELLS) throw new Error(`A sheet has at most ${MOST_CELLS} pictures.`);
  return rows.map((row) => x.values.map((value) => withValue(row, x, value)));
}

function withValue(request, { parameter, values }, value) {
  if (parameter === 'prompt') return { ...request, prompt: replaced(request.prompt, values[0], value) };
  if (parameter !== 'adapter') return { ...request, [parameter]: value };
  const [first, ...rest] = request.adapters;
  return { ...request, adapters: [{ ...first, scale: value }, ...rest] };
}

function replaced(prompt, first, value) {
  if (prompt.includes(first)) return prompt.replaceAll(first, value);
  throw new Error(`The prompt does not say “${first}”, in whose place the other words are put.`);
}
