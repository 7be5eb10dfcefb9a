/** The network block by block: what each answers at a step, and where it hears a word. */

import { html, useMemo } from '../shared/view.js';
import { HeatMap } from './maps.js';
import { Shown } from './station.js';
import { activationMap, placeOf } from './tiles.js';
import { attentionMap, count, figure, percent, whereabouts } from './trace.js';

/** On a phone they are many screens long, and wait to be opened. */
const isNarrow = matchMedia('(max-width: 44rem)').matches;

/** Cards in the order in which the latents pass. `heard` says of which word, at which step, null for all of them. */
export function Blocks({ run, step, heard }) {
  const attending = (name) => run.trace.attention?.blocks.filter((one) => `${one.name}.`.startsWith(`${name}.`)) ?? [];
  return html`<details open=${!isNarrow}>
    <summary>${`All ${run.trace.blocks.length} blocks, in the order in which the latents pass them`}</summary>
    <ol class="blocks">
      ${run.trace.blocks.map(
        (block) =>
          html`<${Block}
            key=${block.name}
            run=${run}
            block=${block}
            step=${step}
            heard=${heard}
            attending=${attending(block.name)}
          />`,
      )}
    </ol>
  </details>`;
}

function Block({ run, block, step, heard, attending }) {
  const [channels, height, width] = block.shape;
  const mean = figure(block.mean_activation[placeOf(run, step)]);
  const map = useMemo(() => activationMap(run, block, step), [run, block, step]);
  const label = `What ${block.name} answers at step ${step}: strongest ${map && whereabouts(map)}`;
  return html`<li>
    <h3><code>${block.name}</code></h3>
    <p class="note">
      ${`${block.kind}: ${channels} maps of ${width} × ${height}, ${count(block.num_parameters)} weights, mean answer ${mean}`}
    </p>
    <div class="tiles small">
      ${map && html`<${Shown} caption="its answer"><${HeatMap} map=${map} max=${1} label=${label} /><//>`}
      ${heard.positions && attending.map((one) => html`<${Hearing} run=${run} block=${one} heard=${heard} />`)}
    </div>
  </li>`;
}

function Hearing({ run, block, heard: { word, positions, step } }) {
  const map = useMemo(() => attentionMap(run, block, positions, step), [run, block, word, step]);
  const most = Math.max(...map.values);
  const label = `Where ${block.name} hears “${word}”: ${whereabouts(map)}, at most ${percent(most)}`;
  return html`<${Shown} caption=${`“${word}”, at most ${percent(most)}`}
    ><${HeatMap} map=${map} max=${most} label=${label}
  /><//>`;
}
