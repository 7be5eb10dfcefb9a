/** The page `/teach`, put into the document. */

import { html, render } from '../shared/view.js';
import { Teach } from './teach.js';

const page = document.getElementById('page');
page.replaceChildren();
render(html`<${Teach} />`, page);
