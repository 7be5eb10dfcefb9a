/** Station 3: the first noise, and how much of the picture there is at each step. */

import { html, useState } from '../shared/view.js';
import { station } from './content.js';
import { Curve } from './curve.js';
import { Button, NumberField } from './fields.js';
import { Tile } from './maps.js';
import { changed } from './run.js';
import { latentsTile, placeOf } from './tiles.js';
import { Knob, Runs, Shown, Station, StepSlider } from './station.js';
import { figure } from './trace.js';

const about = station('noise');

export function Noise({ view }) {
  return html`<${Station} about=${about} view=${view}>
    ${
      view.base &&
      html`<${StepSlider} view=${view} id="noise-step" />
        <${Runs} view=${view}>${(run) => html`<${Start} run=${run} view=${view} />`}<//>
        <${Seed} view=${view} />`
    }
  <//>`;
}

function Start({ run, view }) {
  const { schedule, seed } = run.trace;
  const now = schedule[placeOf(run, view.step)];
  return html`<div class="tiles">
      <${Shown} caption=${`Noise of seed ${seed}, which the run starts from`}>
        <${Tile}
          sprite=${run.latents}
          box=${latentsTile(run, 'noisy', 0)}
          label=${`Colourful noise, drawn from seed ${seed}`}
        />
      <//>
      <${Shown}
        caption=${`Step ${now.step}: σ ${figure(now.sigma)}, told to the network as timestep ${figure(now.timestep)}`}
      >
        <${Tile}
          sprite=${run.latents}
          box=${latentsTile(run, 'noisy', now.step)}
          label=${`The noisy latents that step ${now.step} starts from`}
        />
      <//>
    </div>
    <${Curve}
      run=${run}
      view=${view}
      name="the ratio"
      values=${schedule.map((one) => one.snr)}
      isLogarithmic
      label="Signal-to-noise ratio"
    />`;
}

function Seed({ view }) {
  const [seed, setSeed] = useState(8);
  const draw = (value) => {
    setSeed(value);
    view.make(changed(view.base, { seed: value }));
  };
  return html`<${Knob} about=${about} view=${view}>
    <div class="row">
      <${NumberField} says="Seed" value=${seed} onValue=${setSeed} />
      <${Button} onClick=${() => draw(seed)}>Start from this noise<//>
      <${Button} onClick=${() => draw(Math.floor(Math.random() * 1e6))}>Draw any other<//>
    </div>
  <//>`;
}
