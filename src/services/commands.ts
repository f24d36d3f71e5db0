/**
 * Commands: accept is one batch that keeps the intent; execute is one batch that claims it and does it, or one that
 * rejects it with the reason. The id is the key: the same command by REST, by socket or twice has one effect.
 */
import { acceptCommandRow, findCommand, rejectCommandRow, type CommandRow } from "../db/queries/commands.ts";
import { findParts } from "../db/queries/parts.ts";
import { findDevice } from "../db/queries/people.ts";
import { findLocation } from "../db/queries/stock.ts";
import { bucketOf, type UnitOfWork } from "../db/unit-of-work.ts";
import { commandSchema, maySend, placeOf, type Command } from "../domain/commands.ts";
import { AppError, refuse, type ErrorCode, type Refusal } from "../domain/errors.ts";
import { coversRegion, type Principal } from "../domain/identity.ts";
import type { Actor, Trace } from "../domain/trace.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";
import { updateInventory, updatePart } from "./inventory.ts";

/** Accepts a command: `{ok, row}` with the stored row, also when the same command came before. */
export async function acceptCommand(
  deps: ServiceDeps,
  principal: Principal,
  command: Command,
  trace: Trace,
): Promise<{ ok: true; row: CommandRow; replayed: boolean } | Refusal> {
  if (!maySend(principal, command.type)) {
    return refuse("FORBIDDEN", `role ${principal.role} may not send ${command.type}`);
  }
  const scope = await scopeOf(deps, principal, command);
  if (!scope.ok) return scope;
  const id = command.id ?? deps.newId("command");
  const bucket = bucketOf(id);
  const data = JSON.stringify(command.data);
  const committed = await deps.commit({
    trace,
    writes: [
      acceptCommandRow({
        id,
        bucket,
        type: command.type,
        data,
        sender: `${principal.kind}:${principal.subject}`,
        region: scope.region,
        traceparent: trace.traceparent,
        createdAt: isoNow(deps),
      }),
    ],
  });
  const row = await findCommand(deps.db, id);
  if (!row) throw new AppError("INTERNAL", "an accepted command isn't there", { retryable: true });
  if (committed.ok) {
    deps.kick([bucket]);
    return { ok: true, row, replayed: false };
  }
  if (committed.code !== "DUPLICATE") return refuse(committed.code, "the command was not accepted");
  const same =
    row.sender === `${principal.kind}:${principal.subject}` && row.type === command.type && row.data === data;
  if (!same) return refuse("KEY_REUSED", `the command id ${id} was used for another command; make a new id`);
  return { ok: true, row, replayed: true };
}

/** Checks that the sender may act there and that what is named exists; finds the region it belongs to. */
async function scopeOf(
  deps: ServiceDeps,
  principal: Principal,
  command: Command,
): Promise<{ ok: true; region: string } | Refusal> {
  const [part] = await findParts(deps.db, [command.data.sku]);
  if (!part) return unknown("/data/sku", `no part ${command.data.sku}`);
  if (command.type === "UpdatePart") return { ok: true, region: principal.region ?? "*" };

  const { device_id: deviceId, location: label } = command.data;
  if (principal.kind === "device" && principal.subject !== deviceId) {
    return refuse("FORBIDDEN", `device ${principal.subject} may not send commands as ${deviceId}`);
  }
  const device = await findDevice(deps.db, deviceId);
  if (!device) return unknown("/data/device_id", `no device ${deviceId}`);
  if (principal.kind === "person") {
    const own =
      principal.location === null ? coversRegion(principal, device.region) : principal.location === device.location;
    if (!own) return refuse("FORBIDDEN", `${deviceId} is not at a location of ${principal.subject}`);
  }
  const place = placeOf(label, device.location);
  const location = place.location === device.location ? device : await findLocation(deps.db, place.location);
  if (!location) return unknown("/data/location", `no location ${place.location}`);
  if (place.location !== device.location) {
    return refuse("FORBIDDEN", `${deviceId} changes stock at ${device.location} only, not at ${place.location}`);
  }
  return { ok: true, region: device.region };
}

function unknown(pointer: string, detail: string): Refusal {
  return refuse("UNKNOWN_REFERENCE", detail, { problems: [{ pointer, detail }] });
}

/** Executes an accepted command once. Anything that isn't `accepted` any more is left alone. */
export async function executeCommand(deps: ServiceDeps, commandId: string): Promise<void> {
  const row = await findCommand(deps.db, commandId);
  if (!row || row.state !== "accepted") return;
  const parsed = commandSchema.safeParse({ type: row.type, data: JSON.parse(row.data) as unknown });
  if (!parsed.success)
    return rejectCommand(deps, row, "VALIDATION", parsed.error.issues[0]?.message ?? "not a command");

  const committed = await deps.commit(await workOf(deps, row, parsed.data));
  if (committed.ok || committed.code === "DUPLICATE") return;
  await rejectCommand(deps, row, committed.code, reasonOf(committed.code, parsed.data));
}

async function workOf(deps: ServiceDeps, row: CommandRow, command: Command): Promise<UnitOfWork> {
  const context = { commandId: row.id, actor: senderOf(row), trace: traceOf(row), nowMs: deps.clock.now() };
  if (command.type === "UpdatePart") return updatePart(context, command.data);
  const device = await findDevice(deps.db, command.data.device_id);
  const place = placeOf(command.data.location, device?.location ?? "");
  const change = {
    sku: command.data.sku,
    location: place.location,
    bin: place.bin,
    quantity: command.data.quantity_change,
    kind: "adjustment",
    source: `command/${row.id}`,
    movementId: deps.newId("movement"),
    at: isoNow(deps),
  } as const;
  return updateInventory(context, change, row.region, command.data.reason);
}

async function rejectCommand(deps: ServiceDeps, row: CommandRow, code: ErrorCode, reason: string): Promise<void> {
  const at = isoNow(deps);
  const sender = senderOf(row);
  await deps.commit({
    trace: traceOf(row),
    writes: [rejectCommandRow(row.id, at, code, reason)],
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

function reasonOf(code: ErrorCode, command: Command): string {
  if (command.type === "UpdateInventory" && code === "INSUFFICIENT_STOCK") {
    const { sku, quantity_change: change, location } = command.data;
    return `${location} has fewer than ${-change} of ${sku} that aren't reserved`;
  }
  return code;
}

function senderOf(row: CommandRow): Actor {
  const [kind, ...id] = row.sender.split(":");
  return { kind: kind === "device" ? "device" : "person", id: id.join(":") };
}

function traceOf(row: CommandRow): Trace {
  return { traceparent: row.traceparent, correlationId: row.id };
}
