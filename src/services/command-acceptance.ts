/**
 * Accepts commands, one or hundreds, by REST, by socket or replayed by a device that was offline: checked each by itself,
 * kept in one batch. What was accepted before is answered as it stands now.
 */
import { DEVICE_CLOCK_AHEAD_MS } from "../config.ts";
import { acceptCommandRows, findCommands, type CommandRow, type NewCommand } from "../db/queries/commands.ts";
import { findLastNumber, findNumbered } from "../db/queries/device-line.ts";
import { bucketOf } from "../db/outbox-rows.ts";
import { AppError, refuse, type Refusal } from "../domain/errors.ts";
import type { Principal } from "../domain/identity.ts";
import type { Trace } from "../domain/trace.ts";
import { kindOf, type Command } from "./commands/kinds.ts";
import { knownOf, type Known } from "./commands/known.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

const MAX_TRIES = 5;

/** `replayed`: it had been accepted before. */
export type Accepted = { readonly ok: true; readonly row: CommandRow; readonly replayed: boolean } | Refusal;

export async function acceptCommand(
  deps: ServiceDeps,
  principal: Principal,
  command: Command,
  trace: Trace,
): Promise<Accepted> {
  const [accepted] = await acceptCommands(deps, principal, [command], trace);
  if (!accepted) throw new AppError("INTERNAL", "a command was not answered", { retryable: true });
  return accepted;
}

/** The answers in the order of the commands. A refused one keeps no other from being accepted. */
export async function acceptCommands(
  deps: ServiceDeps,
  principal: Principal,
  commands: readonly Command[],
  trace: Trace,
): Promise<Accepted[]> {
  const data = commands.filter(({ type }) => maySend(principal, type)).map((command) => command.data);
  const known = await knownOf(deps.db, data);
  const checked: Checked[] = [];
  for (const command of commands) checked.push(await check({ ...deps, known }, principal, command, trace));
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const before = await storedOf(deps, checked);
    const fresh = freshOf(checked, before);
    if (fresh.length > 0) {
      const committed = await deps.commit({ trace, writes: [acceptCommandRows(fresh)] });
      if (!committed.ok) continue; // someone else took an id or a number in between
      deps.kick([...new Set(fresh.map((row) => row.bucket))]);
    }
    const answers = { before, fresh: new Map(fresh.map((row) => [row.id, row])) };
    const last = await lastNumberOf(deps, checked, answers);
    return checked.map((one) => answerOf(one, answers, last));
  }
  throw new AppError("CONFLICT", "others accept the same commands at the same time", { retryable: true });
}

function maySend(principal: Principal, type: Command["type"]): boolean {
  return kindOf(type).senders.includes(principal.role);
}

/** A command's row, and why it may not be accepted now. */
interface Checked {
  readonly row: NewCommand;
  readonly refusal: Refusal | null;
}

async function check(
  deps: ServiceDeps & { readonly known: Known },
  principal: Principal,
  command: Command,
  trace: Trace,
): Promise<Checked> {
  const { type, data, device_sequence: deviceSequence, device_time: deviceTime, seen_version: seenVersion } = command;
  const scope = await scopeOf(deps, principal, command);
  const id = command.id ?? deps.newId("command");
  const row = {
    id,
    bucket: bucketOf(id),
    type,
    data: JSON.stringify(data),
    sender: `${principal.kind}:${principal.subject}`,
    region: scope.ok ? scope.region : "",
    traceparent: trace.traceparent,
    createdAt: isoNow(deps),
    deviceSequence: deviceSequence ?? null,
    deviceTime: deviceTime ?? null,
    seenVersion: seenVersion ?? null,
  };
  return { row, refusal: scope.ok ? null : scope };
}

async function scopeOf(
  deps: ServiceDeps & { readonly known: Known },
  principal: Principal,
  command: Command,
): Promise<{ readonly ok: true; readonly region: string } | Refusal> {
  const { type, data } = command;
  if (!maySend(principal, type)) return refuse("FORBIDDEN", `role ${principal.role} may not send ${type}`);
  return numberingRefusal(deps, principal, command) ?? kindOf(type).scope(deps, principal, data);
}

/** Only a device numbers, only its own commands, and with an id that it made; its clock may be wrong, within bounds. */
function numberingRefusal(deps: ServiceDeps, principal: Principal, command: Command): Refusal | null {
  const wrong = (pointer: string, detail: string) => refuse("VALIDATION", detail, { problems: [{ pointer, detail }] });
  const { id, device_sequence: sequence, device_time: time, seen_version: version } = command;
  if (sequence === undefined) {
    const alone = time === undefined ? (version === undefined ? null : "/seen_version") : "/device_time";
    return alone === null ? null : wrong(alone, "belongs to a device_sequence: leave it out, or number the command");
  }
  if (principal.kind !== "device") return refuse("FORBIDDEN", "only a device numbers its commands");
  if (id === undefined) return wrong("/id", "a numbered command has an id that the device made");
  if (time !== undefined && Date.parse(time) > deps.clock.now() + DEVICE_CLOCK_AHEAD_MS) {
    return wrong("/device_time", "lies too far in the future: set the device's clock");
  }
  return null;
}

interface Stored {
  readonly byId: ReadonlyMap<string, CommandRow>;
  readonly byNumber: ReadonlyMap<number, CommandRow>;
}

async function storedOf(deps: ServiceDeps, checked: readonly Checked[]): Promise<Stored> {
  const ids = checked.map(({ row }) => row.id);
  const numbers = checked.flatMap(({ row }) => row.deviceSequence ?? []);
  const sender = checked[0]?.row.sender ?? "";
  const [byId, byNumber] = await Promise.all([findCommands(deps.db, ids), findNumbered(deps.db, sender, numbers)]);
  return {
    byId: new Map(byId.map((row) => [row.id, row])),
    byNumber: new Map(byNumber.flatMap((row) => (row.deviceSequence === null ? [] : [[row.deviceSequence, row]]))),
  };
}

/** Those that are to be kept now: their id is new, and so is their number. */
function freshOf(checked: readonly Checked[], before: Stored): NewCommand[] {
  const ids = new Set(before.byId.keys());
  const numbers = new Set(before.byNumber.keys());
  return checked.flatMap(({ row, refusal }) => {
    if (refusal || ids.has(row.id) || (row.deviceSequence !== null && numbers.has(row.deviceSequence))) return [];
    ids.add(row.id);
    if (row.deviceSequence !== null) numbers.add(row.deviceSequence);
    return [row];
  });
}

interface Answers {
  readonly before: Stored;
  readonly fresh: ReadonlyMap<string, NewCommand>;
}

function answerOf({ row: wanted, refusal }: Checked, { before, fresh }: Answers, last: number): Accepted {
  const made = fresh.get(wanted.id);
  if (made === wanted) return { ok: true, row: acceptedRow(made), replayed: false };
  const known = before.byId.get(wanted.id) ?? (made ? acceptedRow(made) : undefined);
  const same = known && known.sender === wanted.sender && known.type === wanted.type && known.data === wanted.data;
  // What was accepted stays so, whatever has become of the part or place since.
  if (refusal && !same) return refusal;
  if (!known) {
    const reason = `device sequence ${wanted.deviceSequence ?? 0} was used for another command; go on with ${last + 1}`;
    return refuse("CONFLICT", reason, { facts: { next_device_sequence: last + 1 } });
  }
  if (!same) return refuse("KEY_REUSED", `the command id ${wanted.id} was used for another command; make a new id`);
  return { ok: true, row: known, replayed: true };
}

/** The device's highest number, where one of its numbers was refused; else nobody asks. */
async function lastNumberOf(deps: ServiceDeps, checked: readonly Checked[], answers: Answers): Promise<number> {
  const refused = checked.find(
    ({ row, refusal }) => !refusal && !answers.before.byId.has(row.id) && !answers.fresh.has(row.id),
  );
  return refused ? findLastNumber(deps.db, refused.row.sender) : 0;
}

function acceptedRow(row: NewCommand): CommandRow {
  const open = { state: "accepted", reason: null, result: null, leaseUntil: "", attempts: 0 } as const;
  return { ...row, ...open, finishedAt: null, approval: null, failure: null };
}
