/** What the composer holds, and how it becomes a request and comes from one. */

/** Fields that the composer shows, and those of them that it shows beside a picture. */
const FIELDS = 'prompt negative_prompt model num_images height width num_inference_steps guidance_scale scheduler seed adapters';
const EDITS = 'image mask expand strength resize remove';
const SHOWN = new Set(FIELDS.split(' '));
const EDIT = new Set(EDITS.split(' '));

/** Fields whose values a complete request has in any case, and that say nothing. */
const SILENT = { prompt_syntax: 'plain', output_format: 'png' };

/** What is left to the model. */
export const OWN = { height: null, width: null, steps: null, guidance: null, scheduler: null };

/** A draft of nothing yet. */
export const EMPTY = {
  ...OWN,
  prompt: '',
  negativePrompt: '',
  model: null,
  seed: null,
  seedLocked: false,
  numImages: 1,
  adapters: [],
  others: {},
  source: null,
};

/** The values that a draft has with a model, its own or the model's. */
export function completed(draft, model) {
  const { defaults } = model;
  return {
    height: draft.height ?? defaults.height,
    width: draft.width ?? defaults.width,
    steps: draft.steps ?? defaults.num_inference_steps,
    guidance: draft.guidance ?? defaults.guidance_scale,
    scheduler: model.schedulers.includes(draft.scheduler) ? draft.scheduler : defaults.scheduler,
  };
}

/**
 * The request of a draft.
 * @param {{mask?: string}} references ids of what was sent for it
 */
export function requestOf(draft, model, references = {}) {
  const own = completed(draft, model);
  const removes = draft.source?.mode === 'paint' && draft.source.remove;
  const request = { prompt: removes ? '' : draft.prompt, model: model.id, num_images: draft.numImages };
  if (draft.negativePrompt !== '') request.negative_prompt = draft.negativePrompt;
  request.num_inference_steps = own.steps;
  if (!draft.others.guidance && !removes) request.guidance_scale = own.guidance;
  request.scheduler = own.scheduler;
  if (draft.seedLocked && draft.seed !== null) request.seed = draft.seed;
  if (draft.adapters.length) request.adapters = draft.adapters.map(({ id, scale }) => ({ id, scale }));
  const where = draft.source === null ? { height: own.height, width: own.width } : editOf(draft.source, model, references);
  return { ...request, ...where, ...draft.others };
}

function editOf(source, model, references) {
  const edit = { image: source.id };
  if (source.mode === 'change') edit.strength = source.strength;
  if (source.mode === 'paint') {
    edit.mask = references.mask;
    if (source.remove) edit.remove = true;
  }
  if (source.mode === 'extend') edit.expand = Object.fromEntries(Object.entries(source.expand).filter(([, by]) => by > 0));
  if (!fits(sizeAfter(source), model.limits)) edit.resize = 'crop';
  return edit;
}

/** The size of what a source becomes. */
export function sizeAfter({ width, height, mode, expand }) {
  if (mode !== 'extend') return { width, height };
  return { width: width + expand.left + expand.right, height: height + expand.top + expand.bottom };
}

/** Whether a model draws this size. */
export function fits({ width, height }, limits) {
  const fit = (side) => side % limits.size_multiple === 0 && side >= limits.min_size && side <= limits.max_size;
  return fit(width) && fit(height);
}

/** A draft that begins with another picture, and so not with what its request named. */
export function begunWith(draft, source) {
  const others = Object.entries(draft.others).filter(([field]) => !EDIT.has(field));
  return { ...draft, source, others: Object.fromEntries(others) };
}

/** The draft that makes what a complete request makes. The pictures that it names stay as they are named. */
export function draftOf(request) {
  const guided = request.guidance_scale !== null && request.guidance_scale !== undefined;
  return {
    ...EMPTY,
    prompt: request.prompt,
    negativePrompt: request.negative_prompt ?? '',
    model: request.model,
    height: request.height,
    width: request.width,
    steps: request.num_inference_steps,
    guidance: guided ? request.guidance_scale : null,
    scheduler: request.scheduler,
    seed: request.seed,
    seedLocked: true,
    numImages: request.num_images ?? 1,
    adapters: (request.adapters ?? []).map(({ id, scale }) => ({ id, scale, name: id })),
    others: othersOf(request, guided),
  };
}

/** What a request says beyond the fields that the composer shows. */
function othersOf(request, guided) {
  const said = ([field, value]) => !SHOWN.has(field) && !isSilent(field, value) && !(field === 'guidance' && guided);
  return Object.fromEntries(Object.entries(request).filter(said));
}

/** Whether a field of a complete request is as if it were not there. */
export function isSilent(field, value) {
  if (value === null || value === false || value === '' || SILENT[field] === value) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** A request as short as it can be said: without what is silent, and without what is said twice. */
export function short(request) {
  const said = Object.entries(request).filter(([field, value]) => field === 'prompt' || !isSilent(field, value));
  const shorter = Object.fromEntries(said);
  if (shorter.guidance_scale !== undefined) delete shorter.guidance;
  if (shorter.num_images === 1) delete shorter.num_images;
  return shorter;
}
