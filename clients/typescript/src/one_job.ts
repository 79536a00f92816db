/** One job as its changes are told, until it ends. */
import { hasEnded, jobMark } from "./account.ts";
import type { Job, Resync } from "./documents.ts";
import { type Followed, POLL_SECONDS, type Polled } from "./following.ts";
import type { Frame } from "./frames.ts";

/** Reads the job; undefined when it has not changed since the ETag that the reader keeps. */
export type JobReader = (signal: AbortSignal) => Promise<Job | undefined>;

export class OneJob implements Followed<Job> {
  readonly path: string;
  pollSeconds: number = POLL_SECONDS.dashboard;
  isOver = false;
  readonly #read: JobReader;
  #mark = "";

  constructor(id: string, read: JobReader) {
    this.path = `/api/jobs/${encodeURIComponent(id)}/stream`;
    this.#read = read;
  }

  async take(frame: Frame, after: string | undefined, signal: AbortSignal): Promise<Job[]> {
    const data: unknown = JSON.parse(frame.data);
    if (frame.event === "job") return this.#news(data as Job);
    if (frame.event === "resync") return (data as Resync).jobs.flatMap((job) => this.#news(job));
    // A job that its owner has deleted is a 404, which ends this.
    return frame.event === "gone" ? (await this.poll(after, signal)).told : [];
  }

  async poll(after: string | undefined, signal: AbortSignal): Promise<Polled<Job>> {
    const job = await this.#read(signal);
    return { told: job === undefined ? [] : this.#news(job), after };
  }

  #news(job: Job): Job[] {
    if (job.kind === "character_image") this.pollSeconds = POLL_SECONDS.character;
    this.isOver = hasEnded(job);
    const mark = jobMark(job);
    if (mark === this.#mark) return [];
    this.#mark = mark;
    return [job];
  }
}
