/** A canvas that goes beyond its picture: its sides are dragged, or moved by keys. */

import { html, useRef } from '../shared/view.js';

const SIDES = {
  left: { label: 'Left', axis: 'x', outwards: -1 },
  top: { label: 'Top', axis: 'y', outwards: -1 },
  right: { label: 'Right', axis: 'x', outwards: 1 },
  bottom: { label: 'Bottom', axis: 'y', outwards: 1 },
};
const OUTWARDS = {
  left: { ArrowLeft: 1, ArrowRight: -1 },
  right: { ArrowRight: 1, ArrowLeft: -1 },
  top: { ArrowUp: 1, ArrowDown: -1 },
  bottom: { ArrowDown: 1, ArrowUp: -1 },
};

/**
 * @param {{source: {url: string, width: number, height: number, expand: Record<string, number>},
 *   limits: {size_multiple: number, max_size: number}, set: (expand: Record<string, number>) => void}} props
 */
export function FrameEditor({ source, limits, set }) {
  const { expand, width, height } = source;
  const box = useRef(null);
  const dragged = useRef(null);
  const whole = { x: width + expand.left + expand.right, y: height + expand.top + expand.bottom };
  const room = (side) => expand[side] + limits.max_size - whole[SIDES[side].axis];
  const to = (side, pixels) => {
    const snapped = Math.round(pixels / limits.size_multiple) * limits.size_multiple;
    const allowed = Math.max(0, Math.floor(room(side) / limits.size_multiple) * limits.size_multiple);
    set({ ...expand, [side]: Math.min(allowed, Math.max(0, snapped)) });
  };
  const begin = (side) => (event) => {
    event.preventDefault();
    event.target.setPointerCapture(event.pointerId);
    const scale = box.current.getBoundingClientRect().width / whole.x;
    dragged.current = { side, from: event[`client${SIDES[side].axis.toUpperCase()}`], at: expand[side], scale };
  };
  const move = (event) => {
    if (dragged.current === null) return;
    const { side, from, at, scale } = dragged.current;
    const { axis, outwards } = SIDES[side];
    to(side, at + (outwards * (event[`client${axis.toUpperCase()}`] - from)) / scale);
  };
  const end = () => (dragged.current = null);
  const press = (side) => (event) => {
    const by = OUTWARDS[side][event.key];
    if (by === undefined) return;
    event.preventDefault();
    to(side, expand[side] + by * limits.size_multiple);
  };
  const part = (value, all) => `${(100 * value) / all}%`;
  const inside = {
    left: part(expand.left, whole.x),
    top: part(expand.top, whole.y),
    width: part(width, whole.x),
    height: part(height, whole.y),
  };
  return html`
    <div class="frame-editor">
      <div class="frame-room">
        <div class="frame" ref=${box} style=${{ aspectRatio: `${whole.x} / ${whole.y}` }}>
          <img src=${source.url} alt="The picture to extend" style=${inside} draggable=${false} />
          ${Object.entries(SIDES).map(
            ([side, { label, axis }]) => html`
              <div
                key=${side}
                class=${`handle ${side}`}
                role="slider"
                tabindex="0"
                aria-label=${`${label}: pixels beyond the picture`}
                aria-orientation=${axis === 'x' ? 'horizontal' : 'vertical'}
                aria-valuemin="0"
                aria-valuemax=${Math.max(0, room(side))}
                aria-valuenow=${expand[side]}
                onPointerDown=${begin(side)}
                onPointerMove=${move}
                onPointerUp=${end}
                onPointerCancel=${end}
                onKeyDown=${press(side)}
              ></div>
            `,
          )}
        </div>
      </div>
      <p class="small-print">
        Drag a side outwards, or choose it and press an arrow key. The picture becomes
        <strong> ${whole.x} × ${whole.y}</strong>.
      </p>
    </div>
  `;
}
