/** Follows something by its stream; by polling while streaming fails; and streams again. */
import { type Frame, framesOf } from "./frames.ts";
import { Problem } from "./problem.ts";
import { Abort, type Connection, sleep } from "./requests.ts";

/** What is known to the eye of a user: frames come, or it is asked for again and again. */
export type Mode = "streaming" | "polling";

export interface WatchOptions {
  signal?: AbortSignal | undefined;
  /** The id of the last change that was handled: what follows it is told. */
  after?: string | undefined;
  /** How long to wait between two polls while streaming fails; POLL_SECONDS has each view's. */
  pollSeconds?: number | undefined;
  /** After so long without a frame or ping a stream counts as dead: 35. Pings come every 15. */
  silenceSeconds?: number | undefined;
  /** How long to poll before the stream is tried again, doubling up to a minute: 5. */
  streamAgainSeconds?: number | undefined;
  /** Hears of each change between streaming and polling. */
  onMode?: ((mode: Mode) => void) | undefined;
  /** Hears of each failure that is overcome by trying again. */
  onTrouble?: ((error: unknown) => void) | undefined;
}

/** What a stream's frames and polls become. */
export interface Followed<T> {
  readonly path: string;
  readonly pollSeconds: number;
  /** Whether no more will come. */
  readonly isOver: boolean;
  /** Return what a frame tells; `id` is the cursor from which to come again after the last. */
  take(frame: Frame, after: string | undefined, signal: AbortSignal): Promise<T[]>;
  /** Return what has changed since the last look, and behind which cursor a stream goes on. */
  poll(after: string | undefined, signal: AbortSignal): Promise<Polled<T>>;
}

export interface Polled<T> {
  told: T[];
  after: string | undefined;
}

/** The intervals between two polls, in seconds, by the view that shows the answer. */
export const POLL_SECONDS = {
  dashboard: 3,
  saved: 5,
  tracker: 3,
  intake: 2.5,
  character: 1,
} as const;

const OPEN_SECONDS = 10; // A stream's first lines come at once.
const SILENCE_SECONDS = 35;
const RETRY_MS = 2000;
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 30_000;
const AGAIN_SECONDS = 5;
const AGAIN_SECONDS_MAX = 60;
const FAILURES_BEFORE_POLLING = 2;

export class Follower<T> {
  readonly #connection: Connection;
  readonly #followed: Followed<T>;
  readonly #options: WatchOptions;
  readonly #signal: AbortSignal;
  #after: string | undefined;
  #ticket: string | undefined;
  #retryMs = RETRY_MS;
  #failures = 0;
  #mode: Mode | undefined;

  constructor(connection: Connection, followed: Followed<T>, options: WatchOptions) {
    this.#connection = connection;
    this.#followed = followed;
    this.#options = options;
    this.#signal = options.signal ?? new AbortController().signal;
    this.#after = options.after;
  }

  /** Yield until it is over. Throw what trying again does not mend, or the signal's reason. */
  async *changes(): AsyncGenerator<T> {
    while (!this.#followed.isOver) {
      this.#signal.throwIfAborted();
      try {
        yield* this.#stream();
      } catch (error) {
        this.#overcome(error);
      }
      if (this.#followed.isOver) return;
      this.#failures += 1;
      if (this.#failures < FAILURES_BEFORE_POLLING) await this.#rest(this.#retryMs);
      else yield* this.#pollForAWhile();
    }
  }

  /** Yield what one connection tells, until it ends. */
  async *#stream(): AsyncGenerator<T> {
    const silence = this.#options.silenceSeconds ?? SILENCE_SECONDS;
    const abort = new Abort(this.#signal, Math.min(OPEN_SECONDS, silence) * 1000);
    try {
      const answer = await this.#open(abort.signal);
      if (answer.status === 204) yield* await this.#poll();
      const frames = framesOf(answer);
      for (let next = await frames.next(); !next.done; next = await frames.next()) {
        abort.stop(); // The time does not run while the caller is busy.
        yield* await this.#take(next.value);
        if (this.#followed.isOver) return;
        abort.restart(silence * 1000);
      }
    } finally {
      abort.end();
    }
  }

  async #take(frame: Frame | undefined): Promise<T[]> {
    this.#failures = 0;
    this.#tell("streaming");
    if (frame === undefined) return [];
    if (frame.retryMs !== undefined)
      this.#retryMs = Math.min(Math.max(frame.retryMs, RETRY_MS_MIN), RETRY_MS_MAX);
    const told = frame.data === "" ? [] : await this.#followed.take(frame, this.#after, this.#signal);
    if (frame.id !== "") this.#after = frame.id;
    return told;
  }

  /** Open the stream; where its ticket has ended, as after a long absence, with a new one. */
  async #open(signal: AbortSignal): Promise<Response> {
    const { getTicket } = this.#connection.options;
    if (getTicket === undefined) return await this.#get({}, signal);
    if (this.#ticket !== undefined) {
      try {
        return await this.#get({ ticket: this.#ticket }, signal);
      } catch (error) {
        if (!(error instanceof Problem && error.status === 401)) throw error;
      }
    }
    this.#ticket = await getTicket(signal);
    return await this.#get({ ticket: this.#ticket }, signal);
  }

  async #get(query: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const more = this.#after === undefined ? query : { ...query, after: this.#after };
    const text = new URLSearchParams(more).toString();
    const path = this.#followed.path + (text === "" ? "" : `?${text}`);
    const headers = { Accept: "text/event-stream" };
    return await this.#connection.open({ method: "GET", path, headers }, signal);
  }

  /** Yield what polls find, until it is time to try the stream again. */
  async *#pollForAWhile(): AsyncGenerator<T> {
    this.#tell("polling");
    const seconds = this.#options.pollSeconds ?? this.#followed.pollSeconds;
    const first = this.#options.streamAgainSeconds ?? AGAIN_SECONDS;
    const doubled = first * 2 ** (this.#failures - FAILURES_BEFORE_POLLING);
    const until = performance.now() + Math.min(doubled, AGAIN_SECONDS_MAX) * 1000;
    while (performance.now() < until) {
      yield* await this.#pollOnce();
      if (this.#followed.isOver) return;
      await sleep(Math.max(seconds, 0.1) * 1000, this.#signal);
    }
  }

  async #pollOnce(): Promise<T[]> {
    try {
      return await this.#poll();
    } catch (error) {
      this.#overcome(error);
      return [];
    }
  }

  async #poll(): Promise<T[]> {
    const { told, after } = await this.#followed.poll(this.#after, this.#signal);
    this.#after = after;
    return told;
  }

  async #rest(milliseconds: number): Promise<void> {
    await sleep(milliseconds * (0.5 + Math.random() / 2), this.#signal);
  }

  /** Throw what trying again does not mend; tell of the rest. */
  #overcome(error: unknown): void {
    this.#signal.throwIfAborted();
    const isFinal = error instanceof Problem && this.#isFinal(error.status);
    if (isFinal) throw error;
    this.#options.onTrouble?.(error);
  }

  #isFinal(status: number): boolean {
    const { token, getTicket } = this.#connection.options;
    // Who has tickets only cannot poll; a stream's ticket is replaced.
    if (status === 401 || status === 403) return token !== undefined || getTicket === undefined;
    return status < 500 && status !== 429 && status !== 408;
  }

  #tell(mode: Mode): void {
    if (this.#mode !== mode) this.#options.onMode?.(mode);
    this.#mode = mode;
  }
}
