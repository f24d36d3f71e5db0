/** Flattens the OpenAPI document of the app into what the readable docs list: one entry an operation, by tag. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { AppEnv } from "./app-env.ts";

export interface Operation {
  readonly method: string;
  readonly path: string;
  /** Summary and description, as far as given. */
  readonly text: readonly string[];
  readonly token: boolean;
  /** Named with where they go, and a `*` when required: `limit (query)`, `id* (path)`. */
  readonly parameters: readonly string[];
  /** Each media type that is accepted, with its top fields: a `*` when required. */
  readonly bodies: readonly { readonly type: string; readonly fields: readonly string[] }[];
  readonly answers: readonly {
    readonly status: string;
    readonly description: string;
    readonly codes: readonly string[];
  }[];
}

type Document = ReturnType<OpenAPIHono<AppEnv>["getOpenAPI31Document"]>;
type PathItem = NonNullable<Document["paths"]>[string];
type OperationObject = NonNullable<PathItem["get"]>;

const METHODS = ["get", "post", "put", "patch", "delete"] as const;

/** The tags in the order in which their routes were registered. */
export function operationsByTag(app: OpenAPIHono<AppEnv>): ReadonlyMap<string, readonly Operation[]> {
  const { paths = {} } = app.getOpenAPI31Document({ openapi: "3.1.0", info: { title: "Waybill", version: "1.0.0" } });
  const all = Object.entries(paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      return operation ? [{ tag: operation.tags?.[0] ?? "other", operation: flatten(method, path, operation) }] : [];
    }),
  );
  const tags = [...new Set(all.map(({ tag }) => tag))];
  return new Map(tags.map((tag) => [tag, all.filter((one) => one.tag === tag).map(({ operation }) => operation)]));
}

function flatten(method: string, path: string, operation: OperationObject): Operation {
  const { summary, description, security = [], parameters = [], requestBody, responses = {} } = operation;
  const content = requestBody && "content" in requestBody ? requestBody.content : {};
  return {
    method: method.toUpperCase(),
    path,
    text: [summary, description].filter((text) => text !== undefined),
    token: security.length > 0,
    parameters: parameters.flatMap((one) =>
      "name" in one ? [`${one.name}${one.required ? "*" : ""} (${one.in})`] : [],
    ),
    bodies: Object.entries(content).map(([type, { schema }]) => ({ type, fields: fieldsOf(schema) })),
    answers: Object.entries(responses).map(([status, answer]: [string, Answer]) => ({
      status,
      description: answer.description ?? "",
      codes: codesOf(answer.content?.["application/problem+json"]?.schema),
    })),
  };
}

interface Answer {
  readonly description?: string;
  readonly content?: Readonly<Record<string, { readonly schema?: unknown }>>;
}

/** As much of a JSON Schema as is read here. */
interface Schema {
  readonly properties?: Readonly<Record<string, { readonly enum?: readonly string[] }>>;
  readonly required?: readonly string[];
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
}

/** Of a union: the fields of all its forms, required where every form requires them. */
function fieldsOf(schema: unknown): string[] {
  const whole = (schema ?? {}) as Schema;
  const forms = whole.oneOf ?? whole.anyOf ?? [whole];
  const names = new Set(forms.flatMap(({ properties = {} }) => Object.keys(properties)));
  return [...names].map((name) => `${name}${forms.every(({ required = [] }) => required.includes(name)) ? "*" : ""}`);
}

function codesOf(schema: unknown): readonly string[] {
  return ((schema ?? {}) as Schema).properties?.["code"]?.enum ?? [];
}
