import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type Change, Darkroom, type Job, type Mode } from "../src/index.ts";
import { answering, Relay } from "./relay.ts";
import { account, fault, operator, soon, tokenOf, url } from "./world.ts";

const REEFS = { kind: "infograph", input: { prompt: "Why coral reefs matter" } } as const;

/** Collect changes until `isEnough` says so; leave the watch then. */
async function until(
  changes: AsyncIterable<Change>,
  isEnough: (found: Change[]) => boolean,
): Promise<Change[]> {
  const found: Change[] = [];
  for await (const change of changes) {
    found.push(change);
    if (isEnough(found)) break;
  }
  return found;
}

function ended(found: Change[]): Set<string> {
  const jobs = found.flatMap((each) => (each.event === "job" ? [each.data] : []));
  return new Set(jobs.filter((job) => job.status === "completed").map((job) => job.id));
}

function gone(found: Change[]): string[] {
  return found.flatMap((each) => (each.event === "gone" ? [each.data.id] : []));
}

/** Work with an account of its own before a relay. */
async function before(name: string): Promise<{ relay: Relay; own: Darkroom; direct: Darkroom }> {
  const relay = await Relay.before(url);
  const direct = await account(name, 30);
  return { relay, direct, own: new Darkroom({ url: relay.url, token: await tokenOf(name) }) };
}

const isStream = (path: string) => path.includes("/stream?") || path.endsWith("/stream");

test("a deletion and a retry in another tab are told", async () => {
  const own = await account("ts-tabs", 10);
  await fault("content_policy", "forbidden-reefs");
  const forbidden = { kind: "infograph", input: { prompt: "forbidden-reefs" } } as const;
  const failed = await own.createAndWait(forbidden, { signal: soon() });
  assert.deepEqual([failed.status, failed.error?.code], ["failed", "content_policy"]);
  const done = await own.createAndWait(REEFS, { signal: soon() });
  const { as_of: after } = await own.credits();
  await own.call("DELETE /api/infographs/{id}", { path: { id: done.id } });
  const retry = await own.retry(failed.id);
  const isTold = (each: Change) => each.event === "job" && each.data.retried_as === retry.id;
  const found = await until(own.watch({ after, signal: soon() }), (all) => all.some(isTold));
  assert.deepEqual(gone(found), [done.id]);
});

suite("side by side", { concurrency: true }, () => {
  test("a stream that is cut after every frame misses nothing and repeats nothing", async () => {
    const { relay, own, direct } = await before("ts-cut");
    await using _ = relay;
    relay.cuts = (piece) => /^[^]*?\ndata: .*\n\n/.exec(piece)?.[0];
    const after = (await direct.credits()).as_of;
    await direct.createInfographs({ prompt: "three", number_of_infographs: 3 });
    const modes: Mode[] = [];
    const changes = own.watch({ after, signal: soon(40), onMode: (mode) => modes.push(mode) });
    const found = await until(changes, (all) => ended(all).size === 3);
    const places = found.map((each) => each.id);
    assert.equal(new Set(places).size, places.length);
    const told = found.map((each) => JSON.stringify([each.event, each.data]));
    assert.equal(new Set(told).size, told.length);
    assert.ok(relay.seen.filter((each) => isStream(each.path)).length > 1);
    assert.deepEqual(modes, ["streaming"], "a stream that tells something is good enough");
  });

  test("after a resync, what ended meanwhile and what is gone is told", async () => {
    const own = await account("ts-resync", 10);
    const kept = await own.createAndWait(REEFS, { signal: soon() });
    const deleted = await own.createAndWait(REEFS, { signal: soon() });
    await own.call("DELETE /api/infographs/{id}", { path: { id: deleted.id } });
    const shown = () => [kept.id, deleted.id];
    const changes = own.watch({ after: "of-another-life", shown, signal: soon() });
    const found = await until(changes, (all) => all.at(-1)?.event === "credits");
    assert.deepEqual(gone(found), [deleted.id]);
    assert.deepEqual([...ended(found)], [kept.id]);
    const places = found.map((each) => each.id);
    assert.deepEqual(new Set(places.slice(0, -1)), new Set(["of-another-life"]));
    const last = places.at(-1);
    assert.ok(last && last !== "of-another-life", "only the last is where to go on");
    const job = await own.createJob(REEFS);
    const more = await until(own.watch({ after: last, signal: soon() }), (all) => ended(all).size > 0);
    assert.deepEqual([...ended(more)], [job.id]);
  });

  test("a connection that fell silent is left for a new one", async () => {
    const { relay, own, direct } = await before("ts-silent");
    await using _ = relay;
    const { as_of: after } = await direct.credits();
    let streams = 0;
    relay.act = ({ path }) => void (isStream(path) && (streams += 1));
    // The first tells nothing at all, the second no more than its beginning.
    relay.withholds = (piece) => streams === 1 || (streams === 2 && !piece.startsWith("retry:"));
    const job = await direct.createJob(REEFS);
    const changes = own.watch({ after, signal: soon(30), silenceSeconds: 0.3 });
    const found = await until(changes, (all) => ended(all).size > 0);
    assert.deepEqual([...ended(found)], [job.id]);
    assert.equal(streams, 3);
  });

  test("while streaming fails it polls, and then streams again", async () => {
    const { relay, own, direct } = await before("ts-polls");
    await using _ = relay;
    const shown = await direct.createAndWait(REEFS, { signal: soon() });
    relay.act = ({ path }) => (isStream(path) ? answering(502) : undefined);
    const modes: Mode[] = [];
    const troubles: unknown[] = [];
    const projectId = "ts-polls";
    const intake = { product: "a course about reefs" };
    await direct.call("POST /api/generate/auto-generate-all", { body: { projectId, intake } });
    const isRunOver = (each: Change) => each.event === "run" && each.data.status === "completed";
    let isDeleted = false;
    let streamed: Job | undefined;
    const options = { pollSeconds: 0.2, streamAgainSeconds: 0.5, signal: soon(40) };
    const onMode = (mode: Mode) => modes.push(mode);
    const onTrouble = (error: unknown) => troubles.push(error);
    const found: Change[] = [];
    for await (const change of own.watch({ ...options, onMode, onTrouble })) {
      found.push(change);
      if (!isDeleted && ended(found).has(shown.id)) {
        await direct.call("DELETE /api/infographs/{id}", { path: { id: shown.id } });
        isDeleted = true;
      }
      if (found.some(isRunOver) && gone(found).length > 0 && relay.act) {
        assert.deepEqual(modes, ["polling"]);
        relay.act = undefined;
        streamed = await direct.createJob(REEFS);
      }
      if (streamed && ended(found).has(streamed.id) && modes.at(-1) === "streaming") break;
      if (streamed && ended(found).has(streamed.id)) streamed = await direct.createJob(REEFS);
    }
    assert.deepEqual(gone(found), [shown.id]);
    assert.deepEqual(modes, ["polling", "streaming"]);
    assert.ok(troubles.length > 1);
    const told = found.map((each) => JSON.stringify([each.event, each.data]));
    assert.equal(new Set(told).size, told.length, "nothing is told twice by polls and frames");
  });

  test("one job is polled while streaming fails", async () => {
    const { relay, own, direct } = await before("ts-one");
    await using _ = relay;
    relay.act = ({ path }) => (isStream(path) ? answering(502) : undefined);
    const job = await direct.createJob(REEFS);
    const done = await own.wait(job.id, { pollSeconds: 0.2, signal: soon() });
    assert.equal(done.status, "completed");
  });

  test("a ticket that has ended is replaced, and the stream goes on behind the last frame", async () => {
    const { relay, direct } = await before("ts-ticket");
    await using _ = relay;
    const tickets: string[] = [];
    const getTicket = async () => {
      tickets.push(await direct.ticket());
      return tickets.at(-1) as string;
    };
    const browser = new Darkroom({ url: relay.url, getTicket });
    const first = await direct.createJob(REEFS);
    const found: Change[] = [];
    let elsewhere: Response | undefined;
    let missed: Job | undefined;
    const { as_of: after } = await direct.credits();
    for await (const change of browser.watch({ after, signal: soon(30) })) {
      found.push(change);
      if (ended(found).has(first.id) && missed === undefined) {
        missed = await away();
      }
      if (missed && ended(found).has(missed.id)) break;
    }
    assert.equal(tickets.length, 2, "the ticket was good for nothing any more");
    const streams = relay.seen.filter((each) => isStream(each.path));
    assert.ok(streams.every((each) => each.path.includes("ticket=") && each.path.includes("after=")));
    await elsewhere?.body?.cancel();

    /** Cut the stream, and spend its ticket as a minute's absence would. */
    async function away(): Promise<Job> {
      relay.act = () => answering(502);
      relay.cuts = () => "";
      const job = await direct.createAndWait(REEFS, { signal: soon() });
      const deadline = soon(10);
      do {
        elsewhere = await fetch(`${url}/api/stream?ticket=${tickets[0]}`, { signal: deadline });
      } while (!elsewhere.ok);
      relay.act = relay.cuts = undefined;
      return job;
    }
  });

  test("a job that has ended is told once, also to who had been told; a deleted one is a 404", async () => {
    const own = await account("ts-ended", 5);
    const { id } = await own.createAndWait(REEFS, { signal: soon() });
    const { as_of: after } = await own.credits();
    const states: string[] = [];
    for await (const job of own.watchJob(id, { after, signal: soon() })) states.push(job.status);
    assert.deepEqual(states, ["completed"]);
    await own.call("DELETE /api/infographs/{id}", { path: { id } });
    await assert.rejects(own.wait(id), { code: "not_found" });
  });

  test("a revoked token ends a watch", async () => {
    const body = { account: "ts-revoked", role: "user" as const };
    const { id, token } = await operator.call("POST /api/operator/tokens", { body });
    const watching = new Darkroom({ url, token }).watch({
      signal: soon(),
      onMode: () =>
        void operator.call("DELETE /api/operator/tokens/{id}", { path: { id } }),
    });
    await assert.rejects(watching.next(), { code: "unauthorized" });
  });
});
