/** Wires commands that come over a socket to the same handler as REST. Who may send what is read anew from the tables. */
import { createContainer, type Container, type Lifetime } from "../container.ts";
import { findDevicePrincipal, findPersonPrincipal } from "../db/queries/people.ts";
import type { CommandFrame, ResultFrame } from "../domain/hub/frames.ts";
import type { HubIdentity } from "../domain/hub/routing.ts";
import type { Env } from "../env.ts";
import { acceptCommand } from "../services/command-acceptance.ts";
import { answerOf } from "../services/command-answers.ts";
import { commandSchema } from "../services/commands/kinds.ts";

export async function commandOverSocket(
  env: Env,
  lifetime: Lifetime,
  identity: HubIdentity,
  frame: CommandFrame,
): Promise<ResultFrame> {
  const container = createContainer(env, lifetime);
  const rejected = (code: string, reason: string): ResultFrame => ({
    type: "result",
    id: frame.id,
    status: "rejected",
    code,
    reason,
  });
  const { id, command: type, data, type: _frame, ...numbering } = frame;
  const parsed = commandSchema.safeParse({ id, type, data, ...numbering });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return rejected("VALIDATION", `${issue?.path.join("/") || "command"}: ${issue?.message ?? "is wrong"}`);
  }
  const principal = await principalOf(container, identity);
  if (!principal) return rejected("UNAUTHENTICATED", "you are not known any more");
  const accepted = await acceptCommand(container, principal, parsed.data, container.newTrace());
  return { type: "result", ...answerOf(frame.id, accepted) };
}

function principalOf({ db }: Container, { device_type: type, device_id: id }: HubIdentity) {
  return type === "person" ? findPersonPrincipal(db, id) : findDevicePrincipal(db, id);
}
