/** What was learnt, tried where it was learnt: a prompt or a picture, and what comes of it. */

import { pictureAddress, upload } from '../shared/api.js';
import { follow } from '../shared/events.js';
import { sendOnce } from '../shared/once.js';
import { Problem } from '../shared/problem.js';
import { html, useState } from '../shared/view.js';
import { isWorded } from './draft.js';

/** The request of a prompt that uses a result. */
export const using = ({ result, request }, prompt) =>
  result.model_id ? { model: result.model_id, prompt } : { model: request.model, prompt, adapters: [{ id: result.adapter_id }] };

/** @param {{run: object}} props a run that has succeeded */
export function TryIt({ run }) {
  const { request, result } = run;
  const [prompt, setPrompt] = useState(request.validation_prompts[0] ?? request.trigger ?? '');
  const [shown, setShown] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const make = async (send) => {
    setBusy(true);
    setError(null);
    try {
      await developed(await send(), setShown);
    } catch (refused) {
      setError(refused);
    }
    setBusy(false);
  };
  const draw = (event) => {
    event.preventDefault();
    make(() => sendOnce('v1/generations', using(run, prompt)));
  };
  const map = ({ target }) => {
    const [file] = target.files;
    target.value = '';
    if (!file) return;
    const ask = async ({ id }) => sendOnce('v1/dense-predictions', { model: result.model_id, image: id });
    make(async () => ask(await upload(file, file.name)));
  };
  return html`
    <form class="try-it" onSubmit=${draw} aria-label="Try it">
      ${isWorded(request) ? html`<${Prompt} ...${{ prompt, setPrompt, busy }} />` : html`<${Picture} ...${{ map, busy }} />`}
      <${Problem} error=${error} />
      ${shown && html`<img src=${shown} alt=${`Made with it: ${isWorded(request) ? prompt : 'a map'}`} />`}
    </form>
  `;
}

const Prompt = ({ prompt, setPrompt, busy }) => html`
  <label class="field">
    <span>Try it</span>
    <input name="try" maxlength="2000" value=${prompt} onInput=${(event) => setPrompt(event.target.value)} />
  </label>
  <button class="primary" disabled=${busy}>${busy ? 'Making …' : 'Make a picture'}</button>
`;

const Picture = ({ map, busy }) => html`
  <label class="field">
    <span>${busy ? 'Making a map …' : 'Try it: a picture to make a map of'}</span>
    <input type="file" accept="image/png,image/jpeg,image/webp" disabled=${busy} onChange=${map} />
  </label>
`;

/** Shows a job's picture as it comes. @throws {Error} where none does */
async function developed({ id }, show) {
  for await (const { name, data } of follow(`v1/jobs/${id}/events?previews=true`)) {
    if (name === 'preview') show(`data:${data.media_type};base64,${data.data}`);
    if (name === 'image') show(pictureAddress(data));
    if (name === 'failed') throw Object.assign(new Error(data.error.message), { code: data.error.code });
  }
}
