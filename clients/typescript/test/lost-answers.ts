// The client behind a proxy that loses answers, hangs, cuts connections and refuses, before the API at SHOOTX_URL: every
// intent is carried out and charged once. Prints one line of JSON: how many intents there were.

import assert from "node:assert/strict";

import { createShootX, NoAnswerError, ShootXError, WaitTimeoutError } from "../src/index.js";
import type { RequestOf } from "../src/index.js";
import { FAULTS, FaultyProxy } from "./faulty-proxy.js";

function setting(name: string): string {
  const value = process.env[name];
  assert(value, `${name} is not set`);
  return value;
}

const ATTEMPT_MS = 1000;
/** A fault at each try of a call. */
const LASTING = 4;

const api = setting("SHOOTX_URL");
const token = setting("SHOOTX_TOKEN");
const direct = createShootX({ baseUrl: api, token });
const proxy = await FaultyProxy.before(api);
const shootx = createShootX({ baseUrl: proxy.url, token, attemptTimeoutMs: ATTEMPT_MS });
const request: RequestOf<"model"> = {
  workflow_type: "model",
  input_data: { gender: "female", pose: "standing", age_range: "25-35", ethnicity: "mixed" },
  settings: { output_count: 1 },
};
const { price } = await direct.quote(request);
const balanceBefore = await direct.balance();
const intents = new Set<string>();
const cancelled = new Set<string>();

/** Calls, and then as a caller does who goes on with the key of an error. */
async function untilAnswered<T>(call: (key?: string) => Promise<T>, isOnce: boolean): Promise<T> {
  try {
    return await call();
  } catch (error) {
    assert(error instanceof ShootXError || error instanceof NoAnswerError, String(error));
    assert.equal(typeof error.idempotencyKey, isOnce ? "string" : "undefined");
    return await call(error.idempotencyKey);
  }
}

const options = (key?: string) => (key === undefined ? {} : { idempotencyKey: key });

for (const fault of FAULTS) {
  for (const times of [1, LASTING]) {
    const spoil = () => (proxy.faults = Array(times).fill(fault));

    spoil();
    const accepted = await untilAnswered((key) => shootx.generate(request, options(key)), true);
    intents.add(accepted.generation_id);

    const [pack, plan] = [setting("SHOOTX_PACK"), setting("SHOOTX_PLAN")];
    for (const [name, buy] of [
      ["purchase", (key?: string) => shootx.buy(pack, options(key))],
      ["subscriptions", (key?: string) => shootx.subscribe(plan, options(key))],
    ] as const) {
      proxy.seen.length = 0;
      spoil();
      const checkout = await untilAnswered(buy, true);
      assert(checkout.checkout_url, `${name} after ${fault}`);
      assert.equal(new Set(proxy.seen.map(({ key }) => key)).size, 1, `${name} after ${fault}: one key`);
      assert(proxy.seen.every(({ key }) => key), name);
    }

    for (const call of [
      () => shootx.quote(request),
      () => shootx.find(accepted.generation_id),
      () => shootx.list({ limit: 1 }),
      () => shootx.workflows(),
      () => shootx.balance(),
      () => shootx.cancel(accepted.generation_id),
    ]) {
      spoil();
      await untilAnswered<unknown>(call, false);
    }
    cancelled.add(accepted.generation_id);
  }
}

// Charges = intents: each generation was made once, and every one was cancelled and refunded once.
const page = await direct.list({ limit: 100 });
assert.deepEqual(new Set(page.items.map((item) => item.generation_id)), intents);
assert.deepEqual(cancelled, intents);
assert.equal(intents.size, 2 * FAULTS.length);
assert.equal(await direct.balance(), balanceBefore);
const kept = await shootx.generate(request);
assert.equal(await direct.balance(), balanceBefore - price);

// Times hold, whatever hangs, and so does the caller's own signal.
proxy.faults = Array(100).fill("hanging");
const calls: ((bounds: { timeoutMs?: number; signal?: AbortSignal }) => Promise<unknown>)[] = [
  (bounds) => shootx.generate(request, { ...bounds, idempotencyKey: kept.idempotencyKey }),
  (bounds) => shootx.buy(setting("SHOOTX_PACK"), bounds),
  (bounds) => shootx.subscribe(setting("SHOOTX_PLAN"), bounds),
  (bounds) => shootx.quote(request, bounds),
  (bounds) => shootx.find(kept.generation_id, bounds),
  (bounds) => shootx.waitFor(kept, bounds),
  (bounds) => shootx.cancel(kept.generation_id, bounds),
  (bounds) => shootx.list({}, bounds),
  (bounds) => shootx.workflows(bounds),
  (bounds) => shootx.balance(bounds),
];
for (const call of calls) {
  for (const bounds of [{ timeoutMs: 300 }, { signal: AbortSignal.timeout(300) }]) {
    const begun = Date.now();
    await assert.rejects(call(bounds), (error: unknown) => {
      const isTimeout = error instanceof WaitTimeoutError || error instanceof NoAnswerError;
      assert(isTimeout, `${call}: ${error}`);
      return true;
    });
    assert(Date.now() - begun < ATTEMPT_MS, `${call} took ${Date.now() - begun} ms`);
  }
}
proxy.close();
await direct.cancel(kept.generation_id);
console.log(JSON.stringify(intents.size));
