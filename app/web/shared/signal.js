/** Values that several components read, and that something outside of them changes. */

import { useEffect, useState } from './view.js';

/** A value that tells those who listen when it changes. @template T */
export class Signal {
  #listeners = new Set();
  #value;

  /** @param {T} value */
  constructor(value) {
    this.#value = value;
  }

  get value() {
    return this.#value;
  }

  set value(value) {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener(value);
  }

  /** Calls back at each change, until the function that it returns is called. */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** The signal's value; the component is drawn again when it changes. @template T @param {Signal<T>} signal @returns {T} */
export function useSignal(signal) {
  const [, draw] = useState(0);
  useEffect(() => {
    const again = () => draw((count) => count + 1);
    again();
    return signal.listen(again);
  }, [signal]);
  return signal.value;
}
