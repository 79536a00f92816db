/** One request, repeated under one Idempotency-Key until it is answered or its limits are met. */
import { Problem, problemIn, Unreachable } from "./problem.ts";

export interface ConnectionOptions {
  /** Where Darkroom is, as `https://api.example.com`. */
  url: string;
  /** The caller's token, or how to get it; asked for before each request. */
  token?: string | (() => string | Promise<string>);
  /** How to get a ticket for a stream, as from your own back end. Without it the token is used. */
  getTicket?: (signal: AbortSignal) => Promise<string>;
  /** Another `fetch` than the global one. */
  fetch?: typeof fetch;
  /** How often one call is sent at most: 5. */
  attemptsMax?: number;
  /** How long one call may take, all attempts and pauses together: 60. */
  secondsMax?: number;
  /** How long one attempt may take: 40, which is more than the longest `?wait=`. */
  attemptSeconds?: number;
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
  /** A name for the request; a fresh one is made for each call that makes something. */
  idempotencyKey?: string | undefined;
  attemptsMax?: number;
  secondsMax?: number;
}

/** A request as it goes out, the same at each attempt. */
export interface Outgoing extends CallOptions {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: unknown;
}

/** A whole answer, with its body as text. */
export interface Incoming {
  status: number;
  headers: Headers;
  text: string;
  idempotencyKey: string | undefined;
}

const BODY_BYTES_MAX = 32 * 1024 * 1024;
const PAUSE_SECONDS = 0.25;
const PAUSE_SECONDS_MAX = 8;
const KEYED = new Set(["POST", "PATCH", "PUT"]);
const TEMPORARY = new Set([408, 429, 502, 503, 504]);

export class Connection {
  readonly options: ConnectionOptions;
  readonly #url: string;

  constructor(options: ConnectionOptions) {
    this.options = options;
    this.#url = options.url.replace(/\/+$/, "");
  }

  /** Send until it is answered. Throw Problem, Unreachable, or the reason of the signal. */
  async send(outgoing: Outgoing): Promise<Incoming> {
    const attemptsMax = outgoing.attemptsMax ?? this.options.attemptsMax ?? 5;
    const seconds = outgoing.secondsMax ?? this.options.secondsMax ?? 60;
    const key = outgoing.idempotencyKey ?? (KEYED.has(outgoing.method) ? newKey() : undefined);
    const deadline = performance.now() + seconds * 1000;
    for (let attempt = 1, wasLost = false; ; attempt += 1) {
      const found = await this.#attempt(outgoing, key, deadline);
      if (!(found instanceof Error)) return found;
      if (wasLost && isDeleted(outgoing, found)) return nothing(key);
      const pause = pauseAfter(found, attempt);
      const isOver = attempt >= attemptsMax || performance.now() + pause > deadline;
      if (pause < 0 || isOver) throw found;
      wasLost ||= found instanceof Unreachable || found.code === "outcome_unknown";
      await sleep(pause, outgoing.signal);
    }
  }

  /** Open an answer whose body the caller reads. Throw Problem when it is none of 2xx. */
  async open(outgoing: Outgoing, signal: AbortSignal): Promise<Response> {
    const answer = await this.#fetch(outgoing, outgoing.idempotencyKey, signal);
    if (answer.ok) return answer;
    throw problemOf(answer, await textOf(answer), outgoing.idempotencyKey);
  }

  async #attempt(
    outgoing: Outgoing,
    key: string | undefined,
    deadline: number,
  ): Promise<Incoming | Problem | Unreachable> {
    outgoing.signal?.throwIfAborted();
    const limit = Math.min((this.options.attemptSeconds ?? 40) * 1000, deadline - performance.now());
    const abort = new Abort(outgoing.signal, limit);
    try {
      const answer = await this.#fetch(outgoing, key, abort.signal);
      const text = await textOf(answer);
      if (!answer.ok && answer.status !== 304) return problemOf(answer, text, key);
      return { status: answer.status, headers: answer.headers, text, idempotencyKey: key };
    } catch (error) {
      outgoing.signal?.throwIfAborted();
      if (error instanceof TokenUnknown) throw error.cause;
      return new Unreachable(`${outgoing.method} ${outgoing.path} was not answered`, error, key);
    } finally {
      abort.clear();
    }
  }

  async #fetch(outgoing: Outgoing, key: string | undefined, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { ...outgoing.headers };
    const token = outgoing.path.includes("ticket=") ? undefined : await this.#token();
    if (token !== undefined) headers["Authorization"] = `Bearer ${token}`;
    if (key !== undefined) headers["Idempotency-Key"] = key;
    const init: RequestInit = { method: outgoing.method, headers, signal, cache: "no-store" };
    if (outgoing.body !== undefined) {
      headers["Content-Type"] = "application/json";
      init.body = JSON.stringify(outgoing.body);
    }
    const send = this.options.fetch ?? fetch;
    return await send(this.#url + outgoing.path, init);
  }

  async #token(): Promise<string | undefined> {
    const { token } = this.options;
    try {
      return typeof token === "function" ? await token() : token;
    } catch (error) {
      throw new TokenUnknown("the token could not be had", { cause: error });
    }
  }
}

/** What the caller's own `token` threw: it is passed on as it is. */
class TokenUnknown extends Error {}

/** Aborts when the caller's signal does, or when the time is up. `clear` lets go of both. */
export class Abort {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(outer: AbortSignal | undefined, milliseconds?: number) {
    this.#outer = outer;
    if (outer?.aborted) this.#follow();
    outer?.addEventListener("abort", this.#follow);
    if (milliseconds !== undefined) this.restart(milliseconds);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Let the time run anew. */
  restart(milliseconds: number): void {
    clearTimeout(this.#timer);
    const late = () => this.#controller.abort(new DOMException("no answer in time", "TimeoutError"));
    this.#timer = setTimeout(late, Math.max(milliseconds, 0));
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#follow);
  }

  /** End what is still under way. */
  end(): void {
    this.clear();
    this.#controller.abort();
  }

  readonly #follow = (): void => this.#controller.abort(this.#outer?.reason);
}

/** Wait; throw the signal's reason when it aborts meanwhile. */
export async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const aborted = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

/** Return how many milliseconds to wait before the next attempt, or -1 when none makes sense. */
function pauseAfter(found: Problem | Unreachable, attempt: number): number {
  const grown = Math.min(PAUSE_SECONDS * 2 ** (attempt - 1), PAUSE_SECONDS_MAX);
  const own = grown * (1 + Math.random() / 4);
  if (found instanceof Unreachable) return own * 1000;
  const isTemporary = TEMPORARY.has(found.status) || found.code === "idempotency_in_flight";
  return isTemporary ? Math.max(own, found.retryAfterSeconds ?? 0) * 1000 : -1;
}

/** A deletion whose first answer was lost finds nothing at its repeat: it was carried out. */
function isDeleted(outgoing: Outgoing, found: Problem | Unreachable): boolean {
  return outgoing.method === "DELETE" && found instanceof Problem && found.status === 404;
}

function nothing(key: string | undefined): Incoming {
  return { status: 204, headers: new Headers(), text: "", idempotencyKey: key };
}

function problemOf(answer: Response, text: string, key: string | undefined): Problem {
  const seconds = Number(answer.headers.get("Retry-After") ?? Number.NaN);
  const retryAfterSeconds = seconds >= 0 ? seconds : undefined;
  return new Problem(answer.status, problemIn(text), { retryAfterSeconds, idempotencyKey: key });
}

/** Read a body to its end, up to a limit. */
async function textOf(answer: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of chunksOf(answer)) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Error(`the answer has more than ${BODY_BYTES_MAX} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Yield a body's chunks. Not every browser can iterate over a stream by itself. */
export async function* chunksOf(answer: Response): AsyncGenerator<Uint8Array> {
  if (answer.body === null) return;
  const reader = answer.body.getReader();
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Return a fresh key. `crypto.randomUUID` is there on secure pages only. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
