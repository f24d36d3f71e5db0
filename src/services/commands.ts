/**
 * Commands: accept is one batch that keeps the intent; execute is one batch that claims it and does it, or one that
 * rejects it with the reason. The id is the key: the same command by REST, by socket or twice has one effect.
 */
import { COMMAND_PLANS } from "../config.ts";
import {
  acceptCommandRow,
  applyCommandRow,
  findCommand,
  rejectCommandRow,
  type CommandRow,
} from "../db/queries/commands.ts";
import { bucketOf } from "../db/unit-of-work.ts";
import { AppError, refuse, type Refusal } from "../domain/errors.ts";
import type { Principal } from "../domain/identity.ts";
import type { Actor, Trace } from "../domain/trace.ts";
import type { CommandContext } from "./commands/kind.ts";
import { commandSchema, kindOf, type Command } from "./commands/kinds.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

/** Accepts a command: `{ok, row}` with the stored row, also when the same command came before. */
export async function acceptCommand(
  deps: ServiceDeps,
  principal: Principal,
  command: Command,
  trace: Trace,
): Promise<{ ok: true; row: CommandRow; replayed: boolean } | Refusal> {
  const kind = kindOf(command.type);
  if (!kind.senders.includes(principal.role)) {
    return refuse("FORBIDDEN", `role ${principal.role} may not send ${command.type}`);
  }
  const id = command.id ?? deps.newId("command");
  const sent = {
    id,
    type: command.type,
    data: JSON.stringify(command.data),
    sender: `${principal.kind}:${principal.subject}`,
  };
  const scope = await kind.scope(deps, principal, command.data);
  if (!scope.ok) {
    // What was accepted stays so, whatever has become of the part or place since.
    const known = await findCommand(deps.db, id);
    return known ? again(known, sent) : scope;
  }
  const bucket = bucketOf(id);
  const { traceparent } = trace;
  const row = { ...sent, bucket, region: scope.region, traceparent, createdAt: isoNow(deps) };
  const committed = await deps.commit({ trace, writes: [acceptCommandRow(row)] });
  if (!committed.ok && committed.code !== "DUPLICATE") return refuse(committed.code, "the command was not accepted");
  const stored = await findCommand(deps.db, id);
  if (!stored) throw new AppError("INTERNAL", "an accepted command isn't there", { retryable: true });
  if (!committed.ok) return again(stored, sent);
  deps.kick([bucket]);
  return { ok: true, row: stored, replayed: false };
}

/** The id is the key: the same sent again is answered by the row, anything else under it is refused. */
function again(
  row: CommandRow,
  sent: Pick<CommandRow, "id" | "type" | "data" | "sender">,
): { ok: true; row: CommandRow; replayed: boolean } | Refusal {
  const same = row.sender === sent.sender && row.type === sent.type && row.data === sent.data;
  if (!same) return refuse("KEY_REUSED", `the command id ${sent.id} was used for another command; make a new id`);
  return { ok: true, row, replayed: true };
}

/** Executes an accepted command once. Anything that isn't `accepted` any more is left alone. */
export async function executeCommand(deps: ServiceDeps, commandId: string): Promise<void> {
  const row = await findCommand(deps.db, commandId);
  if (!row || row.state !== "accepted") return;
  const parsed = commandSchema.safeParse({ type: row.type, data: JSON.parse(row.data) as unknown });
  const refusal = parsed.success
    ? await apply(deps, row, parsed.data)
    : refuse("VALIDATION", parsed.error.issues[0]?.message ?? "not a command");
  if (refusal) await rejectCommand(deps, row, refusal);
}

/** Plans and commits. Null: it is applied, by this call or another one. Throws when others were faster again and again. */
async function apply(deps: ServiceDeps, row: CommandRow, command: Command): Promise<Refusal | null> {
  const kind = kindOf(command.type);
  for (let plan = 0; plan < COMMAND_PLANS; plan++) {
    const context = contextOf(deps, row);
    const planned = await kind.plan(deps, context, command.data);
    if (!planned.ok) return planned;
    const { result, writes, audit, events } = planned.work;
    const claim = applyCommandRow(row.id, context.at, result);
    const committed = await deps.commit({ trace: traceOf(row), writes: [...writes, claim], audit, events });
    if (committed.ok || committed.code === "DUPLICATE") return null;
    if (committed.code !== "CONFLICT") return kind.explain(deps, context, command.data, committed.code);
  }
  throw new AppError("CONFLICT", `what ${row.id} acts on changed ${COMMAND_PLANS} times while it was planned`, {
    retryable: true,
  });
}

function contextOf(deps: ServiceDeps, row: CommandRow): CommandContext {
  return { commandId: row.id, actor: senderOf(row), region: row.region, at: isoNow(deps) };
}

async function rejectCommand(deps: ServiceDeps, row: CommandRow, refusal: Refusal): Promise<void> {
  const { code, reason, facts } = refusal;
  const at = isoNow(deps);
  const sender = senderOf(row);
  await deps.commit({
    trace: traceOf(row),
    writes: [rejectCommandRow(row.id, at, reason, { code, ...facts })],
    audit: [
      {
        actor: { id: row.type, kind: "rule" },
        action: "command.rejected",
        subject: `command/${row.id}`,
        after: { code },
        reason,
      },
    ],
    events: [
      {
        type: "CommandRejected",
        subject: `command/${row.id}`,
        region: row.region === "*" ? null : row.region,
        sequence: 1,
        data: {
          command_id: row.id,
          type: row.type,
          code,
          reason,
          timestamp: at,
          ...(sender.kind === "device" ? { device_id: sender.id } : {}),
        },
      },
    ],
  });
}

function senderOf(row: CommandRow): Actor {
  const [kind, ...id] = row.sender.split(":");
  return { kind: kind === "device" ? "device" : "person", id: id.join(":") };
}

function traceOf(row: CommandRow): Trace {
  return { traceparent: row.traceparent, correlationId: row.id };
}
