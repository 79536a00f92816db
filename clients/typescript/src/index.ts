/** A client of Darkroom for browsers and Node. */
export type { Change } from "./account.ts";
export {
  type AccountWatchOptions,
  type Answered,
  Darkroom,
  type WaitOptions,
} from "./darkroom.ts";
export type * from "./documents.ts";
export { type Mode, POLL_SECONDS, type WatchOptions } from "./following.ts";
export type { Answer, Arguments, Item, ListName, OperationName } from "./operations.ts";
export { Problem, Unreachable } from "./problem.ts";
export type { CallOptions, ConnectionOptions } from "./requests.ts";
export type { components, paths, webhooks } from "./schema.ts";
export { type VerifyOptions, verifyWebhook, WebhookRefused } from "./webhooks.ts";
