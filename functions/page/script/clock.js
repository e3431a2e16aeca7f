// The server's time: a customer's clock may be wrong.
let ahead = 0;
export const now = () => Date.now() + ahead;
/** Takes the server's time from a page or the Date header of a reply. */
export const sync = (time) => (ahead = Date.parse(time) - Date.now() || ahead);
