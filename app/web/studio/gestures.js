/** What is done to the page as a whole: files dropped or pasted, and keys. */

import { useEffect, useRef, useState } from '../shared/view.js';

/** Takes the picture that is dropped or pasted. @param {(file: File) => void} take @returns {boolean} whether one is above the page */
export function useDrop(take) {
  const [dragging, setDragging] = useState(false);
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    const stop = new AbortController();
    const listen = (name, act) => addEventListener(name, act, { signal: stop.signal });
    listen('dragover', (event) => {
      if (!event.dataTransfer.types.includes('Files')) return;
      event.preventDefault();
      setDragging(true);
    });
    listen('dragleave', (event) => event.relatedTarget === null && setDragging(false));
    listen('drop', (event) => {
      setDragging(false);
      if (event.dataTransfer.files.length === 0) return;
      event.preventDefault();
      pick(event.dataTransfer.files, latest.current);
    });
    listen('paste', (event) => pick(event.clipboardData?.files ?? [], latest.current));
    return () => stop.abort();
  }, []);
  return dragging;
}

function pick(files, take) {
  const [file] = files;
  if (file) take(file);
}

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
