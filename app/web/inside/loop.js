/** Station 6: the steps one after another, the noisy latents beside the estimate, and branches from any of them. */

import { html, useEffect, useState } from '../shared/view.js';
import { station } from './content.js';
import { Curve } from './curve.js';
import { Button, TextField } from './fields.js';
import { Tile } from './maps.js';
import { branched } from './run.js';
import { Knob, Runs, Shown, Station, StepSlider } from './station.js';
import { endsOf, latentsTile, stepOf } from './tiles.js';
import { figure } from './trace.js';

const about = station('loop');
const STEP_MILLISECONDS = 250;

export function Loop({ view }) {
  return html`<${Station} about=${about} view=${view}>
    ${
      view.base &&
      html`<${StepSlider} view=${view} id="loop-step"><${Play} view=${view} /><//>
        <${Runs} view=${view}>${(run) => html`<${Step} run=${run} view=${view} />`}<//>
        <${Branch} view=${view} />`
    }
  <//>`;
}

function Play({ view }) {
  const [isPlaying, setPlaying] = useState(false);
  const [first, last] = endsOf(view.base);
  useEffect(() => {
    if (!isPlaying) return undefined;
    if (view.step >= last) {
      setPlaying(false);
      return undefined;
    }
    const waiting = setTimeout(() => view.setStep(view.step + 1), STEP_MILLISECONDS);
    return () => clearTimeout(waiting);
  }, [isPlaying, view.step]);
  const pressed = () => {
    if (!isPlaying && view.step >= last) view.setStep(first);
    setPlaying(!isPlaying);
  };
  return html`<${Button} onClick=${pressed}>${isPlaying ? 'Stop' : 'Play'}<//>`;
}

function Step({ run, view }) {
  const { steps } = run.trace;
  const now = stepOf(run, view.step);
  return html`<div class="tiles">
      <${Shown} caption=${`Noisy latents that step ${now.step} starts from`}>
        <${Tile}
          sprite=${run.latents}
          box=${latentsTile(run, 'noisy', now.step)}
          label=${`The noisy latents before step ${now.step}, as colours`}
        />
      <//>
      <${Shown} caption="What they are taken to become">
        <${Tile}
          sprite=${run.latents}
          box=${latentsTile(run, 'denoised', now.step)}
          label=${`The estimate of the finished latents at step ${now.step}, as colours`}
        />
      <//>
      <${Shown} caption="What became of them"
        ><img class="map" src=${run.address} alt=${`The picture of “${run.job.request.prompt}”`}
      /><//>
    </div>
    <p class="note">
      ${`Step ${now.step}: σ ${figure(now.sigma)}, signal to noise ${figure(now.snr)}, ${figure(1000 * now.seconds)} ms.`}
    </p>
    <${Curve}
      run=${run}
      view=${view}
      name="σ"
      values=${steps.map((one) => one.sigma)}
      label="Strength of the noise, σ"
    />`;
}

function Branch({ view }) {
  const own = view.base.job.request.prompt;
  const [prompt, setPrompt] = useState(own);
  useEffect(() => setPrompt(own), [own]);
  const change = prompt === own ? {} : { prompt };
  return html`<${Knob} about=${about} view=${view}>
    <div class="row">
      <${TextField} says=${`Words from step ${view.step} on`} size="26" value=${prompt} onValue=${setPrompt} />
      <${Button} onClick=${() => view.make(branched(view.base, view.step, change))}
        >${`Branch off at step ${view.step}`}<//
      >
    </div>
    <p class="note">With the same words the branch is the same picture, to the last bit.</p>
  <//>`;
}
