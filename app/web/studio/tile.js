/** One place in the grid of results: a picture, one that is being made, or what became of it. */

import { classes, html, useEffect } from '../shared/view.js';
import { addressOf, remove } from './entries.js';
import { cancel, hasEnded, refresh } from './jobs.js';

const REFRESH_MILLISECONDS = 2000;

/** A finished picture. */
export function PictureTile({ entry, image, open }) {
  return html`
    <li class="tile" data-job=${entry.id}>
      <button class="picture-button" onClick=${() => open(entry.id, image.index)} aria-label=${`Open: ${nameOf(entry)}`}>
        <img src=${addressOf(image)} alt="" width=${image.width} height=${image.height} loading="lazy" />
      </button>
    </li>
  `;
}

/** What a picture is called. */
export const nameOf = ({ request }) => request.prompt || 'a picture without a prompt';

/** A job that has not ended: how far it is, and a way to end it. */
export function RunningTile({ entry }) {
  const { id, status, progress, preview, cancelling, request } = entry;
  useEffect(() => {
    if (status !== 'queued') return undefined;
    const timer = setInterval(() => refresh(id).catch(() => {}), REFRESH_MILLISECONDS);
    return () => clearInterval(timer);
  }, [id, status]);
  const fraction = progress?.fraction ?? 0;
  return html`
    <li class="tile running" data-job=${id} aria-busy="true">
      <div class="developing" style=${{ aspectRatio: `${request.width} / ${request.height}` }}>
        ${preview && html`<img src=${preview} alt="" class=${classes('preview', fraction > 0.5 && 'late')} />`}
      </div>
      <div class="tile-foot">
        <progress max="1" value=${fraction} aria-label=${`Progress: ${nameOf(entry)}`}></progress>
        <p class="small-print state"><span>${stateOf(entry)}</span><span>${timeLeft(entry)}</span></p>
      </div>
      <button class="cancel" title="Cancel" disabled=${cancelling} aria-label=${`Cancel: ${nameOf(entry)}`} onClick=${() => cancel(id)}>×</button>
    </li>
  `;
}

function stateOf({ status, progress, queuePosition, error, cancelling }) {
  if (error) return error.message;
  if (cancelling) return 'Ending …';
  if (status === 'queued') return queuePosition ? `Waiting, number ${queuePosition}` : 'Waiting';
  return `Step ${progress?.step ?? 0} of ${progress?.total_steps ?? '…'}`;
}

function timeLeft({ progress, error, cancelling }) {
  const seconds = progress?.eta_seconds ?? null;
  return error || cancelling || seconds === null ? '' : `${Math.max(1, Math.round(seconds))} s left`;
}

/** A job that ended without a picture. */
export function EndedTile({ entry, reuse }) {
  const why = { failed: 'Failed', cancelled: 'Cancelled', lost: 'No longer kept' }[entry.status] ?? 'Without pictures';
  return html`
    <li class=${classes('tile', 'ended', entry.status)} data-job=${entry.id}>
      <h3>${why}</h3>
      <p class="clamp">${nameOf(entry)}</p>
      ${entry.error && html`<p class="small-print">${entry.error.message} ${entry.error.code && html`<code>${entry.error.code}</code>`}</p>`}
      <div class="tile-actions">
        <button class="quiet" onClick=${() => reuse(entry)}>Use its settings</button>
        <button class="quiet" aria-label=${`Remove: ${nameOf(entry)}`} onClick=${() => remove(entry.id)}>Remove</button>
      </div>
    </li>
  `;
}

/** All tiles of a job. */
export function JobTiles({ entry, open, reuse }) {
  const pictures = entry.images.map((image) => html`<${PictureTile} key=${image.id} ...${{ entry, image, open }} />`);
  if (!hasEnded(entry)) return [html`<${RunningTile} key=${entry.id} entry=${entry} />`, ...pictures];
  return pictures.length ? pictures : html`<${EndedTile} key=${entry.id} ...${{ entry, reuse }} />`;
}
