/** What is taught: the pictures of a data set, and what each of them is called. */

import { Select } from '../shared/controls.js';
import { Problem } from '../shared/problem.js';
import { useSignal } from '../shared/signal.js';
import { html, useEffect, useRef, useState } from '../shared/view.js';
import { caption, dataset, listed, open, problems, remove, takeOut } from './datasets.js';
import { KeptPicture } from './kept_picture.js';

const SHOWN_AT_FIRST = 24;
const ACCEPTED = '.png,.jpg,.jpeg,.webp,.txt,.jsonl,.zip';

/** @param {{choose: (files: File[]) => void, attempt: (act: () => Promise<void>) => void, error: Error | null, sending: boolean}} props */
export function Pictures({ choose, attempt, error, sending }) {
  const all = useSignal(listed) ?? [];
  const one = useSignal(dataset);
  const wrong = useSignal(problems);
  const options = [['', 'A new one'], ...all.map(({ id, name, num_pictures: count }) => [id, `${name || id} (${count})`])];
  return html`
    <section class="teach-pictures" aria-label="Pictures to learn from">
      <h2>1. Pictures</h2>
      ${all.length > 0 &&
      html`<div class="row">
        <${Select} label="Data set" value=${one?.id ?? ''} options=${options} set=${(id) => attempt(() => open(id))} />
        ${one && html`<button type="button" class="quiet" onClick=${() => attempt(remove)}>Remove it</button>`}
      </div>`}
      <${DropZone} ...${{ choose, sending }} again=${one !== null} />
      <${Problem} error=${error} />
      <${Wrong} problems=${wrong} />
      ${one && html`<${Captioned} key=${one.id} pictures=${one.pictures} attempt=${attempt} />`}
    </section>
  `;
}

function DropZone({ choose, sending, again }) {
  const input = useRef(null);
  const take = (event) => {
    const files = [...event.target.files];
    event.target.value = '';
    if (files.length) choose(files);
  };
  return html`
    <button type="button" class="drop-zone" disabled=${sending} onClick=${() => input.current.click()}>
      <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
        <rect x="1.5" y="2.5" width="13" height="11" rx="1.5" /><path d="m2 12 4-4 3 3 2-2 3 3" /><circle cx="11" cy="6" r="1" />
      </svg>
      <span>
        ${sending ? 'Looking at them …' : again ? 'Add pictures' : 'Drop pictures of one thing'}
        <span class="small-print">drop them anywhere, or choose: pictures, captions as .txt, or a zip of both</span>
      </span>
    </button>
    <input ref=${input} type="file" hidden multiple accept=${ACCEPTED} aria-label="Pictures to learn from" onChange=${take} />
  `;
}

/** What was left out, and why. */
function Wrong({ problems: found }) {
  if (found.length === 0) return null;
  return html`
    <div class="problem" role="status">
      <p>${found.length === 1 ? 'One file was' : `${found.length} files were`} not taken:</p>
      <ul class="wrong">
        ${found.map(
          ({ file_name: name, code, message }, place) => html`<li key=${place}><strong>${name}</strong>: ${message} <code>${code}</code></li>`,
        )}
      </ul>
    </div>
  `;
}

function Captioned({ pictures, attempt }) {
  const [shown, setShown] = useState(SHOWN_AT_FIRST);
  const bare = pictures.filter((picture) => picture.caption === '').length;
  return html`
    <p class="small-print" role="status">
      ${pictures.length} ${pictures.length === 1 ? 'picture' : 'pictures'}${bare > 0 && `, ${bare} without a caption`}
    </p>
    <ul class="captioned">
      ${pictures.slice(0, shown).map((picture) => html`<${Picture} key=${picture.index} ...${{ picture, attempt }} />`)}
    </ul>
    ${pictures.length > shown && html`<button type="button" onClick=${() => setShown(pictures.length)}>All ${pictures.length}</button>`}
  `;
}

function Picture({ picture, attempt }) {
  const { index, file_name: name, caption: kept, has_target: hasTarget } = picture;
  const [text, setText] = useState(kept);
  useEffect(() => setText(kept), [kept]);
  const keep = () => {
    if (text.trim() !== kept) attempt(() => caption(index, text));
  };
  const { id } = dataset.value;
  return html`
    <li>
      <${KeptPicture} path=${`v1/datasets/${id}/pictures/${index}/content`} alt=${kept || name} />
      <textarea
        rows="2"
        maxlength="2000"
        aria-label=${`Caption of ${name}`}
        placeholder="what is to be seen"
        value=${text}
        onInput=${(event) => setText(event.target.value)}
        onBlur=${keep}
      ></textarea>
      ${hasTarget && html`<span class="small-print">with its map</span>`}
      <button type="button" class="take-out" aria-label=${`Take out ${name}`} onClick=${() => attempt(() => takeOut(index))}>×</button>
    </li>
  `;
}
