/** The world that the tests speak to: a real one, which pytest has started. */
import { Darkroom } from "../src/index.ts";

function given(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: pytest runs these tests`);
  return value;
}

export const url = given("DARKROOM_URL");
export const token = given("DARKROOM_TOKEN");
export const operatorToken = given("DARKROOM_OPERATOR_TOKEN");

export const darkroom = new Darkroom({ url, token });
export const operator = new Darkroom({ url, token: operatorToken });

/** Sets the names of accounts apart from those of an earlier run in the same world. */
const RUN = Date.now().toString(36);

/** Make the simulator fail at the next submission whose prompt has a word in it. */
export async function fault(failure: string, word: string): Promise<void> {
  const body = JSON.stringify({ failure, next: 1, prompt_contains: word });
  const headers = { "Content-Type": "application/json" };
  const failures = `${given("SIMULATOR_URL")}/simulator/failures`;
  const answer = await fetch(failures, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(await answer.text());
}

/** Open an account of its own with credits; return a client with its token. */
export async function account(name: string, amount: number, at = url): Promise<Darkroom> {
  const path = { id: `${name}-${RUN}` };
  const body = { amount, reason: "a test" };
  await operator.call("POST /api/operator/accounts/{id}/grant", { path, body });
  return new Darkroom({ url: at, token: await tokenOf(name) });
}

export async function tokenOf(name: string): Promise<string> {
  const body = { account: `${name}-${RUN}`, role: "user" as const };
  return (await operator.call("POST /api/operator/tokens", { body })).token;
}

/** A signal that ends a test which waits for what does not come. */
export function soon(seconds = 20): AbortSignal {
  return AbortSignal.timeout(seconds * 1000);
}
