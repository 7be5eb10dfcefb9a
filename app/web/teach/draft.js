/** How it is to be taught, and how that becomes a request. */

const NAME = 'safelight.teach';

/** The ways, in the order in which they are tried, with what they do. */
export const METHODS = [
  ['lora', 'Style or thing (LoRA)', 'Small matrices beside the network: quick, small, and taken along by its id.'],
  ['dreambooth', 'One of a kind (DreamBooth)', 'The same, while the model keeps what it knows of the class.'],
  ['textual_inversion', 'A new word', 'Only the meaning of the trigger is learnt. The smallest, and the least.'],
  ['full', 'The whole network', 'All weights: a model of its own.'],
  ['image_conditional', 'From pictures to maps', 'Needs a map beside each picture, as name.target.png.'],
];

export const TASKS = ['depth', 'normals', 'edges', 'segmentation'];

const OF_ADAPTERS = ['lora', 'dreambooth'];

/** Which methods have a trigger word and prompts to watch. */
export const isWorded = ({ method }) => method !== 'image_conditional';

/** Which methods have matrices of a rank. */
export const hasRank = ({ method }) => OF_ADAPTERS.includes(method);

export const EMPTY = {
  method: 'lora',
  model: null,
  trigger: '',
  steps: null,
  rank: 8,
  learningRate: null,
  resolution: null,
  seed: null,
  classPrompt: '',
  task: 'depth',
  prompts: '',
};

/** What is still to be said before there is anything to reckon, or null. */
export function lacking(draft) {
  if (draft.method === 'dreambooth' && draft.classPrompt.trim() === '') return 'what such things are called';
  if (draft.method === 'textual_inversion' && draft.trigger.trim() === '') return 'the trigger';
  return null;
}

/** The request of a draft. @param {string} datasetId */
export function requestOf(draft, datasetId) {
  const request = { dataset: datasetId, method: draft.method };
  const say = (field, value) => value !== null && value !== '' && (request[field] = value);
  say('model', draft.model);
  say('steps', draft.steps);
  say('learning_rate', draft.learningRate);
  say('resolution', draft.resolution);
  say('seed', draft.seed);
  if (hasRank(draft)) say('rank', draft.rank);
  if (draft.method === 'dreambooth') request.prior_preservation = { class_prompt: draft.classPrompt };
  if (!isWorded(draft)) return { ...request, task: draft.task };
  say('trigger', draft.trigger.trim());
  const prompts = draft.prompts.split('\n').map((line) => line.trim());
  return { ...request, validation_prompts: prompts.filter(Boolean) };
}

/** The draft of the last visit, or an empty one. */
export function readDraft() {
  try {
    return { ...EMPTY, ...JSON.parse(localStorage.getItem(NAME)) };
  } catch {
    return EMPTY;
  }
}

/** Keeps a draft. */
export function keepDraft(draft) {
  try {
    localStorage.setItem(NAME, JSON.stringify(draft));
  } catch {
    // Without storage it holds as long as the page does.
  }
}
