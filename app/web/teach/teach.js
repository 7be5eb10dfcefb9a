/** The page: what is taught and how on one side, what is learnt on the other. */

import { json } from '../shared/api.js';
import { useDrop } from '../shared/drop.js';
import { Header } from '../shared/header.js';
import { Problem } from '../shared/problem.js';
import { useSignal } from '../shared/signal.js';
import { html, useEffect, useState } from '../shared/view.js';
import { dataset, readDatasets, send } from './datasets.js';
import { keepDraft, readDraft, requestOf } from './draft.js';
import { Pictures } from './pictures.js';
import { Price, Recipe } from './recipe.js';
import { Run } from './run.js';
import { readRuns, runs, teach } from './runs.js';

/** The page below its header. */
export function Teach() {
  const [draft, setDraft] = useState(readDraft);
  const [models, setModels] = useState([]);
  const pictures = useAttempt();
  const order = useAttempt();
  const beginning = useAttempt();
  const one = useSignal(dataset);
  const set = (changes) => setDraft((before) => ({ ...before, ...changes }));
  const read = () =>
    beginning.attempt(async () => {
      const [found] = await Promise.all([json('v1/models'), readDatasets(), readRuns()]);
      setModels(found.data);
    });
  useEffect(() => keepDraft(draft), [draft]);
  useEffect(() => void read(), []);
  const choose = (files) => pictures.attempt(() => send(files));
  const dragging = useDrop(choose);
  const submit = (event) => {
    event.preventDefault();
    order.attempt(() => teach(requestOf(draft, one.id)));
  };
  return html`
    <${Header} page="teach" />
    <main class="studio">
      <h1 class="unseen">Teach</h1>
      <form class="composer" onSubmit=${submit} aria-label="What to teach" novalidate>
        <div class="composer-fields">
          <${Problem} error=${beginning.error} retry=${read} />
          <${Pictures} ...${{ choose, ...pictures }} />
          <${Recipe} ...${{ draft, set, models, error: order.error }} />
        </div>
        <div class="composer-end">
          <${Problem} error=${order.error} />
          <${Price} draft=${draft} dataset=${one} />
          <button class="primary generate" disabled=${one === null || order.sending}>${order.sending ? 'Sending …' : 'Teach it'}</button>
        </div>
      </form>
      <${Learnt} />
    </main>
    ${dragging && html`<div class="dropping" aria-hidden="true"><p>Drop the pictures</p></div>`}
  `;
}

/** Something that the API may refuse; one thing at a time. */
function useAttempt() {
  const [error, setError] = useState(null);
  const [sending, setSending] = useState(false);
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
  return { error, sending, attempt };
}

function Learnt() {
  const all = useSignal(runs);
  if (all === null) return html`<section class="learnt" aria-label="What was learnt" aria-busy="true"></section>`;
  if (all.length === 0) return html`<${Nothing} />`;
  return html`
    <section class="learnt" aria-label="What was learnt">
      <h2>What was learnt</h2>
      <ul class="runs">${all.map((run) => html`<${Run} key=${run.id} run=${run} />`)}</ul>
    </section>
  `;
}

const Nothing = () => html`
  <section class="learnt" aria-label="What was learnt">
    <h2>Nothing has been taught yet</h2>
    <ol class="steps muted">
      <li>Drop five to twenty pictures of one thing, or of one style.</li>
      <li>Say under each what is to be seen, and give the thing a name that nobody uses.</li>
      <li>Watch the samples sharpen; then say the name in a prompt.</li>
    </ol>
  </section>
`;
