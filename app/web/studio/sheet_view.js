/** A sheet of pictures, small in the grid and large when it is opened. */

import { useSignal } from '../shared/signal.js';
import { html, useEffect, useId, useRef } from '../shared/view.js';
import { addressOf, entries, entryOf, remove } from './entries.js';
import { save } from '../shared/files.js';
import { hasEnded } from './jobs.js';
import { cancelSheet, labelOf, pictureOf, stateOf } from './sheets.js';
import { nameOf } from './tile.js';

/** @param {{sheet: object, open: (id: string) => void}} props */
export function SheetTile({ sheet, open }) {
  const { all, done, ended } = stateOf(sheet);
  const columns = sheet.axes.x.values.length;
  return html`
    <li class="tile sheet-tile" data-sheet=${sheet.id} aria-busy=${!ended}>
      <button class="picture-button" onClick=${() => open(sheet.id)} aria-label=${`Open the grid: ${nameOf(sheet)}`}>
        <span class="mosaic" style=${{ gridTemplateColumns: `repeat(${columns}, 1fr)` }}>
          ${sheet.cells.flat().map((cell, at) => html`<${Cell} key=${at} cell=${cell} />`)}
        </span>
      </button>
      <div class="tile-foot">
        <p class="small-print">${ended ? `Grid of ${all}` : `Grid: ${done} of ${all}`}</p>
        ${!ended && html`<button class="quiet" aria-label=${`Cancel the grid: ${nameOf(sheet)}`} onClick=${() => cancelSheet(sheet)}>Cancel</button>`}
      </div>
    </li>
  `;
}

function Cell({ cell }) {
  const entry = cell?.job ? entryOf(cell.job) : null;
  const image = entry?.images[0];
  if (image) return html`<img src=${addressOf(image)} alt="" />`;
  if (entry?.preview) return html`<img src=${entry.preview} alt="" class="preview" />`;
  return html`<span class="cell-empty">${cell?.error || (entry && hasEnded(entry)) ? '×' : ''}</span>`;
}

/** @param {{id: string, close: () => void, openJob: (id: string, index: number) => void}} props */
export function SheetDialog({ id, close, openJob }) {
  useSignal(entries);
  const label = useId();
  const dialog = useRef(null);
  useEffect(() => dialog.current?.showModal(), []);
  const sheet = entryOf(id);
  if (sheet === null) return null;
  const { ended } = stateOf(sheet);
  const drop = () => {
    cancelSheet(sheet);
    remove(id);
    close();
  };
  const download = async () => save(await pictureOf(sheet), `${id}.png`);
  return html`
    <dialog ref=${dialog} class="sheet-dialog" aria-labelledby=${label} onClose=${close}>
      <div class="dialog-head">
        <h2 id=${label}>${nameOf(sheet)}</h2>
        <button class="quiet" aria-label="Close" onClick=${close}>×</button>
      </div>
      <div class="sheet-scroll" tabindex="0" role="region" aria-label="Pictures of the grid"><${Table} sheet=${sheet} openJob=${openJob} /></div>
      <div class="actions">
        <button class="quiet" onClick=${drop}>Remove</button>
        ${!ended && html`<button onClick=${() => cancelSheet(sheet)}>Cancel the rest</button>`}
        <button class="primary" disabled=${!ended} onClick=${download}>Save as one picture</button>
      </div>
    </dialog>
  `;
}

function Table({ sheet, openJob }) {
  const { x, y } = sheet.axes;
  return html`
    <table class="sheet">
      <thead>
        <tr>
          ${y !== null && html`<td></td>`}
          ${x.values.map((value) => html`<th scope="col" key=${value}>${labelOf(x, value)}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${sheet.cells.map(
          (row, at) => html`
            <tr key=${at}>
              ${y !== null && html`<th scope="row">${labelOf(y, y.values[at])}</th>`}
              ${row.map((cell, across) => html`<td key=${across}><${LargeCell} cell=${cell} openJob=${openJob} /></td>`)}
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}

function LargeCell({ cell, openJob }) {
  const entry = cell?.job ? entryOf(cell.job) : null;
  const error = cell?.error ?? entry?.error?.message;
  if (error) return html`<p class="small-print">${error}</p>`;
  if (!entry?.images.length) return html`<${Cell} cell=${cell} />`;
  return html`
    <button class="picture-button" aria-label="Open this picture" onClick=${() => openJob(entry.id, 0)}><${Cell} cell=${cell} /></button>
  `;
}
