// Runs the client through a proxy that drops responses, hangs, cuts connections and refuses, against the API at
// SHOOTX_URL: every request is carried out and charged once. Prints one line of JSON: the number of requests.

import assert from "node:assert/strict";

import { createShootX, NoAnswerError, ShootXError, WaitTimeoutError } from "../src/index.js";
import type { RequestOf } from "../src/index.js";
import { FAULTS, type Fault, FaultyProxy } from "./faulty-proxy.js";

function setting(name: string): string {
  const value = process.env[name];
  assert(value, `${name} is not set`);
  return value;
}

const ATTEMPT_MS = 1000;
/** In which a call that may take 300 ms ends, on a busy machine. */
const HELD_MS = 1500;
/** A fault at each try of a call. */
const LASTING = 4;

const api = setting("SHOOTX_URL");
const token = setting("SHOOTX_TOKEN");
const [pack, plan] = [setting("SHOOTX_PACK"), setting("SHOOTX_PLAN")];
const direct = createShootX({ baseUrl: api, token });
const request: RequestOf<"model"> = {
  workflow_type: "model",
  input_data: { gender: "female", pose: "standing", age_range: "25-35", ethnicity: "mixed" },
  settings: { output_count: 1 },
};
const { price } = await direct.quote(request);
const balanceBefore = await direct.balance();
const intents = new Set<string>();

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

/** Everything a client can ask for, with each of the first answers spoiled. */
async function tryAll(fault: Fault, times: number): Promise<void> {
  const proxy = await FaultyProxy.before(api, fault, times);
  const shootx = createShootX({ baseUrl: proxy.url, token, attemptTimeoutMs: ATTEMPT_MS });
  const { generation_id } = await untilAnswered((key) => shootx.generate(request, options(key)), true);
  assert(!intents.has(generation_id));
  intents.add(generation_id);
  const checkouts = [
    (key?: string) => shootx.buy(pack, options(key)),
    (key?: string) => shootx.subscribe(plan, options(key)),
  ];
  const others = [
    () => shootx.quote(request),
    () => shootx.find(generation_id),
    () => shootx.waitFor(generation_id, { timeoutMs: 60_000 }),
    () => shootx.list({ limit: 1 }),
    () => shootx.workflows(),
    () => shootx.balance(),
    () => shootx.cancel(generation_id),
  ];
  await Promise.all([
    ...checkouts.map((call) => untilAnswered(call, true)),
    ...others.map((call) => untilAnswered<unknown>(call, false)),
  ]);
  for (const path of ["generate", "credits/purchase", "subscriptions"]) {
    const keys = proxy.keys.get(`POST /api/v1/${path}`) ?? [];
    assert(keys.length > times, `${path} after ${fault}: it was asked again`);
    assert(keys[0] && keys.every((key) => key === keys[0]), `${path} after ${fault}: one key, not ${keys}`);
  }
  proxy.close();
}

for (const times of [1, LASTING]) await Promise.all(FAULTS.map((fault) => tryAll(fault, times)));

// Charges = intents: each generation was made once, and every one was cancelled and refunded once.
const page = await direct.list({ limit: 100 });
assert.deepEqual(new Set(page.items.map((item) => item.generation_id)), intents);
assert.equal(intents.size, 2 * FAULTS.length);
assert.equal(await direct.balance(), balanceBefore);
const kept = await direct.generate(request);
assert.equal(await direct.balance(), balanceBefore - price);

// Time limits apply even if a response hangs, and so does the caller's own signal.
const proxy = await FaultyProxy.before(api, "hanging", 100);
const shootx = createShootX({ baseUrl: proxy.url, token });
const calls: ((bounds: { timeoutMs?: number; signal?: AbortSignal }) => Promise<unknown>)[] = [
  (bounds) => shootx.generate(request, { ...bounds, idempotencyKey: kept.idempotencyKey }),
  (bounds) => shootx.buy(pack, bounds),
  (bounds) => shootx.subscribe(plan, bounds),
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
    assert(Date.now() - begun < HELD_MS, `${call} took ${Date.now() - begun} ms`);
  }
}
proxy.close();
await direct.cancel(kept.generation_id);
console.log(JSON.stringify(intents.size));
