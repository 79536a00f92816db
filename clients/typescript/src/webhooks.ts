/** Verifies a webhook by the words of Standard Webhooks: HMAC-SHA256 over id, time and body. */
import type { WebhookPayload } from "./documents.ts";

/** Why a webhook is not to be believed: answer it with a 4xx, and do nothing else. */
export class WebhookRefused extends Error {
  override readonly name = "WebhookRefused";
  readonly code: "malformed" | "stale" | "forged";

  constructor(code: "malformed" | "stale" | "forged", message: string) {
    super(message);
    this.code = code;
  }
}

export interface VerifyOptions {
  /** How old, or how far ahead, the time of sending may be: 300. */
  toleranceSeconds?: number;
  /** What time it is, in milliseconds. */
  now?: number;
}

type AnyHeaders = Headers | Record<string, string | readonly string[] | undefined>;

const TOLERANCE_SECONDS = 300;
const SIGNATURES_MAX = 8;

/** Return what a webhook says; throw WebhookRefused when it is not one of ours, or too old.
 *
 * `body` is the request's body as it came, before anything has parsed it. `secret` is what
 * registering the endpoint showed; after a rotation either of the two holds for a day.
 * `webhook-id` stays the same when a delivery is repeated: handle each id once.
 */
export async function verifyWebhook(
  body: string | Uint8Array,
  headers: AnyHeaders,
  secret: string | readonly string[],
  options: VerifyOptions = {},
): Promise<WebhookPayload> {
  const [id, at, signatures] = signedParts(headers);
  checkTime(at, options);
  const content = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const signed = joined(new TextEncoder().encode(`${id}.${at}.`), content);
  const secrets = typeof secret === "string" ? [secret] : secret;
  for (const each of secrets) {
    const key = await keyOf(each);
    for (const signature of signatures) {
      if (await crypto.subtle.verify("HMAC", key, signature, signed)) return parsed(content);
    }
  }
  throw new WebhookRefused("forged", "no signature is made with this secret");
}

function signedParts(headers: AnyHeaders): [string, string, Uint8Array<ArrayBuffer>[]] {
  const [id, at, all] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) =>
    header(headers, name),
  );
  if (!id || !at || !all) throw new WebhookRefused("malformed", "a webhook-… header is missing");
  const ours = all.split(" ").filter((each) => each.startsWith("v1,"));
  const signatures = ours.slice(0, SIGNATURES_MAX).map((each) => bytesOf(each.slice(3)));
  return [id, at, signatures];
}

function header(headers: AnyHeaders, name: string): string | undefined {
  if (headers instanceof Headers) return headers.get(name) ?? undefined;
  const found = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  return typeof found === "object" ? found[0] : found;
}

function checkTime(at: string, options: VerifyOptions): void {
  if (!/^\d{1,12}$/.test(at)) throw new WebhookRefused("malformed", "webhook-timestamp is no time");
  const seconds = (options.now ?? Date.now()) / 1000 - Number(at);
  if (Math.abs(seconds) > (options.toleranceSeconds ?? TOLERANCE_SECONDS)) {
    throw new WebhookRefused("stale", `it was sent ${Math.round(seconds)} seconds ago`);
  }
}

async function keyOf(secret: string): Promise<CryptoKey> {
  const bytes = bytesOf(secret.replace(/^whsec_/, ""));
  if (bytes.length === 0) throw new TypeError("the secret is not what registering showed");
  return await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, [
    "verify",
  ]);
}

/** Return the bytes of a text in base64; none when it is no such text. */
function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

function joined(head: Uint8Array, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(head.length + body.length);
  all.set(head);
  all.set(body, head.length);
  return all;
}

function parsed(content: Uint8Array): WebhookPayload {
  return JSON.parse(new TextDecoder().decode(content)) as WebhookPayload;
}
