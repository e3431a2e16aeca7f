// The chart of usage by keyboard. Without it every bar is a stop of its own.

/** Makes the bars one stop of the keyboard. Arrows go from bar to bar. */
export function walk(list) {
  const bars = [...list.querySelectorAll('[tabindex]')];
  const stay = (bar) => {
    for (const other of bars) other.tabIndex = other === bar ? 0 : -1;
  };
  stay(bars.at(-1));
  list.addEventListener('focusin', ({ target }) => stay(target));
  // A telephone's browser gives a tapped bar the focus only if something listens.
  list.addEventListener('click', ({ target }) => target.closest('[tabindex]')?.focus());
  list.addEventListener('keydown', (event) => {
    const onward = getComputedStyle(list).direction === 'rtl' ? -1 : 1;
    const steps = { ArrowRight: onward, ArrowLeft: -onward, Home: -bars.length, End: bars.length };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const place = bars.indexOf(event.target) + step;
    bars[Math.min(Math.max(place, 0), bars.length - 1)].focus();
  });
}
