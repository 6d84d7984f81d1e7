// How the API says no: RFC 9457 problems, as an error to catch.

import type { components } from "./schema.js";

export type Problem = components["schemas"]["Problem"];
export type ProblemCode = components["schemas"]["ProblemCode"];

/** The API refused a request, or something between here and there did. */
export class ShootXError extends Error {
  override readonly name = "ShootXError";
  /** The status code of the answer. */
  readonly status: number;
  /** What the API said; undefined where the answer was not the API's own. */
  readonly problem: Problem | undefined;
  /** How long to wait before trying again, where the answer says so. */
  readonly retryAfterSeconds: number | undefined;
  /** The key of the request, where it has one: repeated under it, the request is carried out and charged once. */
  idempotencyKey: string | undefined;

  constructor(response: Response, body: unknown) {
    const problem = isProblem(body) ? body : undefined;
    super(problem ? `${problem.title}: ${problem.detail}` : `answered with status ${response.status}`);
    this.status = response.status;
    this.problem = problem;
    this.retryAfterSeconds = retryAfterSeconds(response);
  }

  /** What kind of refusal it is, for programs. */
  get code(): ProblemCode | undefined {
    return this.problem?.code;
  }

  /** Whether the same request may be answered differently a little later. */
  get isPassing(): boolean {
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** No answer came. What the request asked for may have happened: repeat it under `idempotencyKey`. */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
  /** Why: the connection failed or its answer cannot be read, the time was over, or the caller stopped the call. */
  readonly reason: "connection" | "timeout" | "aborted";
  /** The key of the request, where it has one: repeated under it, the request is carried out and charged once. */
  idempotencyKey: string | undefined;

  constructor(reason: NoAnswerError["reason"], cause?: unknown) {
    const detail = cause instanceof Error ? `: ${cause.message}` : "";
    super(`no answer (${reason})${detail}`, { cause });
    this.reason = reason;
  }

  /** Whether another try may be answered. */
  get isPassing(): boolean {
    return this.reason !== "aborted";
  }
}

/** What `Retry-After` asks for; the API gives it in seconds. */
export function retryAfterSeconds(response: Response): number | undefined {
  const text = response.headers.get("Retry-After");
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}

function isProblem(body: unknown): body is Problem {
  return typeof body === "object" && body !== null && "code" in body && "title" in body && "detail" in body;
}
