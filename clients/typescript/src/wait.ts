// Following a generation until it is final, as often as the API wants to be asked and no longer than a bound.

import { type CallBounds, pause, within } from "./call.js";
import { NoAnswerError, ShootXError } from "./problem.js";
import type { components } from "./schema.js";

export type Generation = components["schemas"]["Generation"];

/** A look at a generation, and when the API wants to be asked again. */
export interface Look {
  generation: Generation;
  retryAfterSeconds: number | undefined;
}

export interface WaitOptions {
  /** How long to wait at most, in milliseconds. As long as any generation may take when left out. */
  timeoutMs?: number;
  /** Stops waiting with a `NoAnswerError`; the generation goes on. */
  signal?: AbortSignal;
  /** Is told of every look at the generation, also the last. */
  onProgress?: (generation: Generation) => void;
}

/** It was not final in time. It may still become so, and is refunded if it fails. */
export class WaitTimeoutError extends Error {
  override readonly name = "WaitTimeoutError";
  /** What was seen last, if anything. */
  readonly generation: Generation | undefined;

  constructor(timeoutMs: number, generation: Generation | undefined) {
    super(`the generation is not final after ${timeoutMs} ms`);
    this.generation = generation;
  }
}

/** Ten minutes in the queue, two of the longest workflow, and some for fetching what it made. */
const TIMEOUT_MS = 15 * 60 * 1000;
/** Between two looks, where the API names no time, and the longest that is believed, in seconds. */
const PAUSE_SECONDS = 2;
const PAUSE_SECONDS_MAX = 30;
/** Looks that may fail in a row before the failure is passed on. */
const FAILURES_MAX = 5;

export async function waitUntilFinal(
  look: (signal: AbortSignal) => Promise<Look>,
  bounds: CallBounds,
  options: WaitOptions = {},
): Promise<Generation> {
  const { timeoutMs = TIMEOUT_MS, signal, onProgress } = options;
  const deadline = Date.now() + timeoutMs;
  let last: Generation | undefined;
  let failures = 0;
  for (;;) {
    const leftMs = deadline - Date.now();
    let pauseSeconds: number | undefined;
    const seen = await within(Math.min(leftMs, bounds.attemptTimeoutMs), signal, look).catch((error: unknown) => {
      if (leftMs <= bounds.attemptTimeoutMs && isTimeout(error)) throw new WaitTimeoutError(timeoutMs, last);
      failures += 1;
      if (!mayPass(error) || failures > FAILURES_MAX) throw error;
      pauseSeconds = error instanceof ShootXError ? error.retryAfterSeconds : undefined;
      return undefined;
    });
    if (seen) {
      failures = 0;
      last = seen.generation;
      pauseSeconds = seen.retryAfterSeconds;
      onProgress?.(last);
      if (last.status !== "processing") return last;
    }
    const pauseMs = Math.min(pauseSeconds ?? PAUSE_SECONDS, PAUSE_SECONDS_MAX) * 1000;
    if (Date.now() + pauseMs > deadline) throw new WaitTimeoutError(timeoutMs, last);
    await pause(pauseMs, signal);
  }
}

function mayPass(error: unknown): boolean {
  return (error instanceof ShootXError || error instanceof NoAnswerError) && error.isPassing;
}

function isTimeout(error: unknown): boolean {
  return error instanceof NoAnswerError && error.reason === "timeout";
}
