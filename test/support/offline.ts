/** A device that was offline, as a test plays it: numbered commands, replayed in one call, and what became of each. */
import { as, env, quiet, until, type Answer } from "./harness.ts";
import { deliverMessages, holdRelayPoll, runRelayAlarm } from "./relay.ts";
import { updateInventory } from "./stock.ts";
import { aroundQueue } from "./bindings.ts";
import { moveClock, wrapBindings } from "./world.ts";

export interface Numbered {
  readonly id: string;
  readonly type: string;
  readonly data: object;
  readonly device_sequence: number;
  readonly device_time?: string;
  readonly seen_version?: number;
}

interface Scanned {
  readonly device: string;
  readonly sku: string;
  readonly change: number;
  readonly bin: string;
  readonly sequence: number;
  readonly id?: string;
  readonly seen?: number;
}

/** One scan of a device that was offline: pieces put or taken. */
export function scanned({ device, sku, change, bin, sequence, id, seen }: Scanned): Numbered {
  const command = updateInventory(device, sku, change, bin, id ?? `scan-${device}-${sequence}`);
  const { id: made = "", ...rest } = command;
  return { id: made, ...rest, device_sequence: sequence, ...(seen === undefined ? {} : { seen_version: seen }) };
}

export function replay(device: string, commands: readonly unknown[]): Promise<Answer<any>> {
  return as(device, "POST", "/api/commands/replay", { commands });
}

/** How each stands once none is on its way any more. */
export function replayed(device: string, commands: readonly unknown[]): Promise<Answer<any>["body"]["data"]> {
  return until(`all of ${device}'s commands have an answer`, async () => {
    const { status, body } = await replay(device, commands);
    if (status !== 200) throw new Error(`not replayed: ${JSON.stringify(body)}`);
    return body.data.some((one: { status: string }) => one.status === "accepted") ? null : body.data;
  });
}

/** Takes the `commands` queue out of the platform's hands: what is sent waits until the test delivers it. */
export async function holdCommands() {
  await holdRelayPoll();
  const held: string[] = [];
  wrapBindings({
    COMMANDS_QUEUE: (real) =>
      aroundQueue(real, async (_send, bodies) => {
        held.push(...bodies.map((body) => (body as { command_id: string }).command_id));
      }),
  });
  return {
    held,
    /** Delivers these as one batch, in this order. */
    deliver: (ids: readonly string[]) =>
      deliverMessages(
        "commands",
        ids.map((command_id) => ({ command_id })),
      ),
    release: () => wrapBindings({}),
  };
}

/** No command is on its way any more; what waits for a number that never comes has waited long enough. */
export async function settledCommands(): Promise<void> {
  wrapBindings({});
  const open =
    "SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE lease_until <> '') AS held FROM commands WHERE state = 'accepted'";
  await until(
    "every command has ended",
    async () => {
      const row = await env.DB.prepare(open).first<{ n: number; held: number }>();
      if (row?.held) moveClock(5_000);
      if (row?.n) await runRelayAlarm();
      return row?.n === 0;
    },
    60_000,
  );
  await quiet();
}

/** The device's commands by number, with their state and when they ended. */
export async function lineOf(device: string) {
  const { results } = await env.DB.prepare(
    `SELECT id, device_sequence, state, finished_at, lease_until FROM commands
     WHERE sender = ? AND device_sequence IS NOT NULL ORDER BY device_sequence`,
  )
    .bind(`device:${device}`)
    .all<{ id: string; device_sequence: number; state: string; finished_at: string | null; lease_until: string }>();
  return results;
}

/** The ids of the commands in the order in which their movements were written. */
export async function orderOfMovements(prefix: string): Promise<string[]> {
  const { results } = await env.DB.prepare("SELECT source FROM stock_movements WHERE source LIKE ? ORDER BY id")
    .bind(`command/${prefix}%`)
    .all<{ source: string }>();
  return results.map(({ source }) => source.slice("command/".length));
}
