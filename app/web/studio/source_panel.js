/** The picture that a request begins with, and what is to become of it. */

import { blob, pictureAddress, upload } from '../shared/api.js';
import { Choice, Slider } from '../shared/controls.js';
import { html, useRef } from '../shared/view.js';
import { FrameEditor } from './frame_editor.js';
import { Mask } from './mask.js';
import { MaskEditor } from './mask_editor.js';

const NOWHERE = { left: 0, top: 0, right: 0, bottom: 0 };
const MODES = [
  ['change', 'Change it'],
  ['paint', 'Paint a part'],
  ['extend', 'Extend it'],
];

const begun = (id, url, width, height) => ({
  id,
  url,
  width,
  height,
  mode: 'change',
  strength: 0.75,
  remove: false,
  mask: new Mask(width, height),
  expand: NOWHERE,
});

/** A source from a file of this machine, which is sent. @param {Blob} file */
export async function sourceOfFile(file) {
  const kept = await upload(file, file.name);
  const url = URL.createObjectURL(await blob(`v1/files/${kept.id}/content`));
  return begun(kept.id, url, kept.width, kept.height);
}

/** A source from a picture that was made here. @param {object} image an image of a job */
export async function sourceOfImage(image) {
  const url = URL.createObjectURL(await blob(pictureAddress(image)));
  return begun(image.id, url, image.width, image.height);
}

/**
 * @param {{source: object | null, limits: object, set: (source: object | null) => void, choose: (file: File) => void}} props
 */
export function SourcePanel({ source, limits, set, choose }) {
  return html`
    <section class="panel-part" aria-label="Picture to begin with">
      ${source === null ? html`<${DropZone} choose=${choose} />` : html`<${Chosen} ...${{ source, limits, set }} />`}
    </section>
  `;
}

function DropZone({ choose }) {
  const input = useRef(null);
  const take = (event) => {
    const [file] = event.target.files;
    event.target.value = '';
    if (file) choose(file);
  };
  return html`
    <button type="button" class="drop-zone" onClick=${() => input.current.click()}>
      <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
        <rect x="1.5" y="2.5" width="13" height="11" rx="1.5" /><path d="m2 12 4-4 3 3 2-2 3 3" /><circle cx="11" cy="6" r="1" />
      </svg>
      <span>Begin with a picture <span class="small-print">drop one anywhere, or choose</span></span>
    </button>
    <input ref=${input} type="file" hidden accept="image/png,image/jpeg,image/webp" aria-label="Picture to begin with" onChange=${take} />
  `;
}

function Chosen({ source, limits, set }) {
  const change = (changes) => set({ ...source, ...changes });
  return html`
    <div class="row">
      <h3>Begin with this picture</h3>
      <button type="button" class="quiet" onClick=${() => set(null)}>Take it out</button>
    </div>
    <${Choice} label="What becomes of the picture" value=${source.mode} options=${MODES} set=${(mode) => change({ mode })} />
    ${source.mode === 'change' && html`<${Changing} ...${{ source, change }} />`}
    ${source.mode === 'paint' && html`<${Painting} ...${{ source, change }} />`}
    ${source.mode === 'extend' && html`<${FrameEditor} ...${{ source, limits }} set=${(expand) => change({ expand })} />`}
  `;
}

function Changing({ source, change }) {
  return html`
    <img class="source-picture" src=${source.url} alt="The picture to change" />
    <${Slider}
      label="How far it may go"
      name="strength"
      value=${source.strength}
      min=${0.05}
      max=${1}
      step=${0.05}
      hint="Low keeps shapes and colours, 1 keeps next to nothing."
      set=${(strength) => change({ strength })}
    />
  `;
}

function Painting({ source, change }) {
  return html`
    <${MaskEditor} source=${source} key=${source.id} />
    <label class="check">
      <input type="checkbox" checked=${source.remove} onChange=${(event) => change({ remove: event.target.checked })} />
      <span>Remove what is there <span class="small-print">fills it with what is around it; the prompt stays empty</span></span>
    </label>
  `;
}
