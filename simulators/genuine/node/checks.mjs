// What both programs share: a check is one line of JSON, and one that fails fails the program.
import assert from "node:assert/strict";

export { assert };

// Longer than any answer of a simulator takes, and shorter than a test is waited for.
const CHECK_MS_MAX = 10_000;

let failures = 0;

export async function check(name, body) {
  const started = performance.now();
  let error;
  let timer;
  try {
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no end within ${CHECK_MS_MAX} ms`)), CHECK_MS_MAX);
    });
    await Promise.race([body(), late]);
  } catch (thrown) {
    failures += 1;
    error = thrown?.stack ?? String(thrown);
  } finally {
    clearTimeout(timer);
  }
  const ms = Math.round(performance.now() - started);
  console.log(JSON.stringify({ check: name, ok: error === undefined, ms, error }));
}

// Ends the program: a request that never ends must not keep it alive.
export function conclude() {
  process.exit(failures === 0 ? 0 : 1);
}

export function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}
