// The elements for a product's own pages. docs/guides/show-credits.md describes their attributes, events and parts.
import { ScripCost } from './cost.js';
import { ScripCredits } from './indicator.js';
import { ScripNotice } from './notice.js';

const ELEMENTS = { 'scrip-credits': ScripCredits, 'scrip-notice': ScripNotice, 'scrip-cost': ScripCost };
for (const [name, element] of Object.entries(ELEMENTS)) {
  if (!customElements.get(name)) customElements.define(name, element);
}
