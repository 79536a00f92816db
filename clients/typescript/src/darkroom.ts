/** The client: typed calls, lists to their last page, watching, creating and waiting. */
import { Account, type Change } from "./account.ts";
import type { CreatedInfographs, CreateInfographs, CreateJob, Credits, Job } from "./documents.ts";
import { Follower, type WatchOptions } from "./following.ts";
import { OneJob } from "./one_job.ts";
import {
  type Answer,
  type AnyArguments,
  addressOf,
  type Arguments,
  type Item,
  type ListName,
  type OperationName,
} from "./operations.ts";
import { Problem } from "./problem.ts";
import { Abort, type CallOptions, Connection, type ConnectionOptions } from "./requests.ts";

/** An answer with its headers, as `ETag` and `Darkroom-As-Of`. `data` is undefined after a 304. */
export interface Answered<T> {
  data: T;
  status: number;
  headers: Headers;
  idempotencyKey: string | undefined;
}

export interface AccountWatchOptions extends WatchOptions {
  /** The ids of the jobs that are shown beside those that the watch told of. */
  shown?: () => Iterable<string>;
}

export interface WaitOptions extends WatchOptions {
  /** After so long the wait ends with a TimeoutError: 900. The job goes on. */
  timeoutSeconds?: number;
  /** Hears of each state of the job. */
  onChange?: (job: Job) => void;
}

const WAIT_SECONDS = 900;
const PAGES_MAX = 10_000;
const ONCE = { attemptsMax: 1, secondsMax: 20 };

export class Darkroom {
  readonly #connection: Connection;

  constructor(options: ConnectionOptions) {
    this.#connection = new Connection(options);
  }

  /** Call an operation by its method and path. Throws Problem, Unreachable or the signal's reason.
   *
   * It is sent again under one Idempotency-Key while no answer comes or none is possible now.
   */
  async call<Name extends OperationName>(
    name: Name,
    given: Arguments<Name>,
    options?: CallOptions,
  ): Promise<Answer<Name>> {
    return (await this.request(name, given, options)).data;
  }

  /** The same as `call`, with the answer's status and headers. */
  async request<Name extends OperationName>(
    name: Name,
    given: Arguments<Name>,
    options: CallOptions = {},
  ): Promise<Answered<Answer<Name>>> {
    return (await this.#send(name, given as AnyArguments, options)) as Answered<Answer<Name>>;
  }

  /** Send once, and return the answer unread, as for the ZIP file of a bulk download. */
  async open<Name extends OperationName>(
    name: Name,
    given: Arguments<Name>,
    options: CallOptions = {},
  ): Promise<Response> {
    const asked = given as AnyArguments;
    const signal = options.signal ?? new AbortController().signal;
    const { idempotencyKey } = options;
    const address = addressOf(name, asked);
    return await this.#connection.open({ ...address, body: asked.body, idempotencyKey }, signal);
  }

  /** Iterate over a list to its last page. The query's `limit` is the size of a page. */
  async *pages<Name extends ListName>(
    name: Name,
    given: Arguments<Name>,
    options: CallOptions = {},
  ): AsyncGenerator<Item<Name>> {
    const first = given as AnyArguments;
    let query = first.query ?? {};
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const answer = await this.#send(name, { ...first, query }, options);
      const { items, next } = pageIn(answer);
      yield* items as Item<Name>[];
      if (next === null || next === query["cursor"]) return;
      query = { ...query, cursor: next };
    }
  }

  async createInfographs(body: CreateInfographs, options?: CallOptions): Promise<CreatedInfographs> {
    return await this.call("POST /api/infographs/create", { body }, options);
  }

  async createJob(body: CreateJob, options?: CallOptions): Promise<Job> {
    return await this.call("POST /api/jobs", { body }, options);
  }

  async job(id: string, options?: CallOptions): Promise<Job> {
    return await this.call("GET /api/jobs/{id}", { path: { id } }, options);
  }

  async cancel(id: string, options?: CallOptions): Promise<Job> {
    return await this.call("POST /api/jobs/{id}/cancel", { path: { id } }, options);
  }

  async retry(id: string, options?: CallOptions): Promise<Job> {
    return await this.call("POST /api/jobs/{id}/retry", { path: { id } }, options);
  }

  async credits(options?: CallOptions): Promise<Credits> {
    return await this.call("GET /api/credits", {}, options);
  }

  /** Issue a ticket, for a browser that is to hold no token. */
  async ticket(options?: CallOptions): Promise<string> {
    return (await this.call("POST /api/stream-tickets", {}, options)).ticket;
  }

  /** Iterate over the account's jobs, newest first. */
  jobs(given: Arguments<"GET /api/jobs"> = {}, options?: CallOptions): AsyncGenerator<Job> {
    return this.pages("GET /api/jobs", given, options);
  }

  /** Create a job of any kind, and return it once it has ended, however it did. */
  async createAndWait(
    body: CreateJob,
    options: WaitOptions & { idempotencyKey?: string } = {},
  ): Promise<Job> {
    const job = await this.createJob(body, options);
    return await this.wait(job.id, options);
  }

  /** Return the job once it has ended, however it did: look at its `status` and `error`. */
  async wait(id: string, options: WaitOptions = {}): Promise<Job> {
    const abort = new Abort(options.signal, (options.timeoutSeconds ?? WAIT_SECONDS) * 1000);
    try {
      let last: Job | undefined;
      for await (const job of this.watchJob(id, { ...options, signal: abort.signal })) {
        options.onChange?.(job);
        last = job;
      }
      return last ?? (await this.job(id, { signal: abort.signal }));
    } finally {
      abort.clear();
    }
  }

  /** Yield a job whenever it changes, until it has ended. */
  watchJob(id: string, options: WatchOptions = {}): AsyncGenerator<Job> {
    let etag = "";
    const read = async (signal: AbortSignal): Promise<Job | undefined> => {
      const headers = etag === "" ? {} : { "If-None-Match": etag };
      const given = { path: { id }, headers };
      const answer = await this.#send("GET /api/jobs/{id}", given, { signal, ...ONCE });
      etag = answer.headers.get("ETag") ?? "";
      return answer.data as Job | undefined;
    };
    return new Follower(this.#connection, new OneJob(id, read), options).changes();
  }

  /** Yield each change of the account's jobs, runs and credits; without `after`, from now on.
   *
   * What may have been missed is read again, so that no `resync` has to be understood.
   */
  watch(options: AccountWatchOptions = {}): AsyncGenerator<Change> {
    const account = new Account(
      {
        page: (place, signal) =>
          this.call("GET /api/jobs", { query: { ...place, limit: 100 } }, { signal, ...ONCE }),
        job: (id, signal) => unlessMissing(this.job(id, { signal, ...ONCE })),
        run: (id, signal) =>
          unlessMissing(this.call("GET /api/runs/{id}", { path: { id } }, { signal, ...ONCE })),
        credits: (signal) => this.credits({ signal, ...ONCE }),
      },
      options.shown,
    );
    return new Follower(this.#connection, account, options).changes();
  }

  async #send(
    name: string,
    given: AnyArguments,
    options: CallOptions,
  ): Promise<Answered<unknown>> {
    const headers: Record<string, string> = { Accept: "application/json" };
    for (const [key, value] of Object.entries(given.headers ?? {})) headers[key] = String(value);
    const answer = await this.#connection.send({
      ...options,
      ...addressOf(name, given),
      headers,
      body: given.body,
    });
    const type = answer.headers.get("Content-Type") ?? "";
    if (answer.text !== "" && !type.includes("json")) {
      throw new TypeError(`${name} answers with ${type}: use open`);
    }
    const data: unknown = answer.text === "" ? undefined : JSON.parse(answer.text);
    const { status, idempotencyKey } = answer;
    return { data, status, headers: answer.headers, idempotencyKey };
  }
}

/** Return a page's items, and the cursor of the next page from its body or its `Link`. */
function pageIn(answer: Answered<unknown>): { items: unknown[]; next: string | null } {
  if (!Array.isArray(answer.data)) {
    return answer.data as { items: unknown[]; next: string | null };
  }
  const link = /<([^>]*)>;\s*rel="?next"?/.exec(answer.headers.get("Link") ?? "")?.[1];
  const next = link === undefined ? null : new URL(link, "http://localhost").searchParams.get("cursor");
  return { items: answer.data, next };
}

async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return undefined;
    throw error;
  }
}
