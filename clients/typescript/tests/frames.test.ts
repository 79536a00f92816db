import assert from "node:assert/strict";
import { test } from "node:test";
import { type Frame, framesOf } from "../src/frames.ts";

async function framesIn(pieces: Iterable<string>): Promise<(Frame | undefined)[]> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });
  const found: (Frame | undefined)[] = [];
  for await (const frame of framesOf(new Response(body))) found.push(frame);
  return found;
}

const TEXT = 'retry: 2000\nid: 1\n\n: ping\n\nevent: job\nid: 2\ndata: {"a":"ä"}\n\nevent: job\nid: 3\ndata: {';

test("frames are the same wherever the connection splits them", async () => {
  const whole = await framesIn([TEXT]);
  assert.deepEqual(
    whole.map((each) => each && [each.event, each.id, each.data, each.retryMs]),
    [["message", "1", "", 2000], undefined, ["job", "2", '{"a":"ä"}', undefined]],
    "what was cut off is no frame",
  );
  assert.deepEqual(await framesIn(TEXT), whole);
  assert.deepEqual(await framesIn([TEXT.replaceAll("\n", "\r\n")]), whole);
});

test("data on several lines is one text, and unknown fields are nothing", async () => {
  const [frame] = await framesIn(["data: a\ndata:b\nnovel: x\ndata\nretry: soon\n\n"]);
  assert.deepEqual([frame?.data, frame?.retryMs], ["a\nb\n", undefined]);
});

test("a frame without an end is refused", async () => {
  const piece = "a".repeat(4 << 20);
  await assert.rejects(framesIn(["data: ", ...Array(10).fill(piece)]), /too long/);
  await assert.rejects(framesIn(Array(10).fill(`data: ${piece}\n`)), /too long/);
});

test("a long frame is read in time whatever its chunks", { timeout: 20_000 }, async () => {
  const piece = "a".repeat(512);
  const [frame] = await framesIn(["data: ", ...Array(32_000).fill(piece), "\n\n"]);
  assert.equal(frame?.data.length, 32_000 * 512);
});
