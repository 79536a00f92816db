/** A relay before Darkroom that loses answers, cuts streams, falls silent or refuses. */
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Seen {
  method: string;
  path: string;
  key: string | undefined;
}

/** What the relay does with a request instead of passing it on. */
export type Act = (incoming: IncomingMessage, answer: ServerResponse) => void;

export class Relay implements AsyncDisposable {
  readonly seen: Seen[] = [];
  url = "";
  /** Does something else with requests, while set. */
  act: ((seen: Seen) => Act | undefined) | undefined;
  /** How many answers to lose: the request is carried out, the connection is cut. */
  losing = 0;
  /** Says how much of a stream's next piece is passed on, behind which the stream is cut. */
  cuts: ((piece: string) => string | undefined) | undefined;
  /** Says of each piece of a stream whether it is withheld, while the stream stays open. */
  withholds: ((piece: string) => boolean) | undefined;
  readonly #target: URL;
  readonly #server = createServer((incoming, answer) => this.#take(incoming, answer));

  private constructor(target: string) {
    this.#target = new URL(target);
  }

  static async before(target: string): Promise<Relay> {
    const relay = new Relay(target);
    await new Promise<void>((resolve) => relay.#server.listen(0, "127.0.0.1", resolve));
    relay.url = `http://127.0.0.1:${(relay.#server.address() as AddressInfo).port}`;
    return relay;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(incoming: IncomingMessage, answer: ServerResponse): void {
    const key = incoming.headers["idempotency-key"] as string | undefined;
    const seen = { method: incoming.method ?? "", path: incoming.url ?? "", key };
    this.seen.push(seen);
    const act = this.act?.(seen);
    if (act) act(incoming, answer);
    else this.#pass(incoming, answer);
  }

  #pass(incoming: IncomingMessage, answer: ServerResponse): void {
    const { hostname, port } = this.#target;
    const { method, url: path, headers } = incoming;
    const onward = request({ hostname, port, method, path, headers }, (reply) => {
      if (this.losing > 0) {
        this.losing -= 1;
        reply.resume();
        reply.on("end", () => answer.destroy());
        return;
      }
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      answer.flushHeaders();
      const isStream = reply.headers["content-type"]?.startsWith("text/event-stream");
      reply.on("data", (piece: Buffer) => {
        if (isStream && this.withholds?.(piece.toString())) return;
        const last = isStream ? this.cuts?.(piece.toString()) : undefined;
        if (last === undefined) answer.write(piece);
        else answer.write(last, () => answer.destroy());
      });
      reply.on("end", () => answer.end());
      reply.on("error", () => answer.destroy());
    });
    onward.on("error", () => answer.destroy());
    answer.on("close", () => onward.destroy());
    incoming.pipe(onward);
  }
}

/** Answer at once with a status, and with a body that is no problem document. */
export function answering(status: number, headers: Record<string, string> = {}): Act {
  return (incoming, answer) => {
    incoming.resume();
    answer.writeHead(status, { "Content-Type": "text/html", ...headers });
    answer.end("<h1>a proxy</h1>");
  };
}
