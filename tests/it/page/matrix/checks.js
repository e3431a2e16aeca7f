// What can be asked of any page, in any state. A test runs it in each document before the page.
window.checks = (() => {
  const TARGETS = 'a[href], button, input:not([type=hidden]), select, textarea, summary';
  const all = (selector) => [...document.querySelectorAll(selector)];
  const seen = (element) => element.checkVisibility({ visibilityProperty: true });
  const squeezed = (text) => text.trim().replace(/\s+/g, ' ');
  const named = (element) => (element.id ? `#${element.id}` : `${element.localName} “${squeezed(element.textContent).slice(0, 40)}”`);
  const off = (element) => element.matches('.skip, .heard, .heard *');
  /** The elements that a keyboard stops at. Of a group of radio buttons it is one. */
  const stops = () => all(`${TARGETS}, [tabindex]`).filter((element) => seen(element) && element.tabIndex >= 0 && !element.disabled);
  const met = new Set();
  const bare = [];
  const shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, sources } of list.getEntries()) {
      shifts.push([value, sources.map(({ node }) => (node?.localName ? named(node) : node?.nodeName))]);
    }
  }).observe({ type: 'layout-shift', buffered: true });

  return {
    /** The page's script has written its numbers and times. */
    ready: () => document.readyState === 'complete' && all('time[data-style]').every((at) => at.title),
    /** The elements that reach over the edge, if the page scrolls sideways. */
    wide() {
      if (document.documentElement.scrollWidth <= innerWidth) return [];
      const over = ({ left, right }) => right > innerWidth + 0.5 || left < -0.5;
      return ['the page', ...all('body *').filter((element) => seen(element) && !element.closest('.wide > *') && over(element.getBoundingClientRect())).map(named)];
    },
    /** Targets of less than 24 pixels. A box to tick is as large as its label. */
    small() {
      const of = (element) => (element.matches('[type=checkbox], [type=radio]') && element.closest('label')) || element;
      const box = (element) => of(element).getBoundingClientRect();
      const targets = all(TARGETS).filter((element) => element instanceof HTMLElement && seen(element) && !off(element));
      const short = targets.filter((element) => box(element).height < 24 || box(element).width < 24);
      return short.map((element) => `${named(element)}: ${box(element).width} × ${box(element).height}`);
    },
    /** Opens every detail. */
    open() {
      for (const details of all('details')) details.open = true;
    },
    /** Notes from now on where the focus goes. Returns how many presses lead through all stops. */
    follow() {
      addEventListener('focusin', ({ target }) => {
        met.add(target);
        const { outlineStyle } = getComputedStyle(target);
        if (outlineStyle === 'none') bare.push(named(target));
      });
      // A field of a date has four stops of its own.
      return stops().length + 3 * all('input[type=date], input[type=month]').length + 1;
    },
    /** The stops that the focus has not met, and those that did not show it. */
    missed() {
      const group = (element) => element.type === 'radio' && [...met].some(({ name, type }) => type === 'radio' && name === element.name);
      return [...stops().filter((element) => !met.has(element) && !group(element)).map(named), ...bare.map((name) => `${name} shows no focus`)];
    },
    /** The controls that are seen. A head that sorts is a head on paper too. */
    controls: () => all('button:not(th *), input:not([type=hidden]), select, textarea, summary, .skip').filter(seen).map(named),
    /** The headings and messages, as they are read. */
    said: () => all('h1, h2, h3, .message').filter((element) => seen(element) && !element.matches('.message *')).map((element) => squeezed(element.innerText)),
    /** The boxes of the page's parts: name, left edge, width and height. */
    boxes() {
      const parts = all('body > header, main > section, main > div > section, body > footer').filter(seen);
      return parts.map((part) => {
        const { left, width, height } = part.getBoundingClientRect();
        return [part.id || part.localName, ...[left, width, height].map(Math.round)].join(' ');
      });
    },
    /** The texts that are not of the table: outside its brackets, and no answer of a route. */
    async unmarked() {
      const data = new Set();
      const plain = (text) => text.replaceAll('_', ' ').replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '').toLowerCase();
      const collect = (value) => (typeof value === 'string' ? data.add(plain(value)) : Object.values(value ?? {}).forEach(collect));
      const headers = { 'Scrip-Session': document.querySelector('meta[name=scrip-session]').content };
      for (const route of ['balance', 'catalog', 'ledger', 'limits', 'subscriptions', 'topup-plans', 'packs', 'checkouts']) {
        const reply = await fetch(`/v1/me/${route}`, { headers });
        if (reply.ok) collect(await reply.json());
      }
      const found = [];
      const judge = (text, where) => {
        let outside = text;
        for (let before; before !== outside; outside = outside.replace(/⟦[^⟦⟧]*⟧/g, '')) before = outside;
        if (plain(outside) && !data.has(plain(outside))) found.push(`${where}: ${squeezed(outside)}`);
      };
      let depth = 0;
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const { data: text, parentElement: of } = texts.currentNode;
        if (!seen(of.closest('select') ?? of) || of.closest('script, noscript')) continue;
        const inside = '⟦'.repeat(depth) + text;
        depth = [...inside].reduce((open, letter) => open + (letter === '⟦') - (letter === '⟧'), 0);
        if (!of.closest('data, time, bdi, q, #statement-month')) judge(inside + '⟧'.repeat(depth), named(of));
      }
      for (const name of ['aria-label', 'aria-valuetext', 'placeholder', 'alt', 'title']) {
        for (const element of all(`[${name}]:not(time, data)`)) judge(element.getAttribute(name), `${named(element)} ${name}`);
      }
      judge(document.title, 'title');
      return found;
    },
    /** The neighbours on one row that do not stand in the direction of the language. */
    unturned() {
      const rtl = document.documentElement.dir === 'rtl';
      const box = (element) => element.getBoundingClientRect();
      const wrong = [];
      for (const row of all('.top, nav, form, tr, .packs, .facts, .filter, .links')) {
        const parts = [...row.children].filter((part) => seen(part) && !off(part));
        parts.slice(1).forEach((next, n) => {
          const [a, b] = [box(parts[n]), box(next)];
          const beside = a.top < b.bottom && b.top < a.bottom && a.width > 0 && b.width > 0;
          if (beside && (rtl ? b.left > a.left : b.left < a.left)) wrong.push(`${named(parts[n])}, ${named(next)}`);
        });
      }
      return wrong;
    },
    /** By how much the layout has shifted since it was first painted, and what moved. */
    async shift() {
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)));
      return { sum: shifts.reduce((sum, [value]) => sum + value, 0), moved: shifts };
    },
  };
})();
