/** The operations of the API, as types: made from the paths of its OpenAPI document. */
import type { paths } from "./schema.ts";

type Method = "get" | "post" | "patch" | "put" | "delete";
type Described = { responses: object };
type On<P extends keyof paths, M extends Method> = paths[P][M] & Described;

/** Each operation by its method and path, as `POST /api/infographs/create`. */
export type Operations = {
  [P in keyof paths as NamesOn<P>]: P;
} extends infer All
  ? { [Name in keyof All & string]: OperationAt<Name> }
  : never;

export type OperationName = keyof Operations;

type NamesOn<P extends keyof paths> = {
  [M in Method]: paths[P][M] extends Described ? `${Uppercase<M>} ${P}` : never;
}[Method];

type OperationAt<Name extends string> = Name extends `${infer M} ${infer P}`
  ? P extends keyof paths
    ? Lowercase<M> extends Method
      ? On<P, Lowercase<M>>
      : never
    : never
  : never;

type JsonIn<T> = T extends { content: { "application/json": infer Body } } ? Body : undefined;
type Success = 200 | 201 | 202 | 204;
type Part<O, Name extends string> = O extends { parameters: { [K in Name]?: infer P } } ? P : never;
type Body<O> = O extends { requestBody?: infer R } ? JsonIn<NonNullable<R>> : undefined;
type HasFields<T> = [T] extends [never] ? false : [NonNullable<T>] extends [never] ? false : true;

/** What an operation answers with when it succeeds; undefined when that has no body. */
export type Answer<Name extends OperationName> = Operations[Name]["responses"] extends infer R
  ? { [Status in keyof R & Success]: JsonIn<R[Status]> }[keyof R & Success]
  : never;

/** What an operation is asked with: only what it takes, and all that it needs. */
export type Arguments<Name extends OperationName> = PathOf<Operations[Name]> &
  QueryOf<Operations[Name]> &
  HeadersOf<Operations[Name]> &
  BodyOf<Operations[Name]>;

type PathOf<O> = HasFields<Part<O, "path">> extends true ? { path: Part<O, "path"> } : unknown;
type QueryOf<O> = HasFields<Part<O, "query">> extends true ? { query?: Part<O, "query"> } : unknown;
type HeadersOf<O> =
  HasFields<Part<O, "header">> extends true ? { headers?: Part<O, "header"> } : unknown;
type BodyOf<O> = Body<O> extends undefined ? unknown : { body: Body<O> };

/** What a list has: a bare array, or `items` beside the cursor of the next page. */
export type Item<Name extends OperationName> =
  Answer<Name> extends readonly (infer One)[]
    ? One
    : Answer<Name> extends { items: readonly (infer One)[]; next: string | null }
      ? One
      : never;

export type ListName = {
  [Name in OperationName]: [Item<Name>] extends [never] ? never : Name;
}[OperationName];

/** The arguments as one request needs them, without their types. */
export interface AnyArguments {
  path?: Record<string, string | number>;
  query?: Record<string, unknown>;
  headers?: Record<string, unknown>;
  body?: unknown;
}

/** Return the method and the path with its places filled and its query. */
export function addressOf(name: string, given: AnyArguments): { method: string; path: string } {
  const [method = "", template = ""] = name.split(" ");
  const path = template.replace(/\{(\w+)\}/g, (_, place: string) => {
    const value = given.path?.[place];
    if (value === undefined || value === "") throw new TypeError(`${name} needs path.${place}`);
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(given.query ?? {})) {
    if (value !== undefined && value !== null) query.append(key, String(value));
  }
  const text = query.toString();
  return { method, path: text === "" ? path : `${path}?${text}` };
}
