/** Station 4: one step of the network, where a word is heard in it, and words and blocks that are left out. */

import { json } from '../shared/api.js';
import { html, useMemo, useState } from '../shared/view.js';
import { Blocks } from './blocks.js';
import { station } from './content.js';
import { Button, Choice, Slider } from './fields.js';
import { HeatMap, Legend } from './maps.js';
import { changed } from './run.js';
import { Knob, Runs, Shown, Station, StepSlider } from './station.js';
import { isMuted, meanAttention, percent, shareOf, whereabouts, wordsOf } from './trace.js';

const about = station('network');

export function Network({ view }) {
  return html`<${Station} about=${about} view=${view}>${view.base && html`<${Opened} view=${view} />`}<//>`;
}

function Opened({ view }) {
  const [isMean, setMean] = useState(false);
  const words = wordsOf(view.base.trace);
  const word = words[Math.min(view.word, words.length - 1)];
  const heardIn = (run) => ({
    word: word.text,
    positions: positionsIn(run, word.text),
    step: isMean ? null : view.step,
  });
  return html`<${StepSlider} view=${view} id="network-step">
      <label class="check">
        <input type="checkbox" checked=${isMean} onChange=${(event) => setMean(event.target.checked)} />
        <span>words over all steps</span>
      </label>
    <//>
    <${Chips} words=${words} view=${view} step=${isMean ? null : view.step} />
    <${Runs} view=${view}>${(run) => html`<${Heard} run=${run} heard=${heardIn(run)} />`}<//>
    <${Knob} about=${about} view=${view}><${Loudness} view=${view} word=${word} /><${Skipping} view=${view} /><//>
    <${Runs} view=${view}>${(run) => html`<${Blocks} run=${run} step=${view.step} heard=${heardIn(run)} />`}<//>`;
}

/** Where the word stands in a run, which may have other words; null where it does not. */
const positionsIn = (run, word) => wordsOf(run.trace).find((other) => other.text === word)?.positions ?? null;

function Chips({ words, view, step }) {
  const run = view.base;
  const shares = useMemo(
    () => run.trace.attention && words.map((word) => shareOf(run, word.positions, step)),
    [run, step],
  );
  return html`<div class="chips" role="group" aria-label="Words; point at one to see where it is heard">
      ${words.map((word, index) => {
        const choose = () => view.setWord(index);
        return html`<button
          type="button"
          class=${word.isSpecial && 'special'}
          aria-pressed=${index === view.word}
          onMouseEnter=${choose}
          onFocus=${choose}
          onClick=${choose}
        >
          ${word.text}${shares && html`<small>${percent(shares[index])}</small>`}
        </button>`;
      })}
    </div>
    ${shares && html`<p class="note">${restInWords(shares)}</p>`}`;
}

const restInWords = (shares) =>
  `In per cent, how much of all that is heard goes to each. The rest, ${percent(1 - shares.reduce((sum, share) => sum + share))}, ` +
  'goes to the empty places behind the prompt.';

function Heard({ run, heard: { word, positions, step } }) {
  const map = useMemo(() => positions && run.trace.attention && meanAttention(run, positions, step), [run, word, step]);
  if (!map) return html`<p class="note">${`There is no “${word}” in this run.`}</p>`;
  const most = Math.max(...map.values);
  const when = step === null ? 'over all steps' : `at step ${step}`;
  const isHeard = isMuted(run, positions, step) ? 'would be heard, were it not muted,' : 'is heard';
  const where = `Where “${word}” ${isHeard} ${when}: ${whereabouts(map)}, at most ${percent(most)}`;
  return html`<div class="tiles">
    <${Shown} caption=${`${where}. All blocks averaged.`}>
      <${HeatMap} map=${map} max=${most} label=${where} isSmooth />
      <${Legend} from="0 %" to=${percent(most)} />
    <//>
    <${Shown} caption="The picture that came of it">
      <img class="map" src=${run.address} alt=${`The picture of “${run.job.request.prompt}”`} />
    <//>
  </div>`;
}

function Loudness({ view, word }) {
  const [factor, setFactor] = useState(2);
  const intervene = (one) =>
    view.make(changed(view.base, { intervene: word.positions.map((token) => ({ ...one, token })) }));
  return html`<div class="row">
    <${Button} onClick=${() => intervene({ kind: 'mute_token' })}>${`Mute “${word.text}”`}<//>
    <${Slider}
      says=${`or hear it ${factor} times as much`}
      min="-2"
      max="4"
      step="0.5"
      value=${factor}
      onValue=${setFactor}
    />
    <${Button} onClick=${() => intervene({ kind: 'scale_token', factor })}>Do that<//>
  </div>`;
}

/** The blocks that may be left out are asked for when they are wanted: a worker tells of them some time after its first run. */
function Skipping({ view }) {
  const [names, setNames] = useState([]);
  const [chosen, setChosen] = useState(null);
  const { model } = view.base.trace;
  const block = chosen ?? names[0];
  const opened = ({ target }) => {
    if (target.open) json(`v1/models/${model}/architecture`).then((found) => setNames(skippable(found)), view.fail);
  };
  return html`<details onToggle=${opened}>
    <summary>Or leave a whole block out</summary>
    <div class="row">
      <${Choice} says="Block" value=${block} options=${names.map((name) => [name, name])} onValue=${setChosen} />
      <${Button}
        disabled=${!block}
        onClick=${() => view.make(changed(view.base, { intervene: [{ kind: 'skip_block', block }] }))}
        >Skip it<//
      >
    </div>
  </details>`;
}

/** The names of the blocks that a run may leave out, at any depth. */
function skippable({ parts }) {
  const names = (blocks) => blocks.flatMap((one) => [...(one.can_skip ? [one.name] : []), ...names(one.blocks)]);
  return names(parts.find((part) => part.name === 'denoiser').blocks);
}
