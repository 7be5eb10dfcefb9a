/** The page `/inside`, put into the document. */

import { Header } from '../shared/header.js';
import { html, render } from '../shared/view.js';

render(html`<${Header} page="inside" /><main></main>`, document.getElementById('page'));
