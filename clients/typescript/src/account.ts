/** An account as its changes are told: by frames, or by comparing what two polls found. */
import type { Credits, Gone, Job, Resync, Run } from "./documents.ts";
import { type Followed, POLL_SECONDS, type Polled } from "./following.ts";
import type { Frame } from "./frames.ts";

/** One change: the whole object as it is now. `id` is where to go on: `watch({after: id})`. */
export type Change =
  | { event: "job"; id: string | undefined; data: Job }
  | { event: "run"; id: string | undefined; data: Run }
  | { event: "credits"; id: string | undefined; data: Credits }
  | { event: "gone"; id: string | undefined; data: Gone };

type News = Change extends infer C ? (C extends Change ? Omit<C, "id"> : never) : never;

/** How an account is read where frames do not tell. */
export interface AccountReader {
  page(place: Place, signal: AbortSignal): Promise<{ items: Job[]; next: string | null }>;
  /** Undefined when there is no such job: its owner deleted it. */
  job(id: string, signal: AbortSignal): Promise<Job | undefined>;
  run(id: string, signal: AbortSignal): Promise<Run | undefined>;
  credits(signal: AbortSignal): Promise<Credits>;
}

/** Which page, and how new it has to be at least. */
export interface Place {
  cursor?: string;
  min_as_of: string;
}

interface Known {
  mark: string;
  updatedAt: string;
  isOpen: boolean;
}

const KNOWN_MAX = 1000; // Objects that are remembered, and read again after a resync.
const PAGES_MAX = 10;
const ONE_BY_ONE = 20; // So few jobs are asked for by their ids rather than searched for in pages.
const GONE = "gone"; // The mark of a job that its owner deleted.
const ENDS = new Set(["completed", "failed", "cancelled"]);

export class Account implements Followed<Change> {
  readonly path = "/api/stream";
  readonly pollSeconds = POLL_SECONDS.dashboard;
  readonly isOver = false;
  readonly #reader: AccountReader;
  readonly #shown: () => Iterable<string>;
  readonly #jobs = new Map<string, Known>();
  readonly #runs = new Map<string, Known>();
  #newest: readonly string[] = [];
  #credits = "";

  /** `shown` are the ids of the jobs that a front end shows beside those that it was told of. */
  constructor(reader: AccountReader, shown: () => Iterable<string> = () => []) {
    this.#reader = reader;
    this.#shown = shown;
  }

  async take(frame: Frame, after: string | undefined, signal: AbortSignal): Promise<Change[]> {
    return placed(await this.#newsIn(frame, signal), after, frame.id);
  }

  async poll(after: string | undefined, signal: AbortSignal): Promise<Polled<Change>> {
    // Read first: a stream that goes on behind it has whatever the rest is too old for. One that
    // has told something goes on where it was: a poll does not see everything that it missed.
    const credits = await this.#reader.credits(signal);
    // What was among the newest and is no more was pushed out by newer ones, or is gone.
    const wanted = new Set([...this.#open(), ...this.#newest]);
    const news = await this.#lookAgain(wanted, credits.as_of, signal);
    news.push(...this.#creditsNews(credits));
    const behind = after ?? credits.as_of;
    return { told: placed(news, after, behind), after: behind };
  }

  async #newsIn(frame: Frame, signal: AbortSignal): Promise<News[]> {
    const data: unknown = JSON.parse(frame.data);
    switch (frame.event) {
      case "job":
        return this.#jobNews(data as Job);
      case "run":
        return this.#runNews(data as Run);
      case "credits":
        return this.#creditsNews(data as Credits);
      case "gone":
        return this.#goneNews((data as Gone).id);
      case "resync":
        return await this.#afterResync(data as Resync, signal);
      default:
        return []; // A kind of frame that this client is too old to know.
    }
  }

  /** A resync has all that is open. What was known beside it has ended or is gone: look again. */
  async #afterResync(resync: Resync, signal: AbortSignal): Promise<News[]> {
    const known = [...this.#jobs].filter(([, job]) => job.mark !== GONE);
    for (const [, job] of known) job.updatedAt = ""; // A restored server goes back in time.
    const wanted = new Set([...known.map(([id]) => id), ...this.#shown()]);
    for (const job of resync.jobs) wanted.delete(job.id);
    const news = resync.jobs.flatMap((job) => this.#jobNews(job));
    news.push(...resync.runs.flatMap((run) => this.#runNews(run)));
    news.push(...(await this.#lookAgain(wanted, resync.credits.as_of, signal)));
    return [...news, ...this.#creditsNews(resync.credits)];
  }

  /** Read the newest jobs, those wanted, and the runs that they or we know of. */
  async #lookAgain(wanted: Set<string>, asOf: string, signal: AbortSignal): Promise<News[]> {
    const found: Job[] = [];
    let place: Place = { min_as_of: asOf };
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const page = await this.#reader.page(place, signal);
      for (const job of page.items) wanted.delete(job.id);
      if (pages === 0) this.#newest = page.items.map((job) => job.id);
      found.push(...page.items);
      if (page.next === null || wanted.size <= ONE_BY_ONE) break;
      place = { min_as_of: asOf, cursor: page.next };
    }
    const news: News[] = [];
    for (const id of wanted) {
      const job = await this.#reader.job(id, signal);
      if (job === undefined) news.push(...this.#goneNews(id));
      else found.push(job);
    }
    const changed = found.reverse().flatMap((job) => this.#jobNews(job));
    return [...news, ...changed, ...(await this.#runsOf(changed, signal))];
  }

  async #runsOf(changed: News[], signal: AbortSignal): Promise<News[]> {
    const ids = new Set([...this.#runs].filter(([, run]) => run.isOpen).map(([id]) => id));
    for (const each of changed) {
      if (each.event === "job" && each.data.run_id !== null) ids.add(each.data.run_id);
    }
    const news: News[] = [];
    for (const id of ids) {
      const run = await this.#reader.run(id, signal);
      if (run !== undefined) news.push(...this.#runNews(run));
    }
    return news;
  }

  #open(): Set<string> {
    return new Set([...this.#jobs].filter(([, job]) => job.isOpen).map(([id]) => id));
  }

  #jobNews(job: Job): News[] {
    const mark = jobMark(job);
    const known = this.#jobs.get(job.id);
    const isOpen = !ENDS.has(job.status);
    if (known && (known.mark === mark || isOlder(job, isOpen, known))) return [];
    remember(this.#jobs, job.id, { mark, updatedAt: job.updated_at, isOpen });
    return [{ event: "job", data: job }];
  }

  #runNews(run: Run): News[] {
    const { as_of: _, eta_seconds: __, ...lasting } = run;
    const mark = JSON.stringify(lasting);
    if (this.#runs.get(run.id)?.mark === mark) return [];
    remember(this.#runs, run.id, { mark, updatedAt: "", isOpen: run.status === "running" });
    return [{ event: "run", data: run }];
  }

  #creditsNews(credits: Credits): News[] {
    const { as_of: _, ...lasting } = credits;
    const mark = JSON.stringify(lasting);
    if (this.#credits === mark) return [];
    this.#credits = mark;
    return [{ event: "credits", data: credits }];
  }

  #goneNews(id: string): News[] {
    if (this.#jobs.get(id)?.mark === GONE) return [];
    remember(this.#jobs, id, { mark: GONE, updatedAt: "", isOpen: false });
    return [{ event: "gone", data: { id } }];
  }
}

/** Whether an answer is older than what another process told before. What is open is older than an
 * end, whatever the clocks of the two say.
 */
function isOlder(job: Job, isOpen: boolean, known: Known): boolean {
  if (known.mark === GONE) return true;
  if (known.updatedAt === "") return false;
  return isOpen === known.isOpen ? job.updated_at < known.updatedAt : isOpen;
}

/** What differs between two states of a job that are worth telling. */
export function jobMark(job: Job): string {
  return `${job.updated_at} ${job.status} ${job.progress} ${job.retried_as}`;
}

export function hasEnded(job: { status: string }): boolean {
  return ENDS.has(job.status);
}

/** Give each its id. Whoever goes on behind any but the last would miss the rest of them. */
function placed(news: News[], before: string | undefined, behind: string): Change[] {
  return news.map((each, at) => ({ ...each, id: at === news.length - 1 ? behind : before }));
}

/** Remember it as the newest; forget the oldest that has ended, else the oldest. */
function remember(all: Map<string, Known>, id: string, known: Known): void {
  all.delete(id);
  all.set(id, known);
  if (all.size <= KNOWN_MAX) return;
  for (const [oldest, each] of all) {
    if (!each.isOpen) {
      all.delete(oldest);
      return;
    }
  }
  const [oldest] = all.keys();
  if (oldest !== undefined) all.delete(oldest);
}
