/** The page `/inside`: which run is looked into, which changed one stands beside it, and the address that says so. */

import { json } from '../shared/api.js';
import { Header } from '../shared/header.js';
import { html, render, useEffect, useRef, useState } from '../shared/view.js';
import { Autoencoder } from './autoencoder.js';
import { Bar } from './bar.js';
import { STATIONS } from './content.js';
import { Guidance } from './guidance.js';
import { Loop } from './loop.js';
import { Network } from './network.js';
import { Noise } from './noise.js';
import { kindsOf, makeRun, openRun } from './run.js';
import { Start } from './start.js';
import { Text } from './text.js';
import { changesBetween, wordsOf } from './trace.js';
import { Words } from './words.js';

const VIEWS = [Words, Text, Noise, Network, Guidance, Loop, Autoencoder];

function Inside() {
  const view = useView();
  const here = useHere();
  return html`<${Header} page="inside" />
    <main id="top" class="inside">
      <${Start} view=${view} />
      <${Bar} view=${view} here=${here} />
      ${VIEWS.map((Station) => html`<${Station} view=${view} />`)}
    </main>`;
}

/** What all stations share. The latest of several changes wins. */
function useView() {
  const [state, setState] = useState({
    models: [],
    base: null,
    branch: null,
    step: 0,
    word: 0,
    error: null,
    isBusy: false,
  });
  const latest = useRef(0);
  const set = (change) => setState((before) => ({ ...before, ...change }));
  const during = async (work) => {
    const mine = ++latest.current;
    set({ isBusy: true, error: null });
    try {
      const found = await work();
      if (mine === latest.current) set({ ...found, isBusy: false });
    } catch (error) {
      if (mine === latest.current) set({ error, isBusy: false });
    }
  };
  useEffect(() => void during(() => fromAddress(set)), []);
  useEffect(
    () => void (state.base && document.getElementById(location.hash.slice(1))?.scrollIntoView()),
    [!state.base],
  );
  useEffect(() => intoAddress(state), [state.base, state.branch, state.step, state.word]);
  return {
    ...state,
    changes: state.branch ? changesBetween(state.base, state.branch) : [],
    begin: (request) => during(async () => beginning(await makeRun(request, kindsOf(state.models, request.model)))),
    make: (request) =>
      during(async () => ({ branch: await makeRun(request, kindsOf(state.models, state.base.trace.model)) })),
    adopt: () => set({ base: state.branch, branch: null, step: middleOf(state.branch) }),
    drop: () => set({ branch: null }),
    setStep: (step) => set({ step }),
    setWord: (word) => set({ word }),
    fail: (error) => set({ error }),
  };
}

const beginning = (base) => ({ base, branch: null, step: middleOf(base), word: firstSpoken(base) });
const middleOf = ({ trace: { steps } }) => steps[Math.floor(steps.length / 2)].step;
const firstSpoken = (run) =>
  Math.max(
    0,
    wordsOf(run.trace).findIndex((word) => !word.isSpecial && word.text.length > 2),
  );

/** What the address names: `?job=…`, and `branch`, `step`, `word` if they are there. The models come first. */
async function fromAddress(set) {
  const { data: models } = await json('v1/models');
  set({ models });
  const asked = new URLSearchParams(location.search);
  if (!asked.has('job')) return {};
  const open = (name) => (asked.has(name) ? openRun(asked.get(name), models) : null);
  const [base, branch] = await Promise.all([open('job'), open('branch')]);
  const found = { ...beginning(base), branch };
  for (const name of ['step', 'word']) if (asked.has(name)) found[name] = Number(asked.get(name)) || 0;
  return found;
}

function intoAddress({ base, branch, step, word }) {
  if (!base) return;
  const said = new URLSearchParams({ job: base.job.id, ...(branch && { branch: branch.job.id }), step, word });
  history.replaceState(null, '', `?${said}${location.hash}`);
}

/** The id of the station that is being read. */
function useHere() {
  const [here, setHere] = useState(null);
  useEffect(() => {
    const watcher = new IntersectionObserver(
      (seen) => seen.forEach((one) => one.isIntersecting && setHere(one.target.id)),
      { rootMargin: '-45% 0px -50% 0px' },
    );
    STATIONS.forEach(({ id }) => watcher.observe(document.getElementById(id)));
    return () => watcher.disconnect();
  }, []);
  return here;
}

render(html`<${Inside} />`, document.getElementById('page'));
