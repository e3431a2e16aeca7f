// Plays a case of the conformance suite on any runtime: it does the steps, and says what came of them.
// ../../conformance/README.md describes the cases.

import { OutcomeUnknown, Refused, Scrip } from "../dist/index.js";

/** Plays a case; `options` are those that a client needs on this runtime. */
export async function play({ url, account, client, steps }, options = {}) {
  const unpaid = [];
  const credits = new Scrip({
    ...options,
    url,
    ...(client.deadline_ms && { deadlineMs: client.deadline_ms }),
    ...(client.attempt_timeout_ms && { attemptTimeoutMs: client.attempt_timeout_ms }),
    ...(client.key && { key: client.key }),
    ...(client.coalesce_ms && { coalesceMs: client.coalesce_ms }),
    now: () => Date.now() + (client.clock_offset_ms ?? 0),
    onUnpaid: (charge) => void unpaid.push(charge),
  });
  const game = { credits, url, account, unpaid, ids: {}, began: 0, charged: [] };
  const results = [];
  for (const step of steps) results.push(await result(game, step));
  return { results, unpaid, began: game.began, charged: game.charged };
}

async function result(game, step) {
  const aborts = new AbortController();
  try {
    if (step.do === "all")
      return { all: await Promise.all(step.steps.map((one) => result(game, one))) };
    if (step.do === "pay_unpaid") return { all: await paid(game) };
    const answer = await act(game, step, aborts);
    if (step.as) game.ids[step.as] = answer.id;
    return { ok: answer ?? null };
  } catch (error) {
    if (aborts.signal.aborted && error === aborts.signal.reason) return { aborted: true };
    return failed(error);
  }
}

function failed(error) {
  if (error instanceof Refused) return { refused: error.problem };
  if (error instanceof OutcomeUnknown) {
    return { unknown: { key: error.key, unpaid: error.unpaid } };
  }
  return { thrown: error.message };
}

/** Pays what is unpaid, one after the other. */
async function paid({ credits, unpaid }) {
  const results = [];
  for (const charge of unpaid)
    results.push(await credits.pay(charge).then((ok) => ({ ok }), failed));
  return results;
}

async function act(game, step, aborts) {
  const { credits, url, ids } = game;
  const {
    do: name,
    as: _as,
    work,
    ms,
    on_unreachable: onUnreachable,
    parts,
    fail,
    read,
    ...rest
  } = step;
  const request = { account: game.account, ...rest };
  for (const name of ["hold", "debit"]) {
    if (request[name]?.startsWith("$")) request[name] = ids[request[name].slice(1)];
  }
  const reach = onUnreachable && { onUnreachable };
  const onCharged = (receipt) => void game.charged.push(receipt);
  switch (name) {
    case "debit":
      return credits.debit({ ...request, ...reach });
    case "charge":
      return credits.charge(
        { ...request, ...reach, signal: aborts.signal, onCharged },
        playWork(game, work, aborts),
      );
    case "stream":
      return readSome(await credits.stream({ ...request, onCharged }, playStream(game, parts, fail)), read);
    case "session":
      return credits.createSession(request);
    case "set_limit":
      return credits.setLimit(request);
    case "ledger":
      return listed(credits.ledger(request));
    case "wait":
      return wait(ms);
    case "reach":
      return void (await fetch(`${url}/_proxy/faults`, { method: "DELETE" }));
    default:
      return credits[name](request);
  }
}

async function listed(entries) {
  const list = [];
  for await (const entry of entries) list.push(entry);
  return list;
}

/** The work of a stream: it reports each part, and yields it. */
function playStream(game, parts, fail) {
  return async function* (work) {
    game.began++;
    for (const [index, part] of parts.entries()) {
      work.delivered(index + 1);
      yield part;
    }
    if (fail !== undefined) throw new Error(fail);
  };
}

/** Reads so many parts and leaves, or reads all of them. */
async function readSome(stream, count) {
  const read = [];
  for await (const part of stream) if (read.push(part) === count) break;
  return read;
}

/** The work of a charge, which does what the case says. */
function playWork(game, script, aborts) {
  return async (work) => {
    game.began++;
    for (const { delivered, wait_ms, fail, abort, return: value } of script) {
      if (delivered !== undefined) work.delivered(delivered);
      if (wait_ms !== undefined) await wait(wait_ms);
      if (fail !== undefined) throw new Error(fail);
      if (abort) aborts.abort(new Error("the caller went away"));
      if (value !== undefined) return value;
    }
  };
}

function wait(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
