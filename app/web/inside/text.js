/** Station 2: how near the tokens' vectors are to one another, and another sentence from some step on. */

import { html, useState } from '../shared/view.js';
import { station } from './content.js';
import { Button, Slider, TextField } from './fields.js';
import { css, isLight, Legend } from './maps.js';
import { changed } from './run.js';
import { Knob, Runs, Station } from './station.js';
import { endsOf } from './tiles.js';
import { figure } from './trace.js';

const about = station('text');

export function Text({ view }) {
  return html`<${Station} about=${about} view=${view}>
    ${view.base && html`<${Runs} view=${view}>${(run) => html`<${Closeness} run=${run} view=${view} />`}<//><${Swap} view=${view} />`}
  <//>`;
}

function Closeness({ run, view }) {
  const { tokens, text } = run.trace;
  const lengths = tokens.map((token, place) => `${token.text} ${figure(text.norms[place])}`).join(', ');
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Table of cosines">
      <table class="closeness">
        <caption>
          Cosine between the vectors of two tokens
        </caption>
        <thead>
          <tr>
            <td></td>
            ${tokens.map((token) => html`<th scope="col">${token.text}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${tokens.map(
            (token, row) =>
              html`<tr>
                <th scope="row">${token.text}</th>
                ${tokens.map((_, column) => html`<${Cell} value=${text.similarities[row][column]} />`)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <${Legend} from="0" to="1" />
    <p class="note">${`${nearest(run)} Lengths of the vectors: ${lengths}.`}</p>`;
}

function Cell({ value }) {
  const part = Math.max(0, value);
  return html`<td style=${{ background: css(part), color: isLight(part) ? '#000' : '#fff' }}>${value.toFixed(2)}</td>`;
}

/** In words, which two of the prompt's tokens are closest. */
function nearest({ trace: { tokens, text } }) {
  const spoken = tokens.map((token, place) => ({ ...token, place })).filter((token) => !token.is_special);
  const pairs = spoken.flatMap((one, index) =>
    spoken.slice(index + 1).map((other) => [text.similarities[one.place][other.place], one, other]),
  );
  if (pairs.length === 0) return '';
  const [value, one, other] = pairs.reduce((best, pair) => (pair[0] > best[0] ? pair : best));
  return `“${one.text}” and “${other.text}” are closest here (${value.toFixed(2)}).`;
}

function Swap({ view }) {
  const [, last] = endsOf(view.base);
  const [prompt, setPrompt] = useState('a green apple');
  const [from, setFrom] = useState(0);
  const swap = () =>
    view.make(changed(view.base, { intervene: [{ kind: 'swap_prompt', prompt, step_from: Math.min(from, last) }] }));
  return html`<${Knob} about=${about} view=${view}>
    <div class="row">
      <${TextField} says="Another sentence" size="26" value=${prompt} onValue=${setPrompt} />
      <${Slider} says=${`from step ${Math.min(from, last)} on`} min="0" max=${last} value=${from} onValue=${setFrom} />
      <${Button} disabled=${!prompt.trim()} onClick=${swap}>Let it hear that<//>
    </div>
  <//>`;
}
