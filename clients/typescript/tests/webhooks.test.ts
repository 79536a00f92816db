import assert from "node:assert/strict";
import { test } from "node:test";
import { verifyWebhook } from "../src/index.ts";

/** Signed by the dispatcher's own code, just now, under a secret and the one before it. */
const { body, headers, secret, before } = JSON.parse(process.env["DELIVERY"] ?? "{}") as {
  body: string;
  headers: Record<string, string>;
  secret: string;
  before: string;
};

test("what we sent is believed, in any form, under either secret of a rotation", async () => {
  for (const each of [secret, before, [`whsec_${btoa("another secret of another one")}`, before]]) {
    for (const form of [headers, new Headers(headers), { ...headers, "Webhook-Id": ["x"] }]) {
      const payload = await verifyWebhook(body, form, each);
      assert.deepEqual(payload, JSON.parse(body));
    }
  }
  const bytes = new TextEncoder().encode(body);
  assert.equal((await verifyWebhook(bytes, headers, secret)).type, "job.completed");
});

test("what anybody else sent is not", async () => {
  const other = `whsec_${btoa("another secret of another one")}`;
  await assert.rejects(verifyWebhook(body, headers, other), { code: "forged" });
  const changed = body.replace("completed", "failed");
  await assert.rejects(verifyWebhook(changed, headers, secret), { code: "forged" });
  for (const [name, value] of [
    ["webhook-id", "msg_another"],
    ["webhook-timestamp", String(Number(headers["webhook-timestamp"]) + 1)],
    ["webhook-signature", "v1,AAAA v1,not-base64! v2,x v1a,y"],
  ] as const) {
    const forged = verifyWebhook(body, { ...headers, [name]: value }, secret);
    await assert.rejects(forged, { name: "WebhookRefused", code: "forged" });
  }
});

test("what is too old, or from the future, is not", async () => {
  for (const seconds of [400, -400]) {
    const late = verifyWebhook(body, headers, secret, { now: Date.now() + seconds * 1000 });
    await assert.rejects(late, { code: "stale" });
  }
  const now = Date.now() + 3000_000;
  assert.ok(await verifyWebhook(body, headers, secret, { now, toleranceSeconds: 3600 }));
});

test("what lacks a header is malformed, and a secret that is none is the caller's fault", async () => {
  for (const name of Object.keys(headers)) {
    const { [name]: _, ...rest } = headers;
    await assert.rejects(verifyWebhook(body, rest, secret), { code: "malformed" });
  }
  const wrong = { ...headers, "webhook-timestamp": "yesterday" };
  await assert.rejects(verifyWebhook(body, wrong, secret), { code: "malformed" });
  await assert.rejects(verifyWebhook(body, headers, "§"), TypeError);
  await assert.rejects(verifyWebhook(body, headers, ""), TypeError);
});
