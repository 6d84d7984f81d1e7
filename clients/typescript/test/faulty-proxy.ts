// A proxy in front of an API that drops, delays or cuts some of its responses.

import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What happens to a request: `lost…`, `hang…` and `cut` pass it on to the API first, the others do not. */
export const FAULTS = ["refused", "unreadable", "busy", "limited", "lost", "hanging", "hangingBody", "cut"] as const;
export type Fault = (typeof FAULTS)[number];

export class FaultyProxy {
  /** The idempotency keys of the requests that came, by method and path. */
  readonly keys = new Map<string, (string | undefined)[]>();

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  /** Spoils the first `times` answers of each path. */
  static async before(api: string, fault: Fault, times: number): Promise<FaultyProxy> {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const proxy = new FaultyProxy(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on("request", async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const headers = Object.fromEntries(
        ["authorization", "content-type", "idempotency-key"].flatMap((name) => {
          const value = request.headers[name];
          return typeof value === "string" ? [[name, value]] : [];
        }),
      );
      const path = `${request.method} ${new URL(request.url ?? "/", api).pathname}`;
      const keys = [...(proxy.keys.get(path) ?? []), headers["idempotency-key"]];
      proxy.keys.set(path, keys);
      const pass = () =>
        fetch(`${api}${request.url}`, {
          method: request.method ?? "GET",
          headers,
          ...(parts.length > 0 ? { body: Buffer.concat(parts) } : {}),
        });
      await answer(keys.length <= times ? fault : undefined, pass, response);
    });
    return proxy;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

async function answer(fault: Fault | undefined, pass: () => Promise<Response>, response: ServerResponse) {
  switch (fault) {
    case "refused":
      response.destroy();
      return;
    case "unreadable":
      response.writeHead(502, { "Content-Type": "text/html", "Retry-After": "0" }).end("<h1>Bad gateway</h1>");
      return;
    case "busy":
      response.writeHead(503, { "Content-Type": "application/problem+json", "Retry-After": "0" }).end("{}");
      return;
    case "limited":
      response.writeHead(429, { "Content-Type": "application/problem+json", "Retry-After": "0" }).end("{}");
      return;
  }
  const real = await pass();
  const body = Buffer.from(await real.arrayBuffer());
  if (fault === "lost") {
    response.destroy();
    return;
  }
  if (fault === "hanging") return;
  const { "content-length": _length, "transfer-encoding": _coding, ...headers } = Object.fromEntries(real.headers);
  response.writeHead(real.status, { ...headers, "Content-Length": body.length });
  if (fault === "hangingBody" || fault === "cut") {
    response.write(body.subarray(0, body.length / 2), () => fault === "cut" && response.destroy());
    return;
  }
  response.end(body);
}
