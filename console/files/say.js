// Texts, numbers and times of the console.
import { format } from './format.js';
import t from './en.js';

export { now, sync } from './clock.js';
export const { change, label, money, number, say, time, until } = format(t);
