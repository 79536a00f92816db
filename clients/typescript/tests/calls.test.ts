import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Darkroom, Problem, Unreachable } from "../src/index.ts";
import { answering, Relay } from "./relay.ts";
import { account, darkroom, soon, token, tokenOf, url } from "./world.ts";

const REEFS = { kind: "infograph", input: { prompt: "Why coral reefs matter" } } as const;

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

suite("side by side", { concurrency: true }, () => {
  test("a job is created, waited for, and its picture fetched", async () => {
    const states: string[] = [];
    const job = await darkroom.createAndWait(REEFS, {
      signal: soon(),
      onChange: (each) => states.push(each.status),
    });
    assert.equal(job.status, "completed");
    assert.equal(states.at(-1), "completed");
    const picture = await fetch(job.artifacts[0]?.url ?? "");
    assert.equal((await picture.arrayBuffer()).byteLength, job.artifacts[0]?.bytes);
  });

  test("both kinds of list are read to their last page, nothing twice", async () => {
    const own = await account("ts-pages", 10);
    const first = await own.createInfographs({ prompt: "four", number_of_infographs: 4 });
    const second = await own.createInfographs({ prompt: "one more" });
    const ids = [...first.infographs, ...second.infographs].map((each) => each.id).sort();
    const query = { limit: 2 };
    const rows = await all(own.pages("GET /api/infographs/list", { query }));
    assert.deepEqual(rows.map((each) => each.id).sort(), ids);
    assert.deepEqual((await all(own.jobs({ query }))).map((each) => each.id).sort(), ids);
    const entries = await all(own.pages("GET /api/credits/entries", { query }));
    const places = entries.map((each) => `${each.sequence} ${each.amount} ${each.move}`);
    assert.ok(places.filter((each) => each.endsWith("granted")).length === 1);
    assert.ok(entries.length > 5);
  });

  test("a request whose answer is lost is sent again under its key, and carried out once", async () => {
    await using relay = await Relay.before(url);
    const own = await account("ts-lost", 5, relay.url);
    relay.losing = 2;
    const created = await own.createInfographs({ prompt: "asked for once" });
    const sent = relay.seen.filter((each) => each.path === "/api/infographs/create");
    assert.equal(sent.length, 3);
    assert.equal(new Set(sent.map((each) => each.key)).size, 1);
    assert.deepEqual((await all(own.jobs())).map((each) => each.id), [created.infographs[0]?.id]);
    await own.createInfographs({ prompt: "asked for once" });
    assert.equal((await all(own.jobs())).length, 2, "another call is another request");
  });

  test("a key of the caller's own stands for one request, and is told with an error", async () => {
    const body = { prompt: "the same" };
    const idempotencyKey = `own-key-${Date.now()}`;
    const name = "POST /api/infographs/create";
    const first = await darkroom.request(name, { body }, { idempotencyKey });
    const again = await darkroom.request(name, { body }, { idempotencyKey });
    assert.deepEqual(again.data, first.data);
    assert.equal(again.headers.get("Idempotency-Replayed"), "true");
    const other = darkroom.request(name, { body: { prompt: "another" } }, { idempotencyKey });
    await assert.rejects(other, { code: "idempotency_key_reused", status: 422, idempotencyKey });
  });

  test("a deletion whose answer is lost is done", async () => {
    await using relay = await Relay.before(url);
    const own = new Darkroom({ url: relay.url, token });
    const { id } = await own.createAndWait(REEFS, { signal: soon() });
    relay.losing = 1;
    await own.call("DELETE /api/infographs/{id}", { path: { id } });
    await assert.rejects(own.job(id), { code: "not_found" });
    const again = own.call("DELETE /api/infographs/{id}", { path: { id } });
    await assert.rejects(again, { code: "not_found" }, "nothing was lost this time");
  });

  test("problems say what is wrong, to programs and to people", async () => {
    const poor = new Darkroom({ url, token: await tokenOf("ts-poor") });
    await assert.rejects(poor.createJob(REEFS), (error: Problem) => {
      assert.ok(error instanceof Problem);
      assert.deepEqual([error.status, error.code], [402, "insufficient_credits"]);
      assert.ok(error.requestId && error.detail && error.title);
      return true;
    });
    await assert.rejects(darkroom.createInfographs({ prompt: "" }), (error: Problem) => {
      assert.deepEqual([error.code, error.errors[0]?.field], ["invalid", "prompt"]);
      return true;
    });
    const nobody = new Darkroom({ url, token: "wrong" });
    await assert.rejects(nobody.credits(), { status: 401, code: "unauthorized" });
    const lost = new Darkroom({ url, token: () => Promise.reject(new Error("signed out")) });
    await assert.rejects(lost.credits(), { message: "signed out" });
  });

  test("what is temporary is tried again within limits, the rest is not", async () => {
    await using relay = await Relay.before(url);
    const own = new Darkroom({ url: relay.url, token, attemptsMax: 3 });
    let busy = 2;
    relay.act = () => (busy-- > 0 ? answering(503, { "Retry-After": "0" }) : undefined);
    assert.ok((await own.credits()).available > 0);
    assert.equal(relay.seen.length, 3);
    relay.act = () => answering(502);
    const problem = { code: "unexpected_answer", status: 502 };
    await assert.rejects(own.credits(), problem);
    assert.equal(relay.seen.length, 6);
    relay.act = () => answering(500);
    await assert.rejects(own.credits(), { code: "unexpected_answer", status: 500 });
    assert.equal(relay.seen.length, 7);
    relay.act = () => answering(429, { "Retry-After": "3600" });
    await assert.rejects(own.credits(), { status: 429, retryAfterSeconds: 3600 });
    assert.equal(relay.seen.length, 8, "nobody waits for an hour unasked");
  });

  test("no answer, or one without an end, is Unreachable and has the key", async () => {
    await using relay = await Relay.before(url);
    const own = new Darkroom({ url: relay.url, token, attemptsMax: 2, attemptSeconds: 1 });
    relay.act = () => (incoming) => void incoming.resume();
    await assert.rejects(own.createJob(REEFS), (error: Unreachable) => {
      assert.ok(error instanceof Unreachable);
      assert.equal(error.idempotencyKey, relay.seen[0]?.key);
      assert.ok(error.idempotencyKey);
      return true;
    });
    assert.equal(relay.seen.length, 2);
    relay.act = () => (_, answer) => {
      const piece = Buffer.alloc(1 << 20);
      const more = () => void (answer.destroyed || answer.write(piece, more));
      answer.writeHead(200, { "Content-Type": "application/json" });
      more();
    };
    const patient = new Darkroom({ url: relay.url, token, attemptsMax: 1 });
    await assert.rejects(patient.credits(), /was not answered/);
  });

  test("a signal ends a call, a pause and a wait at once", async () => {
    await using relay = await Relay.before(url);
    const own = new Darkroom({ url: relay.url, token });
    const stopped = new Error("the user left");
    for (const act of [answering(503, { "Retry-After": "30" }), () => undefined]) {
      relay.act = () => act;
      const controller = new AbortController();
      const call = own.credits({ signal: controller.signal });
      setTimeout(() => controller.abort(stopped), 50);
      await assert.rejects(call, stopped);
    }
    await assert.rejects(own.credits({ signal: AbortSignal.abort(stopped) }), stopped);
  });

  test("a file is opened, not parsed", async () => {
    const { id } = await darkroom.createAndWait(REEFS, { signal: soon() });
    const body = { action: "download" as const, ids: [id] };
    const file = await darkroom.open("POST /api/infographs/bulk", { body }, { signal: soon() });
    assert.equal((await file.text()).slice(0, 2), "PK");
    await assert.rejects(darkroom.call("POST /api/infographs/bulk", { body }), /use open/);
    const missing = darkroom.open("GET /api/jobs/{id}", { path: { id: "none" } });
    await assert.rejects(missing, { code: "not_found" });
  });

  test("a wait has an end, and the job goes on", async () => {
    const job = await darkroom.createJob(REEFS);
    const wait = darkroom.wait(job.id, { timeoutSeconds: 0.02 });
    await assert.rejects(wait, { name: "TimeoutError" });
    assert.equal((await darkroom.wait(job.id, { signal: soon() })).status, "completed");
  });

  test("a place in a path that is not filled is told before anything is sent", async () => {
    await assert.rejects(darkroom.job(""), /needs path.id/);
  });
});
