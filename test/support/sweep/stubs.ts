/** Durable Objects as a caller sees them: each call of a stub goes through the stage, and fails when the object dies of it. */
import type { Env } from "../../../src/env.ts";
import { stage, through, type Incarnation, type ObjectNamespace } from "./stage.ts";

export const keyOf = (namespace: ObjectNamespace, id: string) => `${namespace} ${id}`;

/** The stub of an object, from the driver's own context. */
export function stubOf(env: Env, namespace: ObjectNamespace, id: string): DurableObjectStub {
  const objects = env[namespace] as unknown as DurableObjectNamespace;
  return objects.get(objects.idFromString(id));
}

type Methods = Record<string, (...args: unknown[]) => Promise<unknown>>;

export function watchedObjects(
  real: DurableObjectNamespace,
  namespace: ObjectNamespace,
  who: Incarnation,
): DurableObjectNamespace {
  const reach = async <T>(id: string, perform: () => Promise<T>): Promise<T> => {
    const answer = await perform();
    if (stage.objects.get(keyOf(namespace, id))?.dead === true) throw new Error("The Durable Object was reset.");
    return answer;
  };
  const stub = (id: DurableObjectId) => {
    const hex = id.toString();
    const target = real.get(id);
    return new Proxy(target, {
      get(_, method: string) {
        if (method === "id" || method === "name" || method === "then") return Reflect.get(target, method) as unknown;
        if (method === "fetch") {
          return (input: RequestInfo, init?: RequestInit) => {
            const request = new Request(input, init);
            const { url, headers } = request;
            const again = () => new Request(url, { method: request.method, headers });
            return through(who, {
              what: `${namespace} ${new URL(url).pathname.split("/").pop()}`,
              perform: () => reach(hex, () => target.fetch(again())),
              later: (env) => stubOf(env, namespace, hex).fetch(again()),
              nested: true,
            });
          };
        }
        return (...args: unknown[]) =>
          through(who, {
            what: `${namespace}.${method}`,
            perform: () => reach(hex, async () => (target as unknown as Methods)[method]?.(...args)),
            later: async (env) => (stubOf(env, namespace, hex) as unknown as Methods)[method]?.(...args),
            nested: true,
          });
      },
    });
  };
  return {
    get: stub,
    getByName: (name: string) => stub(real.idFromName(name)),
    idFromName: (name: string) => real.idFromName(name),
    idFromString: (id: string) => real.idFromString(id),
    newUniqueId: () => real.newUniqueId(),
  } as unknown as DurableObjectNamespace;
}
