import assert from "node:assert/strict";
import { test } from "node:test";
import { type Change, Darkroom, type Job } from "../src/index.ts";

const CREDITS = { available: 1, held: 0, spent: 0, granted: 1, revoked: 0, as_of: "a.9.0" };

/** A server without a network: each opening of a stream gets the next of `streams`, else a 503. */
class Server {
  readonly streams: (string | undefined)[];
  readonly cursors: (string | null)[] = [];
  readonly jobs = new Map<string, object>();

  constructor(...streams: (string | undefined)[]) {
    this.streams = streams;
  }

  readonly fetch = async (input: unknown): Promise<Response> => {
    const { pathname, searchParams } = new URL(String(input));
    if (pathname.endsWith("/stream")) {
      this.cursors.push(searchParams.get("after"));
      const frames = this.streams.shift();
      return frames === undefined ? new Response("{}", { status: 503 }) : new Response(frames);
    }
    if (pathname === "/api/credits") return Response.json(CREDITS);
    if (pathname === "/api/jobs") {
      return Response.json({ items: [...this.jobs.values()], next: null });
    }
    const job = this.jobs.get(pathname.slice("/api/jobs/".length));
    return job === undefined ? new Response("{}", { status: 404 }) : Response.json(job);
  };

  /** Collect so many changes. */
  async told(count: number, after?: string): Promise<Change[]> {
    const own = new Darkroom({ url: "http://server", token: "t", fetch: this.fetch });
    const quick = { pollSeconds: 0.1, streamAgainSeconds: 0.01, signal: AbortSignal.timeout(9000) };
    const found: Change[] = [];
    for await (const change of own.watch({ after, ...quick })) {
      found.push(change);
      if (found.length === count) break;
    }
    return found;
  }
}

function job(status: string, second: number): Partial<Job> {
  const at = `2026-01-01T00:00:${String(second).padStart(2, "0")}Z`;
  return { id: "j", status, progress: second, run_id: null, updated_at: at } as Partial<Job>;
}

function frame(event: string, id: string, data: object): string {
  return `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
}

function told(found: Change[]): string[] {
  return found.map((each) => (each.event === "job" ? each.data.status : each.event));
}

test("after polling a stream goes on where the last one ended: polls do not see everything", async () => {
  const server = new Server(undefined, undefined, frame("job", "a.3.1", job("completed", 3)));
  const found = await server.told(2, "a.2.1");
  assert.deepEqual(told(found), ["credits", "completed"]);
  assert.deepEqual(server.cursors, ["a.2.1", "a.2.1", "a.2.1"]);
  assert.deepEqual(found.map((each) => each.id), ["a.2.1", "a.3.1"]);
});

test("an end is told though the clock of the process that wrote it is behind", async () => {
  const frames = frame("job", "a.2.1", job("processing", 5)) + frame("job", "a.3.1", job("completed", 4));
  assert.deepEqual(told(await new Server(frames).told(2)), ["processing", "completed"]);
});

test("what an older process says after an end, or of what is gone, is not told", async () => {
  const late = frame("job", "a.2.1", job("processing", 5));
  const end = frame("job", "a.3.1", job("completed", 4));
  const gone = frame("gone", "a.4.1", { id: "j" });
  const last = frame("credits", "a.9.1", CREDITS);
  const server = new Server(end + late + gone + gone + late + last);
  assert.deepEqual(told(await server.told(3)), ["completed", "gone", "credits"]);
});
