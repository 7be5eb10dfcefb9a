/** The page `/`, put into the document. */

import { html, render } from '../shared/view.js';
import { Studio } from './studio.js';

const page = document.getElementById('page');
page.replaceChildren();
render(html`<${Studio} />`, page);
