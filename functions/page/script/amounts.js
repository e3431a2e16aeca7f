// Amounts of credits in micro-credits, exactly: no float is near them.

/** Micro-credits of a decimal string with at most 6 decimals. */
export function micro(credits) {
  const [whole, part = ''] = credits.split('.');
  return BigInt(whole + part.padEnd(6, '0'));
}

/** The decimal string of micro-credits that are not negative. */
export function decimal(amount) {
  const digits = String(amount).padStart(7, '0');
  return `${digits.slice(0, -6)}.${digits.slice(-6)}`.replace(/\.?0+$/, '');
}

/** The price of a quantity by a row of the rate card, in micro-credits, as a debit computes it. */
export function price({ credits, per, rounding }, quantity) {
  const [whole, by] = [micro(credits) * quantity, BigInt(per)];
  return (rounding === 'up' ? whole + by - 1n : whole) / by;
}
