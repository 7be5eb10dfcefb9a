/** Pictures that are read with the API key, and so not by their addresses. */

import { blob } from '../shared/api.js';
import { html, useEffect, useState } from '../shared/view.js';

/**
 * A picture that the service keeps. One before it stays in sight until the next is there.
 * @param {{path: string, alt: string}} props `path` is below this API
 */
export function KeptPicture({ path, alt }) {
  const [shown, setShown] = useState(null);
  useEffect(() => {
    const stop = new AbortController();
    let url;
    blob(path, { signal: stop.signal }).then(
      (content) => setShown((url = URL.createObjectURL(content))),
      (error) => error.name === 'AbortError' || setShown(null),
    );
    return () => {
      stop.abort();
      if (url) setTimeout(() => URL.revokeObjectURL(url), 5000);
    };
  }, [path]);
  return shown === null ? html`<div class="blank" role="img" aria-label=${alt}></div>` : html`<img src=${shown} alt=${alt} />`;
}
