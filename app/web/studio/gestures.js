/** Keys that do something wherever one is on the page. */

import { useEffect, useRef } from '../shared/view.js';

/** Ctrl+Enter makes a picture, Escape ends the newest job; where a dialog is open, keys are the dialog's. */
export function useShortcuts({ generate, cancel }) {
  const latest = useRef(null);
  latest.current = { generate, cancel };
  useEffect(() => {
    const press = (event) => {
      if (document.querySelector('dialog[open]')) return;
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        latest.current.generate();
      } else if (event.key === 'Escape') latest.current.cancel();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
}
