/** Never run: `tsc` holds that each call takes and answers what the document says. */
import { type Artifact, Darkroom, type Job, Problem } from "../src/index.ts";

export async function typed(darkroom: Darkroom): Promise<void> {
  const created = await darkroom.createInfographs({ prompt: "reefs", number_of_infographs: 2 });
  const ids: string[] = created.infographs.map((each) => each.id);
  const job: Job = await darkroom.call("GET /api/jobs/{id}", { path: { id: ids[0] ?? "" } });
  const first: Artifact | undefined = job.artifacts[0];
  const none: undefined = await darkroom.call("DELETE /api/infographs/{id}", { path: { id: "1" } });
  for await (const each of darkroom.pages("GET /api/infographs/list", { query: { limit: 2 } })) {
    const url: string | null = each.image_url;
    void url;
  }
  for await (const change of darkroom.watch()) {
    if (change.event === "job") void change.data.artifacts;
    if (change.event === "gone") void change.data.id;
    // @ts-expect-error: credits have no status
    if (change.event === "credits") void change.data.status;
  }
  // @ts-expect-error: there is no such operation
  await darkroom.call("GET /api/nothing", {});
  // @ts-expect-error: the path has a place to fill
  await darkroom.call("GET /api/jobs/{id}", {});
  // @ts-expect-error: a prompt is a text
  await darkroom.createInfographs({ prompt: 1 });
  // @ts-expect-error: what is no list has no pages
  darkroom.pages("GET /api/credits", {});
  // @ts-expect-error: a status is one of the known ones
  darkroom.jobs({ query: { status: "done" } });
  // @ts-expect-error: a code is one of the known ones
  if (new Problem(500, undefined).code === "no_such_code") return;
  void [first, none];
}
