/** The documents of the API, by the names that people use for them. */
import type { components, paths } from "./schema.ts";

type Schemas = components["schemas"];

export type Job = Schemas["JobDocument"];
export type Run = Schemas["RunDocument"];
export type Credits = Schemas["CreditsDocument"];
export type Artifact = Schemas["Artifact"];
export type Resync = Schemas["ResyncDocument"];
export type Gone = Schemas["GoneDocument"];
export type ProblemBody = Schemas["Problem"];
export type ProblemCode = ProblemBody["code"];
export type WebhookPayload = Schemas["WebhookPayload"];
export type CreateInfographs = Schemas["CreateInfographs"];
export type CreatedInfographs =
  paths["/api/infographs/create"]["post"]["responses"][201]["content"]["application/json"];
export type CreateJob = NonNullable<
  paths["/api/jobs"]["post"]["requestBody"]
>["content"]["application/json"];
