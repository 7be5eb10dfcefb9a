/** The frame of each station: its name, what it says, where it comes from, the way on; and two runs side by side. */

import { html } from '../shared/view.js';
import { STATIONS, numberOf } from './content.js';
import { endsOf } from './tiles.js';

/** One station; its own view is within. */
export function Station({ about, view, children }) {
  const { base } = view;
  const isThere = base && about.needs.every((name) => base.trace[name]?.length !== 0 && base.trace[name] !== null);
  const number = numberOf(about.id);
  const next = STATIONS[number];
  const title = `${about.id}-title`;
  return html`<section id=${about.id} class="station" aria-labelledby=${title} tabindex="-1">
    <p class="component">Station ${number} of ${STATIONS.length} · ${about.component}</p>
    <h2 id=${title}>${about.title}</h2>
    <div class="prose">${about.says.map((text) => html`<p>${text}</p>`)}</div>
    ${isThere ? children : html`<p class="empty">${base ? unrecorded(base.trace) : NOTHING_YET}</p>`}
    <footer>
      <p>
        ${'From '}${about.papers.map(linked)}${'. Done here in '}<a href=${`inside/source/${about.source}`}
          ><code>${about.source}</code></a
        >.
      </p>
      ${
        next
          ? html`<a class="next" href=${`#${next.id}`}>Next: ${next.title} →</a>`
          : html`<a class="next" href="#top">Back to the picture ↑</a>`
      }
    </footer>
  </section>`;
}

const NOTHING_YET = 'Nothing to see yet: make a run at the top of the page first.';
const unrecorded = ({ model, notes }) => `Runs of ${model} keep no record of this. ${notes.join(' ')}`;

const linked = ({ who, url }, index) => html`${index > 0 && ', '}<a href=${url} rel="noreferrer">${who}</a>`;

/** What each run has to show, the changed one beside the base. `children` is a function of a run. */
export function Runs({ view, children }) {
  const { base, branch, changes } = view;
  return html`<div class=${branch ? 'runs two' : 'runs'}>
    <div class="run">${branch && html`<h3><${Thumbnail} run=${base} />Base</h3>`}${children(base)}</div>
    ${
      branch &&
      html`<div class="run changed">
        <h3><${Thumbnail} run=${branch} />${`Changed: ${changes.join('; ') || 'nothing'}`}</h3>
        ${children(branch)}
      </div>`
    }
  </div>`;
}

const Thumbnail = ({ run }) => html`<img src=${run.address} alt="" width="44" height="44" />`;

/** What can be changed here; says what to try. */
export function Knob({ about, view, children }) {
  return html`<fieldset class="knob">
    <legend>Try it</legend>
    <p>${about.try}</p>
    ${children}
  </fieldset>`;
}

/** A slider over the steps of the run; all stations share where it stands. */
export function StepSlider({ view, id, children }) {
  const [first, last] = endsOf(view.base);
  return html`<div class="steps">
    <label for=${id}>Step <b>${view.step}</b> of ${last}</label>
    <input
      id=${id}
      type="range"
      min=${first}
      max=${last}
      value=${view.step}
      onInput=${(event) => view.setStep(Number(event.target.value))}
    />
    ${children}
  </div>`;
}

/** A picture, map or curve with its caption. */
export const Shown = ({ caption, children }) =>
  html`<figure>
    ${children}
    <figcaption>${caption}</figcaption>
  </figure>`;
