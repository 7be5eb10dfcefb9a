/** A mask, painted with a brush: by pointer, or by keys. */

import { Choice, Slider } from '../shared/controls.js';
import { html, useEffect, useRef, useState } from '../shared/view.js';

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {{source: {url: string, width: number, height: number, mask: import('./mask.js').Mask}}} props */
export function MaskEditor({ source }) {
  const { mask, width, height } = source;
  const [diameter, setDiameter] = useState(Math.max(4, Math.round(Math.max(width, height) / 6)));
  const [tool, setTool] = useState('paint');
  const [place, setPlace] = useState({ x: width / 2, y: height / 2 });
  const [, draw] = useState(0);
  useEffect(() => mask.listen(() => draw((count) => count + 1)), [mask]);
  const erasing = tool === 'erase';
  return html`
    <div class="mask-editor">
      <${Surface} ...${{ source, diameter, setDiameter, erasing, place, setPlace }} />
      <div class="row">
        <${Choice} label="Tool" value=${tool} options=${[['paint', 'Brush'], ['erase', 'Eraser']]} set=${setTool} />
        <button type="button" class="quiet" disabled=${mask.isEmpty} onClick=${() => mask.clear()}>Clear</button>
        <button type="button" class="quiet" onClick=${() => mask.invert()}>Invert</button>
      </div>
      <${Slider} label="Brush" value=${diameter} min=${1} max=${Math.max(width, height)} set=${setDiameter} />
      <p class="small-print">
        Paint what is to change; the rest stays as it is, to the byte. With keys: arrows move, Space paints, [ and ] size
        the brush.
      </p>
    </div>
  `;
}

function Surface({ source, diameter, setDiameter, erasing, place, setPlace }) {
  const { mask, width, height } = source;
  const overlay = useRef(null);
  const layer = useRef(null);
  const last = useRef(null);
  useEffect(() => {
    layer.current.append(mask.canvas);
    return () => mask.canvas.remove();
  }, [mask]);
  const at = (event) => {
    const box = overlay.current.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * width;
    const y = ((event.clientY - box.top) / box.height) * height;
    return { x, y };
  };
  const paint = (to) => {
    mask.stroke(last.current ?? to, to, diameter, erasing);
    last.current = to;
    setPlace(to);
  };
  const begin = (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    overlay.current.focus({ preventScroll: true });
    overlay.current.setPointerCapture(event.pointerId);
    last.current = null;
    paint(at(event));
  };
  const move = (event) => (overlay.current.hasPointerCapture(event.pointerId) ? paint(at(event)) : setPlace(at(event)));
  const press = (event) => {
    const step = Math.max(1, Math.round(diameter / 4));
    const keys = { '[': () => setDiameter(Math.max(1, diameter - step)), ']': () => setDiameter(diameter + step) };
    const [x, y] = MOVES[event.key] ?? [0, 0];
    const next = { x: clamp(place.x + x * step, width), y: clamp(place.y + y * step, height) };
    if (event.key in MOVES) setPlace(next);
    else if (event.key === ' ') mask.stroke(place, place, diameter, erasing);
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  };
  const part = (value, whole) => `${(100 * value) / whole}%`;
  return html`
    <div class="surface">
      <img src=${source.url} alt="The picture to paint on" width=${width} height=${height} draggable=${false} />
      <div
        ref=${overlay}
        class="mask-overlay"
        tabindex="0"
        role="application"
        aria-roledescription="brush"
        aria-label=${`Mask of ${width} × ${height} pixels; ${mask.isEmpty ? 'nothing is' : 'something is'} painted`}
        onPointerDown=${begin}
        onPointerMove=${move}
        onKeyDown=${press}
      >
        <div ref=${layer} class="mask-layer"></div>
        <span
          class="brush"
          style=${{ left: part(place.x, width), top: part(place.y, height), width: part(diameter, width), height: part(diameter, height) }}
        ></span>
      </div>
    </div>
  `;
}

const clamp = (value, most) => Math.min(most, Math.max(0, value));
