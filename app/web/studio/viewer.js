/** One picture, large: how it was made, and what can be done with it. */

import { blob, json, pictureAddress } from '../shared/api.js';
import { Problem } from '../shared/problem.js';
import { useSignal } from '../shared/signal.js';
import { html, useEffect, useId, useRef, useState } from '../shared/view.js';
import { addressOf, entries, entryOf, remove } from './entries.js';
import { save } from '../shared/files.js';
import { Facts } from './facts.js';
import { nameOf } from './tile.js';

/** The request of one picture of a job alone. */
export const requestOfImage = (entry, image) => ({ ...entry.request, seed: image.seed, num_images: 1 });

/**
 * @param {{shown: {id: string, index: number}, show: (shown: object) => void, close: () => void,
 *   again: (request: object) => Promise<void>, begin: (image: object) => Promise<void>,
 *   reuse: (request: object) => void}} props
 */
export function Viewer({ shown, show, close, again, begin, reuse }) {
  const all = useSignal(entries);
  const label = useId();
  const dialog = useRef(null);
  const [error, setError] = useState(null);
  const entry = entryOf(shown.id);
  const image = entry?.images.find(({ index }) => index === shown.index);
  useEffect(() => dialog.current?.showModal(), []);
  useEffect(() => setError(null), [shown]);
  const whole = useWhole(entry, image);
  if (!image) return null;
  const around = neighbours(all, entry, shown);
  const press = (event) => {
    const to = { ArrowLeft: around.before, ArrowRight: around.after }[event.key];
    if (to && !event.target.closest('[role=tablist], pre')) show(to);
  };
  const attempt = (act) => async () => {
    try {
      await act();
    } catch (refused) {
      setError(refused);
    }
  };
  const make = (changes) =>
    attempt(async () => {
      await again(changes);
      close();
    });
  const request = requestOfImage(entry, image);
  const { prompt, negative_prompt: negative, model } = request;
  const edit = { prompt, model, image: image.id, ...(negative && { negative_prompt: negative }) };
  const acts = [
    ['Again', make(request), 'The same request, and so the same picture'],
    ['Vary', make({ ...edit, variation: 0.4, num_images: 4 }), 'Four pictures like this one'],
    ['Enlarge ×2', make({ ...edit, upscale: 2 }), 'Twice the size, details drawn anew'],
    ['Begin with it', attempt(() => begin(image)), 'Change it, paint a part of it, or extend it'],
    ['Use its settings', () => reuse(request), 'Its request, in the fields'],
    ['Save', attempt(async () => save(await bytesOf(entry, image), `${image.id}.${extensionOf(image)}`)), 'The file, with its settings in it'],
  ];
  const drop = () => {
    remove(entry.id);
    close();
  };
  return html`
    <dialog ref=${dialog} class="viewer" aria-labelledby=${label} onClose=${close} onKeyDown=${press}>
      <div class="viewer-picture">
        <img src=${whole ?? addressOf(image)} alt=${nameOf(entry)} width=${image.width} height=${image.height} />
        <${Turn} label="The picture before" to=${around.before} show=${show} sign="‹" />
        <${Turn} label="The picture after" to=${around.after} show=${show} sign="›" />
      </div>
      <div class="viewer-side">
        <div class="dialog-head">
          <h2 id=${label}>${nameOf(entry)}</h2>
          <button class="quiet" aria-label="Close" onClick=${close}>×</button>
        </div>
        <div class="acts">
          ${acts.map(([name, act, why]) => html`<button key=${name} title=${why} onClick=${act}>${name}</button>`)}
        </div>
        <${Problem} error=${error} />
        <${Facts} entry=${entry} request=${request} image=${image} />
        <div class="actions">
          <a class="button quiet" href=${`inside?job=${entry.id}`}>Look inside</a>
          <button class="quiet" onClick=${drop}>Remove from the history</button>
        </div>
      </div>
    </dialog>
  `;
}

/** An address of the picture itself, where only a smaller one is kept here; null until it has come. */
function useWhole(entry, image) {
  const [address, setAddress] = useState(null);
  useEffect(() => {
    setAddress(null);
    if (!image || image.exact) return undefined;
    const shown = { url: null, here: true };
    const show = (content) => {
      if (!shown.here) return;
      shown.url = URL.createObjectURL(content);
      setAddress(shown.url);
    };
    bytesOf(entry, image).then(show, () => {});
    return () => {
      shown.here = false;
      if (shown.url !== null) URL.revokeObjectURL(shown.url);
    };
  }, [image?.id]);
  return address;
}

function Turn({ label, to, show, sign }) {
  return html`<button class="turn" aria-label=${label} disabled=${!to} onClick=${() => show(to)}>${sign}</button>`;
}

function neighbours(all, entry, { id, index }) {
  const among = all.filter((other) => other.kind === 'job' && other.sheet === entry.sheet);
  const places = among.flatMap((other) => other.images.map((image) => ({ id: other.id, index: image.index })));
  const at = places.findIndex((place) => place.id === id && place.index === index);
  return { before: places[at - 1], after: places[at + 1] };
}

const extensionOf = ({ media_type: mediaType }) => mediaType.split('/')[1].replace('jpeg', 'jpg');

/** The bytes as they were made: those that are kept here, or what the service has under a fresh address. */
export async function bytesOf(entry, image) {
  return image.exact ? image.picture : blob(pictureAddress(await freshImage(entry, image)));
}

/** The image as its job shows it now. @throws {ApiError} where the service has removed it */
async function freshImage(entry, image) {
  const job = await json(`v1/jobs/${entry.id}`);
  return job.images.find(({ id }) => id === image.id) ?? image;
}
