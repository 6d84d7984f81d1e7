// A typed client of the ShootX API: openapi-fetch over the types of openapi.yaml, with waiting and errors.

import createClient, { type Client } from "openapi-fetch";

import { type CallOptions, DEFAULT_BOUNDS, repeat } from "./call.js";
import { ShootXError, retryAfterSeconds } from "./problem.js";
import type { components, paths } from "./schema.js";
import { type Generation, type Look, type WaitOptions, waitUntilFinal } from "./wait.js";

export type { CallOptions } from "./call.js";
export { NoAnswerError, ShootXError, type Problem, type ProblemCode } from "./problem.js";
export { WaitTimeoutError, type Generation, type WaitOptions } from "./wait.js";
export type { components, operations, paths } from "./schema.js";

type Schemas = components["schemas"];

/** A request to run one workflow; `workflow_type` decides which parameters and formats it takes. */
export type GenerateRequest = Schemas["GenerateRequest"];
export type WorkflowType = GenerateRequest["workflow_type"];
/** The request of one workflow. */
export type RequestOf<T extends WorkflowType> = Extract<GenerateRequest, { workflow_type: T }>;
/** The parameters of one workflow. */
export type InputOf<T extends WorkflowType> = RequestOf<T>["input_data"];
export type Workflow = Schemas["Workflow"];
/** A price that is promised for one request: sent with it as `quote_id`, it is what is charged. */
export type Quote = Schemas["Quote"];
export type GenerationPage = Schemas["GenerationPage"];
/** A page on which something can be paid: send the customer to its `checkout_url`. */
export type Checkout = Schemas["Checkout"];

export interface ShootXOptions {
  /** Where the API is, such as `https://api.example.com`. */
  baseUrl: string;
  /** The access token of the signed-in user, or what knows the one of the moment. Not needed for `workflows`. */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** Instead of the global `fetch`. */
  fetch?: (request: Request) => Promise<Response>;
  /** How long a call may take, its repeats included, in milliseconds: 3 minutes when left out. */
  timeoutMs?: number;
  /** How long one try of a call may take, in milliseconds: 1 minute when left out. */
  attemptTimeoutMs?: number;
}

export interface GenerateOptions extends CallOptions {
  /** The name of this intent: a repeat under the same name is answered as the first time and charged once. */
  idempotencyKey?: string;
}

/** An accepted request. */
export type Accepted = Schemas["AcceptedGeneration"] & {
  /** What to repeat the request under, if this answer gets lost. */
  idempotencyKey: string;
  /** Whether this is the answer to an earlier request under the same key. */
  isReplayed: boolean;
};

/** Each call is tried again after a lost answer, 429 and 5xx, as often and as late as its bounds and `Retry-After` allow. */
export interface ShootX {
  /** What a request costs, promised until `expires_at`. Takes nothing. */
  quote(request: GenerateRequest, options?: CallOptions): Promise<Quote>;
  /** Starts a generation and reserves its price. */
  generate(request: GenerateRequest, options?: GenerateOptions): Promise<Accepted>;
  /** How a generation stands. */
  find(generationId: string, options?: CallOptions): Promise<Generation>;
  /** Waits until a generation is completed or failed. */
  waitFor(generation: string | { generation_id: string }, options?: WaitOptions): Promise<Generation>;
  /** Calls a generation off; answers how it stands then. */
  cancel(generationId: string, options?: CallOptions): Promise<Generation>;
  /** The caller's generations, newest first. */
  list(page?: { cursor?: string; limit?: number }, options?: CallOptions): Promise<GenerationPage>;
  /** What can be generated, what it costs, and the JSON Schema of each `input_data`. */
  workflows(options?: CallOptions): Promise<Workflow[]>;
  /** What the caller can spend, in credits. */
  balance(options?: CallOptions): Promise<number>;
  /** Begins to buy a pack of credits. A repeat under the same key is the same purchase. */
  buy(packId: string, options?: GenerateOptions): Promise<Checkout>;
  /** Begins to subscribe to a plan. A repeat under the same key is the same purchase. */
  subscribe(planId: string, options?: GenerateOptions): Promise<Checkout>;
  /** The client underneath, with every operation of the document; it repeats nothing. */
  readonly http: Client<paths>;
}

export function createShootX({ baseUrl, token, fetch, ...bounds }: ShootXOptions): ShootX {
  const http = createClient<paths>({ baseUrl, ...(fetch ? { fetch } : {}) });
  const limits = { ...DEFAULT_BOUNDS, ...bounds };
  http.use({
    async onRequest({ request }) {
      const current = typeof token === "function" ? await token() : token;
      if (current !== undefined) request.headers.set("Authorization", `Bearer ${current}`);
      return request;
    },
  });

  async function look(generation_id: string, signal: AbortSignal): Promise<Look> {
    const params = { path: { generation_id } };
    const answer = await http.GET("/api/v1/status/{generation_id}", { params, signal });
    return { generation: known(answer), retryAfterSeconds: retryAfterSeconds(answer.response) };
  }

  function call<T>(attempt: (signal: AbortSignal) => Promise<Answer<T>>, options?: CallOptions): Promise<T> {
    return repeat(async (signal) => known(await attempt(signal)), limits, options);
  }

  /** A call that must be carried out once, however often it is sent. */
  function once<T>(
    attempt: (header: { "Idempotency-Key": string }, signal: AbortSignal) => Promise<Answer<T>>,
    options: GenerateOptions = {},
  ): Promise<{ data: T; response: Response; idempotencyKey: string }> {
    const { idempotencyKey = crypto.randomUUID() } = options;
    const one = async (signal: AbortSignal) => {
      const answer = await attempt({ "Idempotency-Key": idempotencyKey }, signal);
      return { data: known(answer), response: answer.response, idempotencyKey };
    };
    return repeat(one, limits, options, idempotencyKey);
  }

  return {
    http,
    quote(body, options) {
      return call((signal) => http.POST("/api/v1/quotes", { body, signal }), options);
    },
    async generate(body, options) {
      const { data, response, idempotencyKey } = await once(
        (header, signal) => http.POST("/api/v1/generate", { params: { header }, body, signal }),
        options,
      );
      return { ...data, idempotencyKey, isReplayed: response.headers.get("Idempotent-Replayed") === "true" };
    },
    async find(generationId, options) {
      return (await repeat((signal) => look(generationId, signal), limits, options)).generation;
    },
    waitFor(generation, options) {
      const id = typeof generation === "string" ? generation : generation.generation_id;
      return waitUntilFinal((signal) => look(id, signal), limits, options);
    },
    cancel(generation_id, options) {
      const params = { path: { generation_id } };
      return call((signal) => http.POST("/api/v1/generations/{generation_id}/cancel", { params, signal }), options);
    },
    list(query = {}, options) {
      return call((signal) => http.GET("/api/v1/generations", { params: { query }, signal }), options);
    },
    async workflows(options) {
      return (await call((signal) => http.GET("/api/v1/workflows", { signal }), options)).workflows;
    },
    async balance(options) {
      return (await call((signal) => http.GET("/api/v1/credits", { signal }), options)).balance;
    },
    async buy(pack_id, options) {
      const body = { pack_id };
      const bought = await once(
        (header, signal) => http.POST("/api/v1/credits/purchase", { params: { header }, body, signal }),
        options,
      );
      return bought.data;
    },
    async subscribe(plan_id, options) {
      const body = { plan_id };
      const subscribed = await once(
        (header, signal) => http.POST("/api/v1/subscriptions", { params: { header }, body, signal }),
        options,
      );
      return subscribed.data;
    },
  };
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of a good answer; throws what any other says. A good answer without data was lost on its way. */
function known<T>({ data, error, response }: Answer<T>): T {
  if (!response.ok) throw new ShootXError(response, error);
  if (data === undefined) throw new TypeError("the answer has no body");
  return data;
}
