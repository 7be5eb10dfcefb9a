/** Files that are dropped on the page as a whole, or pasted. */

import { useEffect, useRef, useState } from './view.js';

/** Takes what is dropped or pasted. @param {(files: File[]) => void} take @returns {boolean} whether something is above the page */
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
      latest.current([...event.dataTransfer.files]);
    });
    listen('paste', (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length) latest.current(files);
    });
    return () => stop.abort();
  }, []);
  return dragging;
}
