/** What the service has on offer: its models and its adapters. */

import { json } from '../shared/api.js';
import { Signal } from '../shared/signal.js';

/** `models` and `adapters` as the API lists them; null until they are known. */
export const offers = new Signal(null);

/** Why they are not known; null while there is hope. */
export const offersError = new Signal(null);

/** Reads them. */
export async function readOffers() {
  offersError.value = null;
  try {
    const [models, adapters] = await Promise.all([json('v1/models'), json('v1/adapters')]);
    offers.value = { models: models.data, adapters: adapters.data };
  } catch (error) {
    offersError.value = error;
  }
}

/** The model of this id, or the first where there is none. */
export const modelOf = (id) => offers.value?.models.find((model) => model.id === id) ?? offers.value?.models[0] ?? null;
