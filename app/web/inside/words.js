/** Station 1: the tokens of the prompt, and the prompt with a word taken away or exchanged. */

import { html, useState } from '../shared/view.js';
import { station } from './content.js';
import { Button, Choice, TextField } from './fields.js';
import { changed } from './run.js';
import { Knob, Runs, Station } from './station.js';
import { spokenWords, withWord } from './trace.js';

const about = station('words');

export function Words({ view }) {
  return html`<${Station} about=${about} view=${view}>
    ${view.base && html`<${Runs} view=${view}>${(run) => html`<${Tokens} run=${run} />`}<//><${Exchange} view=${view} />`}
  <//>`;
}

function Tokens({ run }) {
  const { tokens, truncated } = run.trace;
  const cut = truncated ? 'for the prompt was longer than the text encoder reads, and was cut' : 'none was cut off';
  return html`<p class="prompt">“${run.job.request.prompt}”</p>
    <ol class="tokens" aria-label="Tokens, each with its number in the vocabulary">
      ${tokens.map((token) => html`<li class=${token.is_special ? 'special' : ''}><b>${token.text}</b><small>${token.id}</small></li>`)}
    </ol>
    <p class="note">${`${tokens.length} tokens, ${cut}. Those in dashes are marks that the tokenizer adds.`}</p>`;
}

function Exchange({ view }) {
  const words = spokenWords(view.base.trace);
  const [index, setIndex] = useState(0);
  const [replacement, setReplacement] = useState('green');
  const chosen = words[Math.min(index, words.length - 1)];
  const prompt = view.base.job.request.prompt;
  const say = (other) => {
    const said = withWord(prompt, words, words.indexOf(chosen), other);
    if (said === null) view.fail(new Error(`“${chosen.text}” is not found in the prompt as it was written.`));
    else if (said === '') view.fail(new Error('It is the only word; nothing would be left to draw.'));
    else view.make(changed(view.base, { prompt: said }));
  };
  if (!chosen) return null;
  return html`<${Knob} about=${about} view=${view}>
    <div class="row">
      <${Choice}
        says="Word"
        value=${words.indexOf(chosen)}
        options=${words.map((word, place) => [place, word.text])}
        onValue=${(value) => setIndex(Number(value))}
      />
      <${Button} onClick=${() => say('')}>Take it away<//>
      <${TextField} says="or instead of it" size="12" value=${replacement} onValue=${setReplacement} />
      <${Button} disabled=${!replacement.trim()} onClick=${() => say(replacement)}>Exchange it<//>
    </div>
  <//>`;
}
