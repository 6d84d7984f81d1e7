// What the client adds to openapi-fetch, against answers made here. No time passes: `Retry-After` is 0 where it waits.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createShootX, ShootXError, WaitTimeoutError } from "../src/index.js";

const ID = "01983c5e-7a3b-7c1d-9f00-3a5d2e8b6f41";

function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  const type = status < 400 ? "application/json; charset=utf-8" : "application/problem+json";
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": type, ...headers } });
}

function seen(status: string, progress: number, retryAfter = "0"): Response {
  return json(200, { generation_id: ID, status, progress }, { "Retry-After": retryAfter });
}

function refused(status: number, code: string): Response {
  return json(status, { code, title: "No", detail: "because", status }, { "Retry-After": "0" });
}

/** A client of an API that gives these answers, one after the other, and what it was asked. */
function client(...answers: (Response | Error)[]) {
  const asked: Request[] = [];
  let tokens = 0;
  const shootx = createShootX({
    baseUrl: "https://api.test",
    token: () => `token ${(tokens += 1)}`,
    fetch: async (request) => {
      asked.push(request);
      const answer = answers.shift();
      assert(answer, "asked once more than expected");
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return { shootx, asked };
}

test("waiting ends with the final status, and tells of each look", async () => {
  const { shootx, asked } = client(seen("processing", 0), seen("processing", 40), seen("completed", 100));
  const progress: number[] = [];
  const generation = await shootx.waitFor({ generation_id: ID }, { onProgress: (now) => progress.push(now.progress) });
  assert.equal(generation.status, "completed");
  assert.deepEqual(progress, [0, 40, 100]);
  assert.equal(asked[0]?.url, `https://api.test/api/v1/status/${ID}`);
});

test("every request asks for the token of the moment", async () => {
  const { shootx, asked } = client(seen("processing", 0), seen("failed", 100));
  await shootx.waitFor(ID);
  assert.deepEqual(asked.map((request) => request.headers.get("Authorization")), ["Bearer token 1", "Bearer token 2"]);
});

test("a quote is asked for with the request it is about, and named when that is generated", async () => {
  const quote_id = "01983c5e-5d20-7e41-8b1c-9a7f3e5d0c26";
  const { shootx, asked } = client(json(201, { quote_id, price: 1 }), json(202, { generation_id: ID }));
  const input_data = { input_image: "u/uploads/a.png", target_width: 64, target_height: 64, maintain_aspect: true };
  const request = { workflow_type: "resize" as const, input_data };
  const quote = await shootx.quote(request);
  await shootx.generate({ ...request, quote_id: quote.quote_id });
  assert.deepEqual(asked.map(({ url }) => url), ["https://api.test/api/v1/quotes", "https://api.test/api/v1/generate"]);
  assert.deepEqual(await asked[0]?.json(), request);
  assert.deepEqual(await asked[1]?.json(), { ...request, quote_id });
});

test("waiting ends in time, with what was seen last", async () => {
  const { shootx } = client(seen("processing", 70, "2"));
  await assert.rejects(shootx.waitFor(ID, { timeoutMs: 1000 }), (error: unknown) => {
    assert(error instanceof WaitTimeoutError);
    assert.equal(error.generation?.progress, 70);
    return true;
  });
});

test("waiting bears failures that pass, but not too many in a row", async () => {
  const failures = [503, 429, 500, 500, 502].map((status) => refused(status, "unavailable"));
  const passing = client(...failures.map((answer) => answer.clone()), seen("completed", 100));
  assert.equal((await passing.shootx.waitFor(ID)).status, "completed");
  const lasting = client(...failures, refused(503, "unavailable"));
  await assert.rejects(lasting.shootx.waitFor(ID), { name: "ShootXError", status: 503 });
});

test("waiting ends at once with a refusal that stays", async () => {
  const { shootx } = client(refused(404, "not-found"));
  await assert.rejects(shootx.waitFor(ID), { name: "ShootXError", code: "not-found", isPassing: false });
});

test("a pause ends when the caller has enough", async () => {
  const { shootx } = client(seen("processing", 0, "30"));
  const stop = new AbortController();
  const onProgress = () => queueMicrotask(() => stop.abort(new Error("enough")));
  const waiting = shootx.waitFor(ID, { signal: stop.signal, onProgress });
  await assert.rejects(waiting, /enough/);
});

test("a repeat is sent under the key of the first", async () => {
  const accepted = { generation_id: ID, status: "processing", stage: "queued", estimated_time: 9, cost: {} };
  const { shootx, asked } = client(json(202, accepted), json(202, accepted, { "Idempotent-Replayed": "true" }));
  const request = {
    workflow_type: "upscale",
    input_data: { input_image: "a", upscale_level: 2 },
  } as const;
  const first = await shootx.generate(request);
  const again = await shootx.generate(request, { idempotencyKey: first.idempotencyKey });
  assert.deepEqual([first.isReplayed, again.isReplayed], [false, true]);
  assert.deepEqual(asked.map((one) => one.headers.get("Idempotency-Key")), Array(2).fill(first.idempotencyKey));
  assert.match(first.idempotencyKey, /^[0-9a-f-]{36}$/);
});

test("an answer that is not the API's own is still an error with its status", async () => {
  const page = new Response("<h1>Bad gateway</h1>", { status: 502, headers: { "Content-Type": "text/html" } });
  const { shootx } = client(page);
  await assert.rejects(shootx.balance({ timeoutMs: 100 }), (error: unknown) => {
    assert(error instanceof ShootXError);
    assert.deepEqual([error.status, error.problem, error.code], [502, undefined, undefined]);
    return true;
  });
});

test("a refusal for a while is asked again when it says, under the same key", async () => {
  const accepted = { generation_id: ID };
  const answers = [refused(503, "queue-full"), new TypeError("lost"), refused(429, "rate-limited"), json(202, accepted)];
  const { shootx, asked } = client(...answers);
  const request = { workflow_type: "upscale", input_data: { input_image: "a", upscale_level: 2 } } as const;
  const { idempotencyKey } = await shootx.generate(request);
  assert.deepEqual(asked.map((one) => one.headers.get("Idempotency-Key")), Array(4).fill(idempotencyKey));
});

test("a refusal that asks for more time than there is comes at once, with the key", async () => {
  const busy = json(503, { code: "queue-full", title: "No", detail: "because" }, { "Retry-After": "30" });
  const { shootx } = client(busy);
  const request = { workflow_type: "upscale", input_data: { input_image: "a", upscale_level: 2 } } as const;
  await assert.rejects(shootx.generate(request, { idempotencyKey: "mine", timeoutMs: 1000 }), {
    name: "ShootXError",
    idempotencyKey: "mine",
    retryAfterSeconds: 30,
  });
});

test("a refusal that stays is not asked again, and carries the key", async () => {
  const { shootx, asked } = client(refused(402, "insufficient-credits"));
  const request = { workflow_type: "upscale", input_data: { input_image: "a", upscale_level: 2 } } as const;
  await assert.rejects(shootx.generate(request, { idempotencyKey: "mine" }), { status: 402, idempotencyKey: "mine" });
  assert.equal(asked.length, 1);
});

test("a token that cannot be had loses no key", async () => {
  const token = () => Promise.reject(new Error("signed out"));
  const shootx = createShootX({ baseUrl: "https://api.test", token });
  const request = { workflow_type: "upscale", input_data: { input_image: "a", upscale_level: 2 } } as const;
  const begun = shootx.generate(request, { idempotencyKey: "mine", timeoutMs: 100 });
  await assert.rejects(begun, { name: "NoAnswerError", idempotencyKey: "mine", message: /signed out/ });
});
