/** The documents of the API, by the names that people use for them. */
import type { components } from "./schema.ts";

type Schemas = components["schemas"];

export type Job = Schemas["Job"];
export type Run = Schemas["Run"];
export type Credits = Schemas["Credits"];
export type Artifact = Schemas["Artifact"];
export type Resync = Schemas["Resync"];
export type Gone = Schemas["Gone"];
export type ProblemBody = Schemas["Problem"];
export type ProblemCode = ProblemBody["code"];
/** What a webhook says: told apart by `type`. */
export type WebhookPayload = Schemas["JobNotification"] | Schemas["RunNotification"];
export type CreateInfographs = Schemas["CreateInfographs"];
export type CreatedInfographs = Schemas["CreatedInfographs"];
export type CreateJob = Schemas["CreateJob"];
