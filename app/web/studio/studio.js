/** The studio: what is asked for beside what was made, and what happens between them. */

import { upload } from '../shared/api.js';
import { useDrop } from '../shared/drop.js';
import { Header } from '../shared/header.js';
import { Problem } from '../shared/problem.js';
import { useSignal } from '../shared/signal.js';
import { html, useEffect, useState } from '../shared/view.js';
import { Composer } from './composer.js';
import { begunWith, draftOf, requestOf } from './draft.js';
import { Dropped, verified } from './dropped.js';
import { entries, readEntries } from './entries.js';
import { useShortcuts } from './gestures.js';
import { cancel, hasEnded, make as makeJob, resume } from './jobs.js';
import { keepDraft, readDraft } from './kept_draft.js';
import { modelOf, offers, offersError, readOffers } from './offers.js';
import { Results } from './results.js';
import { SheetForm } from './sheet_form.js';
import { SheetDialog } from './sheet_view.js';
import { makeSheet, stopUnfinished } from './sheets.js';
import { sourceOfFile, sourceOfImage } from './source_panel.js';
import { Viewer } from './viewer.js';

/** The page below its header. */
export function Studio() {
  const [draft, setDraft] = useState(readDraft);
  const [error, setError] = useState(null);
  const [sending, setSending] = useState(false);
  const [open, setOpen] = useState(null);
  const [read, setRead] = useState(false);
  const known = useSignal(offers);
  const unknown = useSignal(offersError);
  const set = (changes) => setDraft((before) => ({ ...before, ...changes }));
  const model = modelOf(draft.model);
  const close = () => setOpen(null);

  useEffect(() => keepDraft(draft), [draft]);
  useEffect(() => {
    readOffers();
    readEntries().then(() => {
      setRead(true);
      stopUnfinished();
      resume();
    });
  }, []);

  /** Does something that the API may refuse, and says so beside the button. */
  const attempt = async (act) => {
    setError(null);
    setSending(true);
    try {
      await act();
    } catch (refused) {
      setError(refused);
    }
    setSending(false);
  };
  const complete = async () => requestOf(draft, model, await references(draft.source));
  const generate = () => {
    if (model !== null && !sending) attempt(async () => watch(await makeJob(await complete()), set));
  };
  const openSheet = () => attempt(async () => setOpen({ form: await complete() }));
  const begin = async (source) => {
    setDraft((before) => begunWith(before, source));
    close();
    requestAnimationFrame(() => document.querySelector('[aria-label="What becomes of the picture"] button')?.focus());
  };
  const take = (file) =>
    attempt(async () => {
      const verdict = await verified(file);
      if (verdict.receipt === null) await begin(await sourceOfFile(file));
      else setOpen({ file, verdict });
    });
  const reuse = (request) => {
    setDraft(draftOf(request));
    setError(null);
    close();
  };
  const dragging = useDrop(([file]) => take(file));
  useShortcuts({ generate, cancel: cancelNewest });

  return html`
    <${Header} page="studio" />
    <main class="studio">
      <h1 class="unseen">Studio</h1>
      ${known === null
        ? html`<div class="composer waiting" aria-busy=${unknown === null}><${Problem} error=${unknown} retry=${readOffers} /></div>`
        : html`<${Composer} offers=${known} choose=${take} ...${{ draft, set, model, error, sending, generate, openSheet }} />`}
      <${Results}
        read=${read}
        open=${(id, index) => setOpen({ id, index })}
        openSheet=${(sheet) => setOpen({ sheet })}
        reuse=${({ request }) => reuse(request)}
        begin=${(prompt) => begun(prompt, set)}
      />
    </main>
    ${dragging && html`<div class="dropping" aria-hidden="true"><p>Drop the picture</p></div>`}
    <${Opened}
      ...${{ open, setOpen, close, reuse }}
      begin=${async (image) => begin(await sourceOfImage(image))}
      beginWithFile=${(file) => attempt(async () => begin(await sourceOfFile(file)))}
      makeSheet=${(request, axes) => makeSheet(request, axes).catch(setError)}
    />
  `;
}

/** The dialog that is open, if one is. */
function Opened({ open, setOpen, close, reuse, begin, beginWithFile, makeSheet: make }) {
  if (open === null) return null;
  const { id, sheet, form, file } = open;
  const openJob = (job, index) => setOpen({ id: job, index });
  if (id) return html`<${Viewer} shown=${open} show=${setOpen} again=${makeJob} ...${{ close, begin, reuse }} />`;
  if (sheet) return html`<${SheetDialog} id=${sheet} ...${{ close, openJob }} />`;
  if (form) return html`<${SheetForm} request=${form} make=${(axes) => make(form, axes)} close=${close} />`;
  return html`<${Dropped} ...${{ ...open, close, reuse }} begin=${() => beginWithFile(file)} />`;
}

/** Sends what a request names: the mask, where one is painted. */
async function references(source) {
  if (source?.mode !== 'paint') return {};
  return { mask: (await upload(await source.mask.file(), 'mask.png')).id };
}

/** Keeps the seed that the service drew, so that it can be locked; on a phone the picture is brought into sight. */
function watch({ request }, set) {
  set({ seed: request.seed });
  requestAnimationFrame(() => {
    const results = document.querySelector('.results');
    if (results?.getBoundingClientRect().top > innerHeight / 2) results.scrollIntoView({ behavior: 'smooth' });
  });
}

function begun(prompt, set) {
  set({ prompt });
  document.querySelector('[name=prompt]')?.focus();
}

function cancelNewest() {
  const running = entries.value.find((entry) => entry.kind === 'job' && !hasEnded(entry));
  if (running) cancel(running.id);
}
