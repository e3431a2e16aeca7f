// What the elements are made of.

/** An element with its attributes and children; text is never parsed as markup. */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Replaces the children only if they differ: a selection or a reader's place stays. */
export function put(node, ...children) {
  const fresh = node.cloneNode();
  fresh.append(...children);
  if (!fresh.isEqualNode(node)) node.replaceChildren(...fresh.childNodes);
}

/** A constructed sheet, which a strict policy of the page around allows. */
export function sheet(text) {
  const made = new CSSStyleSheet();
  made.replaceSync(text);
  return made;
}

/** The colours of every element, and the attribute `theme`. */
export const colours = sheet(`
:host {
  --ink: var(--scrip-ink, light-dark(#1b1b1f, #ededeb)); --paper: var(--scrip-paper, light-dark(#fff, #1c1c1f));
  --line: var(--scrip-line, light-dark(#dddad3, #3a3a3f)); --muted: var(--scrip-muted, light-dark(#5f5f68, #a8a8ad));
  --accent: var(--scrip-accent, light-dark(#0a6b52, #5ecfa5)); --warn: var(--scrip-warn, light-dark(#9a3412, #f0a36b));
}
:host([theme=light]) { color-scheme: light !important; }
:host([theme=dark]) { color-scheme: dark !important; }
:host([theme=auto]) { color-scheme: light dark !important; }
:host([hidden]) { display: none !important; }
[hidden] { display: none !important; }
`);
