/** What was learnt, tried where it was learnt: a prompt, and the picture that comes of it. */

import { pictureAddress } from '../shared/api.js';
import { follow } from '../shared/events.js';
import { sendOnce } from '../shared/once.js';
import { Problem } from '../shared/problem.js';
import { html, useState } from '../shared/view.js';

/** The request of a prompt that uses a result. */
export const using = ({ result, request }, prompt) =>
  result.model_id ? { model: result.model_id, prompt } : { model: request.model, prompt, adapters: [{ id: result.adapter_id }] };

/** @param {{run: object}} props a run that has succeeded */
export function TryIt({ run }) {
  const [prompt, setPrompt] = useState(run.request.validation_prompts[0] ?? run.request.trigger ?? '');
  const [shown, setShown] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const make = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await developed(await sendOnce('v1/generations', using(run, prompt)), setShown);
    } catch (refused) {
      setError(refused);
    }
    setBusy(false);
  };
  return html`
    <form class="try-it" onSubmit=${make} aria-label="Try it">
      <label class="field">
        <span>Try it</span>
        <input name="try" maxlength="2000" value=${prompt} onInput=${(event) => setPrompt(event.target.value)} />
      </label>
      <button class="primary" disabled=${busy}>${busy ? 'Making …' : 'Make a picture'}</button>
      <${Problem} error=${error} />
      ${shown && html`<img src=${shown} alt=${`Made with it: ${prompt}`} />`}
    </form>
  `;
}

/** Shows a job's picture as it comes. @throws {Error} where none does */
async function developed({ id }, show) {
  for await (const { name, data } of follow(`v1/jobs/${id}/events?previews=true`)) {
    if (name === 'preview') show(`data:${data.media_type};base64,${data.data}`);
    if (name === 'image') show(pictureAddress(data));
    if (name === 'failed') throw Object.assign(new Error(data.error.message), { code: data.error.code });
  }
}
