// A typed client of the ShootX API: openapi-fetch over the types of openapi.yaml, with waiting and errors.

import createClient, { type Client } from "openapi-fetch";

import { ShootXError, retryAfterSeconds } from "./problem.js";
import type { components, paths } from "./schema.js";
import { type Generation, type Look, type WaitOptions, waitUntilFinal } from "./wait.js";

export { ShootXError, type Problem, type ProblemCode } from "./problem.js";
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
}

export interface GenerateOptions {
  /** The name of this intent: a repeat under the same name is answered as the first time and charged once. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

/** An accepted request. */
export type Accepted = Schemas["AcceptedGeneration"] & {
  /** What to repeat the request under, if this answer gets lost. */
  idempotencyKey: string;
  /** Whether this is the answer to an earlier request under the same key. */
  isReplayed: boolean;
};

export interface ShootX {
  /** What a request costs, promised until `expires_at`. Takes nothing. */
  quote(request: GenerateRequest): Promise<Quote>;
  /** Starts a generation and reserves its price. */
  generate(request: GenerateRequest, options?: GenerateOptions): Promise<Accepted>;
  /** How a generation stands. */
  find(generationId: string): Promise<Generation>;
  /** Waits until a generation is completed or failed. */
  waitFor(generation: string | { generation_id: string }, options?: WaitOptions): Promise<Generation>;
  /** Calls a generation off; answers how it stands then. */
  cancel(generationId: string): Promise<Generation>;
  /** The caller's generations, newest first. */
  list(page?: { cursor?: string; limit?: number }): Promise<GenerationPage>;
  /** What can be generated, what it costs, and the JSON Schema of each `input_data`. */
  workflows(): Promise<Workflow[]>;
  /** What the caller can spend, in credits. */
  balance(): Promise<number>;
  /** Begins to buy a pack of credits. A repeat under the same key is the same purchase. */
  buy(packId: string, options?: GenerateOptions): Promise<Checkout>;
  /** Begins to subscribe to a plan. A repeat under the same key is the same purchase. */
  subscribe(planId: string, options?: GenerateOptions): Promise<Checkout>;
  /** The client underneath, with every operation of the document. */
  readonly http: Client<paths>;
}

export function createShootX({ baseUrl, token, fetch }: ShootXOptions): ShootX {
  const http = createClient<paths>({ baseUrl, ...(fetch ? { fetch } : {}) });
  http.use({
    async onRequest({ request }) {
      const current = typeof token === "function" ? await token() : token;
      if (current !== undefined) request.headers.set("Authorization", `Bearer ${current}`);
      return request;
    },
  });

  async function look(generation_id: string, signal?: AbortSignal): Promise<Look> {
    const params = { path: { generation_id } };
    const answer = await http.GET("/api/v1/status/{generation_id}", { params, signal: signal ?? null });
    return { generation: known(answer), retryAfterSeconds: retryAfterSeconds(answer.response) };
  }

  return {
    http,
    async quote(body) {
      return known(await http.POST("/api/v1/quotes", { body }));
    },
    async generate(body, { idempotencyKey = crypto.randomUUID(), signal } = {}) {
      const params = { header: { "Idempotency-Key": idempotencyKey } };
      const answer = await http.POST("/api/v1/generate", { params, body, signal: signal ?? null });
      const isReplayed = answer.response.headers.get("Idempotent-Replayed") === "true";
      return { ...known(answer), idempotencyKey, isReplayed };
    },
    async find(generationId) {
      return (await look(generationId)).generation;
    },
    waitFor(generation, options = {}) {
      const id = typeof generation === "string" ? generation : generation.generation_id;
      return waitUntilFinal(() => look(id, options.signal), options);
    },
    async cancel(generation_id) {
      const params = { path: { generation_id } };
      return known(await http.POST("/api/v1/generations/{generation_id}/cancel", { params }));
    },
    async list(query = {}) {
      return known(await http.GET("/api/v1/generations", { params: { query } }));
    },
    async workflows() {
      return known(await http.GET("/api/v1/workflows")).workflows;
    },
    async balance() {
      return known(await http.GET("/api/v1/credits")).balance;
    },
    async buy(pack_id, { idempotencyKey = crypto.randomUUID(), signal } = {}) {
      const options = { params: { header: { "Idempotency-Key": idempotencyKey } }, signal: signal ?? null };
      return known(await http.POST("/api/v1/credits/purchase", { ...options, body: { pack_id } }));
    },
    async subscribe(plan_id, { idempotencyKey = crypto.randomUUID(), signal } = {}) {
      const options = { params: { header: { "Idempotency-Key": idempotencyKey } }, signal: signal ?? null };
      return known(await http.POST("/api/v1/subscriptions", { ...options, body: { plan_id } }));
    },
  };
}

/** The data of a good answer; throws what any other says. */
function known<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.data === undefined) throw new ShootXError(answer.response, answer.error);
  return answer.data;
}
