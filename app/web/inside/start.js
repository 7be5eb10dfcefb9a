/** The top of the page: a prompt and one button, then the run, the changed one beside it, and the link to both. */

import { copy } from '../shared/clipboard.js';
import { html, useEffect, useState } from '../shared/view.js';
import { Choice } from './fields.js';

export function Start({ view }) {
  const [prompt, setPrompt] = useState('a red apple');
  const [chosen, setChosen] = useState(null);
  const own = view.base?.job.request.prompt;
  useEffect(() => {
    if (own) setPrompt(own);
  }, [own]);
  const models = view.models.filter((one) => one.trace_kinds.length > 0);
  const model = chosen ?? models[0]?.id;
  const begin = (event) => {
    event.preventDefault();
    view.begin({ model, prompt, seed: 7 });
  };
  return html`<section class="start" aria-labelledby="title">
    <h1 id="title">Inside a picture</h1>
    <p class="prose">
      Seven stations from your words to a picture, each with the real numbers of your own run, and something to change.
      A run takes about a second on the small model in the box.
    </p>
    <form onSubmit=${begin}>
      <label class="field"
        ><span>Prompt</span>
        <input
          type="text"
          name="prompt"
          maxlength="300"
          required
          value=${prompt}
          onInput=${(event) => setPrompt(event.target.value)}
        />
      </label>
      ${
        models.length > 1 &&
        html`<${Choice} says="Model" value=${model} options=${models.map(({ id }) => [id, id])} onValue=${setChosen} />`
      }
      <button class="primary" disabled=${!model}>Make it and look inside</button>
    </form>
    ${view.base && html`<${Results} view=${view} />`}
  </section>`;
}

function Results({ view }) {
  const { base, branch, changes } = view;
  return html`<div class="results">
    <${Result} run=${base} name=${branch ? 'Base' : 'Your run'} />
    ${branch && html`<${Result} run=${branch} name=${`Changed: ${changes.join('; ') || 'nothing'}`} />`}
    <div class="column">
      ${branch && html`<button type="button" onClick=${view.adopt}>Go on from the changed one</button><button type="button" onClick=${view.drop}>Put it away</button>`}
      <${Share} />
    </div>
  </div>`;
}

function Result({ run, name }) {
  const { prompt, seed } = run.job.request;
  return html`<figure>
    <img
      class="map"
      src=${run.address}
      alt=${`The picture of “${prompt}”, seed ${seed}`}
      data-sha256=${run.picture.sha256}
    />
    <figcaption>${name}</figcaption>
  </figure>`;
}

function Share() {
  const [isCopied, setCopied] = useState(false);
  const share = async () => setCopied(await copy(location.href));
  return html`<button type="button" class="quiet" onClick=${share}>
      ${isCopied ? 'Copied' : 'Copy the link to this view'}
    </button>
    <p class="small-print">Whoever may see the job at this service sees what you see.</p>`;
}
