// Elements about the price of an action.
import { price } from './amounts.js';
import { ScripElement } from './element.js';

/** An element with the attributes `action` and `quantity`. A subclass renders in `render()`. */
export class PricedElement extends ScripElement {
  static observedAttributes = [...ScripElement.observedAttributes, 'action', 'quantity'];
  /** The rate card, and the source that it is of. */
  #card = null;

  show() {
    this.#learn();
    this.render();
  }

  /** Whether the rate card is there. */
  get known() { return this.#card !== null && this.#card.source === this.source; }

  /** The row of the rate card, if the action has one price for each unit. */
  get rate() {
    const rate = this.known ? this.#card.rows.get(this.getAttribute('action')) : null;
    return rate?.per ? rate : null;
  }

  /** How many are asked for: one if nothing is said; null if it is no number from 1 on. */
  get count() {
    const said = this.getAttribute('quantity') ?? '1';
    return /^[0-9]{1,15}$/.test(said) && BigInt(said) > 0n ? BigInt(said) : null;
  }

  /** The price in micro-credits; null: not known, or more than one operation may ask for. */
  get cost() {
    const { rate, count } = this;
    return rate && count && count <= BigInt(rate.limit) ? price(rate, count) : null;
  }

  /** Asks for the rate card, once it is known who the customer is; after a failure with the next balance. */
  #learn() {
    const { source } = this;
    if (!this.balance || !this.hasAttribute('action') || this.known) return;
    const take = (rows) => {
      if (source !== this.source) return;
      this.#card = { source, rows };
      this.show();
    };
    source.catalog().then(take, () => {});
  }
}
