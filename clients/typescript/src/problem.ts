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
    return this.status === 429 || this.status >= 500;
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
