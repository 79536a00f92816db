/** What a call throws: the server's own errors, and those of the way there.
 *
 * Error
 * ├── Problem            the server answered with an error: decide on `code`
 * └── Unreachable        no whole answer came, however often it was tried
 */
import type { ProblemBody, ProblemCode } from "./documents.ts";

/** An error as RFC 9457 describes it. `docs/guides/errors.md` has all codes. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;
  /** `unexpected_answer` stands for what is no problem document, as of a proxy on the way. */
  readonly code: ProblemCode | "unexpected_answer";
  readonly title: string;
  readonly detail: string;
  readonly requestId: string | undefined;
  /** Which fields are wrong, where the code is `invalid`. */
  readonly errors: readonly { field: string; message: string }[];
  /** The whole document: some codes have more fields. */
  readonly document: ProblemBody | undefined;
  readonly retryAfterSeconds: number | undefined;
  /** With the key the same request may be sent again: it is carried out once. */
  readonly idempotencyKey: string | undefined;

  constructor(
    status: number,
    document: ProblemBody | undefined,
    more: { retryAfterSeconds?: number | undefined; idempotencyKey?: string | undefined } = {},
  ) {
    super(document ? `${document.code}: ${document.detail}` : `unexpected answer ${status}`);
    this.status = status;
    this.document = document;
    this.code = document?.code ?? "unexpected_answer";
    this.title = document?.title ?? `HTTP ${status}`;
    this.detail = document?.detail ?? this.title;
    this.requestId = document?.request_id ?? undefined;
    this.errors = document?.errors ?? [];
    this.retryAfterSeconds = more.retryAfterSeconds;
    this.idempotencyKey = more.idempotencyKey;
  }
}

/** No whole answer came. What was asked for may have been carried out, or may be still. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
  /** With the key the same request may be sent again: it is carried out once. */
  readonly idempotencyKey: string | undefined;

  constructor(message: string, cause: unknown, idempotencyKey?: string) {
    super(message, { cause });
    this.idempotencyKey = idempotencyKey;
  }
}

/** Return the problem document in an answer's body, if it is one. */
export function problemIn(text: string): ProblemBody | undefined {
  try {
    const found: unknown = JSON.parse(text);
    return isProblem(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

function isProblem(found: unknown): found is ProblemBody {
  return typeof found === "object" && found !== null && "code" in found && "detail" in found;
}
