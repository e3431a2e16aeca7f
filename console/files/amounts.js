// Sums of credits, exact: whole micro-credits, never a float.

const SCALE = 6;

/** The micro-credits of a decimal text: `"-0.5"` is -500000n. */
export function micro(text) {
  const [whole, decimals = ''] = text.replace('-', '').split('.');
  const amount = BigInt(whole + decimals.padEnd(SCALE, '0'));
  return text.startsWith('-') ? -amount : amount;
}

/** The decimal text of micro-credits, in its shortest form. */
export function decimal(micros) {
  const digits = (micros < 0n ? -micros : micros).toString().padStart(SCALE + 1, '0');
  const decimals = digits.slice(-SCALE).replace(/0+$/, '');
  return `${micros < 0n ? '-' : ''}${digits.slice(0, -SCALE)}${decimals && `.${decimals}`}`;
}

export const sum = (texts) => decimal(texts.reduce((total, text) => total + micro(text), 0n));
export const minus = (text, other) => decimal(micro(text) - micro(other));
