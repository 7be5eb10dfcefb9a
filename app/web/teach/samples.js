/** Sample grids of a run: the newest, or the one that is looked at. */

import { html, useState } from '../shared/view.js';
import { KeptPicture } from './kept_picture.js';

/** @param {{id: string, samples: {step: number, prompts: string[]}[]}} props */
export function Samples({ id, samples }) {
  const [chosen, setChosen] = useState(null);
  if (samples.length === 0) return null;
  const place = chosen ?? samples.length - 1;
  const { step, prompts } = samples[Math.min(place, samples.length - 1)];
  const said = `After ${step} ${step === 1 ? 'step' : 'steps'}: ${prompts.join('; ')}`;
  const pick = (event) => {
    const wanted = Number(event.target.value);
    setChosen(wanted === samples.length - 1 ? null : wanted);
  };
  return html`
    <figure class="samples">
      <${KeptPicture} path=${`v1/fine-tunes/${id}/samples/${step}`} alt=${said} />
      <figcaption class="small-print">${said}</figcaption>
      ${samples.length > 1 &&
      html`<input
        type="range"
        min="0"
        max=${samples.length - 1}
        value=${place}
        style=${{ '--at': `${(100 * place) / (samples.length - 1)}%` }}
        aria-label="Which grid"
        aria-valuetext=${`after ${step} steps`}
        onInput=${pick}
      />`}
    </figure>
  `;
}
