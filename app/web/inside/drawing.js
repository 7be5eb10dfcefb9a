/** The architecture in one drawing that stays in sight: each block leads to its station. */

import { html, useEffect, useState } from '../shared/view.js';
import { STATIONS, numberOf } from './content.js';

const WIDE = {
  size: [1000, 150],
  boxes: {
    words: [20, 14, 150, 44],
    text: [215, 14, 150, 44],
    noise: [20, 88, 150, 44],
    network: [420, 22, 150, 106],
    guidance: [625, 52, 140, 46],
    loop: [590, 116, 110, 30],
    autoencoder: [815, 44, 100, 62],
  },
  arrows: [
    'M170 36H213',
    'M365 36H418',
    'M170 110H418',
    'M570 75H623',
    'M765 75H813',
    'M725 98V131H702',
    'M590 131H495V109',
    'M915 75H938',
  ],
  picture: [940, 47, 56],
};

const NARROW = {
  size: [390, 136],
  boxes: {
    words: [2, 4, 84, 36],
    text: [108, 4, 96, 36],
    noise: [2, 58, 84, 36],
    network: [108, 52, 76, 48],
    guidance: [204, 58, 88, 36],
    loop: [160, 108, 76, 26],
    autoencoder: [312, 54, 76, 44],
  },
  arrows: [
    'M86 22H106',
    'M146 40V52',
    'M86 76H106',
    'M184 76H202',
    'M292 76H310',
    'M248 94V121H238',
    'M160 121H146V102',
    'M350 54V44',
  ],
  picture: [332, 4, 38],
};

const NARROW_SCREEN = '(max-width: 44rem)';

/** The drawing; `here` is the id of the station that is read, `pictures` the address of what came out. */
export function Drawing({ here, picture }) {
  const layout = useNarrow() ? NARROW : WIDE;
  const [width, height] = layout.size;
  return html`<nav class="drawing" aria-label="The model, block by block">
    <svg viewBox="0 0 ${width} ${height}">
      <defs>
        <marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
          <path d="M0 0 8 4 0 8Z" />
        </marker>
      </defs>
      ${layout.arrows.map((path) => html`<path class="arrow" d=${path} marker-end="url(#head)" />`)}
      ${STATIONS.map((about) => html`<${Block} about=${about} box=${layout.boxes[about.id]} isHere=${about.id === here} />`)}
      <${Picture} place=${layout.picture} address=${picture} />
    </svg>
  </nav>`;
}

function Block({ about, box: [x, y, width, height], isHere }) {
  const number = numberOf(about.id);
  return html`<a
    href=${`#${about.id}`}
    class="block"
    aria-current=${isHere ? 'true' : undefined}
    aria-label=${`Station ${number}: ${about.title}`}
  >
    <path d=${(SHAPES[about.id] ?? box_)(x, y, width, height)} />
    <text x=${x + width / 2} y=${y + height / 2} text-anchor="middle" dominant-baseline="central">
      <tspan class="number">${number}</tspan>${` ${about.short}`}
    </text>
  </a>`;
}

const box_ = (x, y, width, height) => `M${x} ${y}h${width}v${height}h${-width}Z`;

/** Narrow in the middle, as maps are small there. */
const hourglass = (x, y, width, height) => {
  const waist = height / 5;
  return `M${x} ${y}L${x + width / 2} ${y + waist}L${x + width} ${y}V${y + height}L${x + width / 2} ${y + height - waist}L${x} ${y + height}Z`;
};

/** From small to large. */
const funnel = (x, y, width, height) => {
  const inset = height / 5;
  return `M${x} ${y + inset}L${x + width} ${y}V${y + height}L${x} ${y + height - inset}Z`;
};

const SHAPES = { network: hourglass, autoencoder: funnel };

const Picture = ({ place: [x, y, size], address }) =>
  address
    ? html`<image
        x=${x}
        y=${y}
        width=${size}
        height=${size}
        href=${address}
        role="img"
        aria-label="The picture that came out"
      />`
    : html`<rect class="frame" x=${x} y=${y} width=${size} height=${size} />`;

function useNarrow() {
  const [isNarrow, setNarrow] = useState(matchMedia(NARROW_SCREEN).matches);
  useEffect(() => {
    const media = matchMedia(NARROW_SCREEN);
    const changed = () => setNarrow(media.matches);
    media.addEventListener('change', changed);
    return () => media.removeEventListener('change', changed);
  }, []);
  return isNarrow;
}
