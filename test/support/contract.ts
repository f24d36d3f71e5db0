/** The OpenAPI document as a test reads it: which answers an operation documents, and whether a real one is among them. */
import { z } from "zod";
import { call, type Answer } from "./harness.ts";

interface Schema {
  readonly properties?: Readonly<Record<string, { readonly enum?: readonly string[] }>>;
}

interface Operation {
  readonly security?: readonly object[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >;
}

export interface Contract {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

export async function readContract(): Promise<Contract> {
  return (await call("/openapi.json")).json();
}

/** Every operation, flat. */
export function operationsOf(contract: Contract) {
  return Object.entries(contract.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

/** The problem types and codes that an operation documents for a status. */
export function problemsOf(operation: Operation, status: string) {
  const { properties = {} } = operation.responses[status]?.content?.["application/problem+json"]?.schema ?? {};
  return { types: properties["type"]?.enum ?? [], codes: properties["code"]?.enum ?? [] };
}

/** What is wrong with a real answer by the document, or null: its status, its media type and its body are documented. */
export function breachOf(contract: Contract, method: string, path: string, answer: Answer<unknown>): string | null {
  const pathname = path.split("?")[0] ?? path;
  const template = Object.keys(contract.paths).find((one) => fits(one, pathname));
  const operation = template === undefined ? undefined : contract.paths[template]?.[method.toLowerCase()];
  if (!operation) return `${method} ${pathname} isn't documented`;
  const documented = operation.responses[String(answer.status)];
  if (!documented) return `${method} ${template}: ${answer.status} isn't documented: ${JSON.stringify(answer.body)}`;
  if (!documented.content) return null;
  const type = (answer.headers.get("content-type") ?? "").split(";")[0] ?? "";
  const schema = documented.content[type]?.schema;
  if (!schema) return `${method} ${template} ${answer.status}: ${type} isn't documented`;
  const parsed = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(answer.body);
  return parsed.success ? null : `${method} ${template} ${answer.status}: ${z.prettifyError(parsed.error)}`;
}

function fits(template: string, path: string): boolean {
  const [wanted, given] = [template.split("/"), path.split("/")];
  return wanted.length === given.length && wanted.every((part, at) => part.startsWith("{") || part === given[at]);
}
