/** Runs the code of the guide and of the README, each in a process of its own. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { suite, test } from "node:test";
import { answering, Relay } from "./relay.ts";

const AS_IN_THE_GUIDE = "http://127.0.0.1:8000";
const DOCUMENT = 'import { document } from "./document.ts";\n';
const url = process.env["DARKROOM_URL"] ?? "";
const token = process.env["DARKROOM_TOKEN"] ?? "";
const authorization = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };

/** A file of the guide at work: with an address and a token, and what it prints. */
class Running implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  text = "";

  constructor(path: string) {
    const options = ["--experimental-eventsource", "--disable-warning=ExperimentalWarning"];
    this.#process = spawn(process.execPath, [...options, path], { stdio: "pipe" });
    this.#ended = once(this.#process, "exit");
    for (const each of [this.#process.stdout, this.#process.stderr]) {
      each?.on("data", (piece: Buffer) => (this.text += piece.toString()));
    }
  }

  /** Wait until it has printed something. */
  async prints(wanted: RegExp): Promise<void> {
    const deadline = Date.now() + 30_000;
    while (!wanted.test(this.text)) {
      const isLate = Date.now() > deadline || this.#process.exitCode !== null;
      assert.ok(!isLate || wanted.test(this.text), `${wanted} is not in:\n${this.text}`);
      await new Promise((wake) => setTimeout(wake, 50));
    }
  }

  /** Wait until it has ended by itself, without an error. */
  async ends(): Promise<void> {
    const [code] = await this.#ended;
    assert.equal(code, 0, this.text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill();
    await this.#ended;
  }
}

let runs = 0;

/** Start a file of the guide, with `more` before its first line. */
function run(file: string, at: string, more = "", port = 8080): Running {
  const code = readFileSync(`${import.meta.dirname}/${file}`, "utf8")
    .replaceAll(AS_IN_THE_GUIDE, at)
    .replaceAll('"…"', `"${token}"`)
    .replaceAll("8080", String(port));
  const path = `${import.meta.dirname}/run-${(runs += 1)}-${file}`;
  writeFileSync(path, more + code);
  return new Running(path);
}

async function create(): Promise<string> {
  const body = JSON.stringify({ kind: "infograph", input: { prompt: "from another tab" } });
  const made = await fetch(`${url}/api/jobs`, { method: "POST", headers: authorization, body });
  return ((await made.json()) as { id: string }).id;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

suite("the guide", { concurrency: true }, () => {
  test("the card is live: state, progress, picture", async () => {
    await using page = run("front-end.js", url, DOCUMENT);
    await page.ends();
    const told = page.text;
    assert.match(told, /h2.textContent=processing[^]*h2.textContent=completed/);
    assert.ok(new Set(told.match(/progress.value=\d+/g)).size > 2, told);
    assert.match(told, /img.src=http.*\nimg.hidden=false/);
  });

  test("it polls while streaming fails", async () => {
    await using relay = await Relay.before(url);
    relay.act = ({ path }) => (path.includes("/stream?") ? answering(502) : undefined);
    await using page = run("front-end.js", relay.url, DOCUMENT);
    await page.ends();
    assert.match(page.text, /h2.textContent=completed/);
    assert.ok(relay.seen.filter((each) => /jobs\/[^/]+$/.test(each.path)).length > 1);
  });

  test("after a long absence it goes on with a new ticket behind the last frame", async () => {
    await using relay = await Relay.before(url);
    relay.cuts = (piece) => /^[^]*?\ndata: .*\n\n/.exec(piece)?.[0];
    await using page = run("front-end.js", relay.url, DOCUMENT);
    await page.prints(/h2.textContent/);
    relay.cuts = undefined;
    // The ticket is spent, as a minute's absence would: the same stream is open elsewhere.
    const [first] = relay.seen.filter((each) => each.path.includes("/stream?"));
    const elsewhere = await until(() => fetch(url + first?.path));
    await page.ends();
    await elsewhere.body?.cancel();
    assert.match(page.text, /h2.textContent=completed/);
    const streams = relay.seen.filter((each) => each.path.includes("/stream?"));
    const tickets = new Set(streams.map((each) => /ticket=([^&]*)/.exec(each.path)?.[1]));
    const places = new Set(streams.map((each) => /after=([^&]+)/.exec(each.path)?.[1]));
    assert.deepEqual([tickets.size > 1, places.size > 1], [true, true]);
  });

  test("the same with the client", async () => {
    await using page = run("card.ts", url, DOCUMENT);
    await page.ends();
    assert.match(page.text, /processing[^]*progress.value=[1-9][^]*completed[^]*img.src=http/);
  });

  test("all of an account, and a deletion", async () => {
    const spy = "setInterval(() => { try { console.log([...cards].join(' ')); } catch {} }, 200);\n";
    await using page = run("all.ts", url, spy);
    await page.prints(/\n/);
    const id = await create();
    await page.prints(new RegExp(`${id},completed`));
    const before = page.text.length;
    await fetch(`${url}/api/infographs/${id}`, { method: "DELETE", headers: authorization });
    await until(async () => ({ ok: !page.text.slice(before).trim().split("\n").at(-1)?.includes(id) }));
  });

  test("a page that holds no token", async () => {
    const port = await freePort();
    await using backEnd = run("back_end.ts", url, "", port);
    await until(() => fetch(`http://127.0.0.1:${port}/`));
    await using page = run("page.ts", url, "", port);
    await create();
    await page.prints(/^job /m);
    assert.equal(backEnd.text, "");
  });

  test("the README's lines", async () => {
    await using page = run("readme.ts", url);
    await page.ends();
    assert.match(page.text, /^completed http/);
    assert.match(page.text, /404 not_found/);
  });
});

async function until<T extends { ok: boolean }>(look: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = await look().catch(() => undefined);
    if (found?.ok) return found;
    assert.ok(Date.now() < deadline, `${look} is not true`);
    await new Promise((wake) => setTimeout(wake, 50));
  }
}
