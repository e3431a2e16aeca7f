// <scrip-cost action="..." quantity="...">: what an action costs, before it is asked for.
import { decimal } from './amounts.js';
import { make, put, sheet } from './dom.js';
import { PricedElement } from './priced.js';
import { spendable, standing, usable } from './standing.js';

const COST_STYLE = sheet(`
:host { display: inline; }
.short { color: var(--warn); }
`);

export class ScripCost extends PricedElement {
  #text = make('span', { part: 'cost' });

  constructor() {
    super();
    this.shadow(COST_STYLE).append(this.#text);
  }

  render() {
    const { balance, cost, count, known, rate, words } = this;
    if (cost === null) {
      this.setAttribute('state', known ? 'unknown' : 'waiting');
      const beyond = rate && count ? [words.say('cost_limit', { n: rate.limit, most: words.number(rate.limit) })] : [];
      return put(this.#text, ...beyond);
    }
    const short = balance && spendable(standing(balance)) && cost > usable(balance);
    this.setAttribute('state', short ? 'short' : 'open');
    const parts = [words.counted('widget_short', decimal(cost))];
    if (short) parts.push(' ', make('span', { class: 'short', part: 'short' }, words.counted('cost_short', decimal(usable(balance)))));
    put(this.#text, ...parts);
  }
}
