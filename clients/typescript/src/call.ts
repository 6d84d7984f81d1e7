// One call of the API, with retries and a time limit.

import { NoAnswerError, ShootXError } from "./problem.js";

export interface CallOptions {
  /** How long the call may take, all its tries and the pauses between them included, in milliseconds. */
  timeoutMs?: number;
  /** Stops the call. What it asked for may happen all the same. */
  signal?: AbortSignal;
}

/** The bounds of a client's calls, in milliseconds. */
export interface CallBounds {
  timeoutMs: number;
  attemptTimeoutMs: number;
}

/** Long enough for three pictures of the largest size over a slow connection. */
export const DEFAULT_BOUNDS: CallBounds = { timeoutMs: 180_000, attemptTimeoutMs: 60_000 };
/** Tries of one call, the first included. */
const ATTEMPTS_MAX = 4;
/** The first pause where the API names no time; each later one is twice as long. */
const PAUSE_MS = 500;

/**
 * Makes a call, and retries it after a lost response, 429 and 5xx, after the pause that `Retry-After` states.
 * Every error that it throws carries `idempotencyKey`.
 */
export async function repeat<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  bounds: CallBounds,
  options: CallOptions = {},
  idempotencyKey?: string,
): Promise<T> {
  const { timeoutMs = bounds.timeoutMs, signal } = options;
  const deadline = Date.now() + timeoutMs;
  for (let tries = 1; ; tries += 1) {
    try {
      return await within(Math.min(bounds.attemptTimeoutMs, deadline - Date.now()), signal, attempt);
    } catch (thrown) {
      const error = named(thrown, idempotencyKey);
      const pauseMs = pauseAfter(error, tries);
      const mayRepeat = error.isPassing && !signal?.aborted && tries < ATTEMPTS_MAX;
      if (!mayRepeat || Date.now() + pauseMs >= deadline) throw error;
      await pause(pauseMs, signal).catch((stopped: unknown) => Promise.reject(named(stopped, idempotencyKey)));
    }
  }
}

/** Ends after `ms` or with `signal`, also where the call takes no notice of its own signal. */
export function within<T>(
  ms: number,
  signal: AbortSignal | undefined,
  attempt: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (signal?.aborted) return Promise.reject(new NoAnswerError("aborted", signal.reason));
  const own = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const end = (error: NoAnswerError) => {
      release();
      own.abort();
      reject(error);
    };
    const stop = () => end(new NoAnswerError("aborted", signal?.reason));
    const timer = setTimeout(() => end(new NoAnswerError("timeout")), Math.max(ms, 0));
    const release = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    };
    signal?.addEventListener("abort", stop, { once: true });
    attempt(own.signal).then(resolve, (error: unknown) => reject(named(error))).finally(release);
  });
}

/** Waits, unless `signal` ends it. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return within(ms, signal, () => new Promise<never>(() => {})).catch((error: unknown) => {
    if (!(error instanceof NoAnswerError && error.reason === "timeout")) throw error;
  });
}

/** The error as one of ours, with the key of its call. Without an answer of the API, whatever else was thrown counts as a lost one. */
function named(error: unknown, idempotencyKey?: string): ShootXError | NoAnswerError {
  const ours =
    error instanceof ShootXError || error instanceof NoAnswerError ? error : new NoAnswerError("connection", error);
  if (idempotencyKey !== undefined) ours.idempotencyKey = idempotencyKey;
  return ours;
}

function pauseAfter(error: ShootXError | NoAnswerError, tries: number): number {
  const asked = error instanceof ShootXError ? error.retryAfterSeconds : undefined;
  return asked === undefined ? PAUSE_MS * 2 ** (tries - 1) * (0.5 + Math.random() / 2) : asked * 1000;
}
