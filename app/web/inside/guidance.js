/** Station 5: the prediction with words and the one without, what is between them, and how far to go along it. */

import { html, useEffect, useRef, useState } from '../shared/view.js';
import { json } from '../shared/api.js';
import { station } from './content.js';
import { Curve } from './curve.js';
import { Button, Choice, Slider } from './fields.js';
import { Legend, Tile } from './maps.js';
import { changed } from './run.js';
import { Knob, Runs, Shown, Station, StepSlider } from './station.js';
import { guidanceTile, placeOf, stepOf } from './tiles.js';
import { figure } from './trace.js';

const about = station('guidance');
const PATIENCE_MILLISECONDS = 350;

export function Guidance({ view }) {
  return html`<${Station} about=${about} view=${view}>
    ${
      view.base &&
      html`<${StepSlider} view=${view} id="guidance-step" />
        <${Runs} view=${view}>${(run) => html`<${Predictions} run=${run} view=${view} />`}<//>
        <${Knob} about=${about} view=${view}><${Scale} view=${view} /><${Nudge} view=${view} /><//>`
    }
  <//>`;
}

function Predictions({ run, view }) {
  const { steps, guidance } = run.trace;
  const now = stepOf(run, view.step);
  return html`${
    guidance && now.guidance
      ? html`<div class="tiles">
            <${Prediction} run=${run} step=${now.step} row="conditional" caption="With your words" />
            <${Prediction} run=${run} step=${now.step} row="unconditional" caption="Without them" />
            <${Prediction}
              run=${run}
              step=${now.step}
              row="difference"
              caption="How far they are apart, mean over channels"
            />
          </div>
          <p class="note">${inWords(now)}</p>
          <${Curve}
            run=${run}
            view=${view}
            name="the difference"
            values=${steps.map((one) => (one.guidance ? 100 * one.guidance.relative_norm : null))}
            unit=" %"
            label="Length of the difference, as a part of that of the prediction without words"
          />`
      : html`<p class="note">
          This run asks the network once a step: guidance is off, and the prediction with words is all there is.
        </p>`
  }
  ${
    now.classifier &&
    html`<${Curve}
      run=${run}
      view=${view}
      name="the logarithm"
      values=${steps.map((one) => one.classifier?.log_probability ?? null)}
      label="Logarithm of the probability that the classifier gives its label (0 is certain)"
    />`
  }`;
}

const inWords = ({ step, guidance: { relative_norm: length, cosine } }) =>
  `At step ${step} the difference is ${figure(100 * length, 2)} % as long as the prediction without words; the cosine ` +
  `between the two predictions is ${figure(cosine)}.`;

function Prediction({ run, step, row, caption }) {
  return html`<${Shown} caption=${caption}>
    <${Tile} sprite=${run.guidance} box=${guidanceTile(run, row, step)} label=${`${caption}, at step ${step}`} />
    ${row === 'difference' && html`<${Legend} to=${figure(run.trace.guidance.scales[placeOf(run, step)], 2)} isGrey />`}
  <//>`;
}

/** The slider runs the model when it rests. */
function Scale({ view }) {
  const [scale, setScale] = useState(view.base.trace.guidance_scale ?? 1);
  const waiting = useRef(0);
  useEffect(() => setScale(view.base.trace.guidance_scale ?? 1), [view.base]);
  useEffect(() => () => clearTimeout(waiting.current), []);
  const moved = (value) => {
    setScale(value);
    clearTimeout(waiting.current);
    waiting.current = setTimeout(() => view.make(changed(view.base, guided(value))), PATIENCE_MILLISECONDS);
  };
  return html`<div class="row wide">
    <${Slider}
      says=${`Guidance scale ${scale}: ${meaning(scale)}`}
      min="-2"
      max="10"
      step="0.5"
      value=${scale}
      onValue=${moved}
    />
  </div>`;
}

/** From 1 on a request can say it by itself; below that the two predictions are mixed on the way. */
const guided = (scale) =>
  scale >= 1 ? { guidance: [{ kind: 'classifier_free', scale }] } : { intervene: [{ kind: 'set_guidance', scale }] };

const meaning = (scale) => {
  if (scale < 0) return 'away from your words';
  if (scale === 0) return 'the prediction without words';
  if (scale < 1) return 'between the two predictions';
  if (scale === 1) return 'the prediction with words';
  return `${figure(scale)} times the difference`;
};

function Nudge({ view }) {
  const [classifiers, setClassifiers] = useState([]);
  const [label, setLabel] = useState(null);
  const [scale, setScale] = useState(5);
  useEffect(() => {
    json('v1/classifiers').then((list) => setClassifiers(list.data), view.fail);
  }, []);
  const fitting = classifiers.find((one) => one.kind === 'latents' && one.models.includes(view.base.trace.model));
  if (!fitting) return null;
  const chosen = label ?? fitting.labels[0];
  const way = { kind: 'classifier', classifier: fitting.id, label: chosen, scale };
  const nudged = (change) => view.make(changed(view.base, { guidance: [way], ...change }));
  return html`<div class="row">
    <${Choice}
      says=${`Classifier ${fitting.id}: nudge towards`}
      value=${chosen}
      options=${fitting.labels.map((one) => [one, one])}
      onValue=${setLabel}
    />
    <${Slider} says=${`by ${scale}`} min="1" max="20" value=${scale} onValue=${setScale} />
    <${Button} onClick=${() => nudged({})}>Nudge instead of guiding<//>
    <${Button} onClick=${() => nudged({ prompt: '' })}>Nudge without any words<//>
  </div>`;
}
