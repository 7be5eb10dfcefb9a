/** Station 7: the stack of maps that the picture was, the way to pixels and back, and what it costs. */

import { html, useState } from '../shared/view.js';
import { station } from './content.js';
import { Button, Choice } from './fields.js';
import { Legend, Tile } from './maps.js';
import { changed } from './run.js';
import { Knob, Runs, Shown, Station } from './station.js';
import { autoencoderTile } from './tiles.js';
import { figure } from './trace.js';

const about = station('autoencoder');
const SIZES = [64, 96, 128, 192, 256];

export function Autoencoder({ view }) {
  return html`<${Station} about=${about} view=${view}>
    ${view.base && html`<${Runs} view=${view}>${(run) => html`<${RoundTrip} run=${run} />`}<//><${Size} view=${view} />`}
  <//>`;
}

function RoundTrip({ run }) {
  const { autoencoder, width, height, seconds } = run.trace;
  const [channels, high, wide] = autoencoder.shape;
  const numPixels = (width * height * 3).toLocaleString('en');
  const numLatents = (channels * high * wide).toLocaleString('en');
  const sums =
    `${numPixels} numbers as pixels, ${numLatents} as latents: ${figure(autoencoder.compression)} times fewer. ` +
    `The round trip keeps ${figure(autoencoder.psnr)} dB. Decoding took ${figure(1000 * seconds.autoencoder)} ms of ` +
    `${figure(1000 * seconds.total)} ms.`;
  return html`<h3 class="label">Latents: ${channels} channels of ${wide} × ${high}</h3>
    <div class="tiles small">
      ${Array.from(
        { length: channels },
        (_, channel) =>
          html`<${Shown} caption=${`channel ${channel}`}>
            <${Tile}
              sprite=${run.autoencoder}
              box=${autoencoderTile(run, `channel_${channel}`)}
              label=${`Latent channel ${channel}, in grey`}
            />
          <//>`,
      )}
    </div>
    <div class="tiles">
      <${Shown} caption="Decoded"
        ><${Tile} sprite=${run.autoencoder} box=${autoencoderTile(run, 'picture')} label="The decoded picture"
      /><//>
      <${Shown} caption="Encoded and decoded once more"
        ><${Tile}
          sprite=${run.autoencoder}
          box=${autoencoderTile(run, 'round_trip')}
          label="The picture after another round trip"
      /><//>
      <${Shown} caption="What the round trip changed">
        <${Tile}
          sprite=${run.autoencoder}
          box=${autoencoderTile(run, 'difference')}
          label="The difference between the two"
        />
        <${Legend} to="32 tones of 255" isGrey />
      <//>
    </div>
    <p class="note">${sums}</p>`;
}

function Size({ view }) {
  const [side, setSide] = useState(192);
  return html`<${Knob} about=${about} view=${view}>
    <div class="row">
      <${Choice}
        says="Width and height"
        value=${side}
        options=${SIZES.map((size) => [size, `${size} pixels`])}
        onValue=${(value) => setSide(Number(value))}
      />
      <${Button} onClick=${() => view.make(changed(view.base, { width: side, height: side }))}>Make it in that size<//>
    </div>
  <//>`;
}
