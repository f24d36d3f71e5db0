import { globSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as wait } from "node:timers/promises";
import { it, vi } from "vitest";
import { randomFrom } from "../../scripts/demo/random.ts";
import { violations } from "../support/invariants.ts";
import { isFull, proved, seed, sizeOf } from "../support/proof.ts";
import { d1Over } from "../support/sqlite-d1.ts";
import { startLoad, type Acknowledged } from "./kill-load.ts";
import { processesWith } from "./processes.ts";
import { freePort, startWaybill, temporaryFolder } from "./start-process.ts";

const KILLS = sizeOf(3, 30);
const SETTLE_MS = 180_000;
const AT_WORK = { timeout: 120_000, interval: 5 };
const GONE = { timeout: 10_000, interval: 20 };

/** The app's database file; the runtime must have stopped. */
function databaseOf(state: string): DatabaseSync {
  for (const file of globSync(join(state, "v3/d1/**/*.sqlite"))) {
    const db = new DatabaseSync(file, { readOnly: true });
    if (db.prepare("SELECT name FROM sqlite_schema WHERE name = 'stock_levels'").get()) return db;
    db.close();
  }
  throw new Error(`no database in ${state}`);
}

/** What was acknowledged and isn't in the database as it should be: a final state, and its effect once. */
function lost(db: DatabaseSync, done: Acknowledged): string[] {
  const command = db.prepare(`SELECT c.state, COUNT(m.id) AS effects, SUM(m.quantity) AS moved
    FROM commands c LEFT JOIN stock_movements m ON m.source = 'command/' || c.id WHERE c.id = ? GROUP BY c.id`);
  const request = db.prepare(`SELECT r.status, COUNT(a.id) AS answers
    FROM requests r LEFT JOIN responses a ON a.request_id = r.id WHERE r.id = ? GROUP BY r.id`);
  const commands = [...done.commands].flatMap(([id, { change }]) => {
    const row = command.get(id);
    const applied = row?.["state"] === "applied" && row["effects"] === 1 && row["moved"] === change;
    const rejected = row?.["state"] === "rejected" && row["effects"] === 0;
    return applied || rejected ? [] : [`${id}: ${JSON.stringify(row)}`];
  });
  const requests = [...done.requests].flatMap((id) => {
    const row = request.get(id);
    return row?.["answers"] === 1 ? [] : [`${id}: ${JSON.stringify(row)}`];
  });
  return [...commands, ...requests];
}

it.runIf(process.platform === "linux")(
  "the whole runtime is killed under load again and again, and takes up all that it had accepted: nothing is lost or done twice",
  { timeout: isFull ? 1_800_000 : 300_000 },
  async ({ expect }) => {
    const random = randomFrom(seed);
    const port = await freePort();
    const env = { PORT: String(port), WAYBILL_STATE: temporaryFolder() };
    const mark = `WAYBILL_STATE=${env.WAYBILL_STATE}`;
    const began = performance.now();
    const load = startLoad(`http://127.0.0.1:${port}`, seed);
    let early = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const victim = startWaybill(env);
      if (random.chance(0.2)) {
        early++; // while it starts
        await wait(random.int(300, 3_000));
      } else {
        await victim.ready();
        const enough = load.done.commands.size + random.int(2, 15);
        await vi.waitFor(() => expect(load.done.commands.size).toBeGreaterThan(enough), AT_WORK);
        await wait(random.int(0, 500));
      }
      victim.kill("SIGKILL"); // its platform dies with it, by SIGKILL too
      expect((await victim.ended).code).toBeNull();
      await vi.waitFor(() => expect(processesWith(mark)).toEqual([]), GONE);
    }
    const last = startWaybill(env);
    await last.ready();
    // On a slow machine few requests were accepted so far: a load that proves anything has more of them than kills.
    await vi.waitFor(() => expect(load.done.requests.size).toBeGreaterThan(KILLS), AT_WORK);
    await load.stop();
    const stopped = performance.now();
    await load.settle(SETTLE_MS);
    expect(processesWith(mark).length).toBeGreaterThan(1);
    last.kill("SIGTERM");
    expect((await last.ended).code).toBe(0);
    await vi.waitFor(() => expect(processesWith(mark)).toEqual([]), GONE);

    const db = databaseOf(env.WAYBILL_STATE);
    expect(lost(db, load.done)).toEqual([]);
    expect(await violations(d1Over(db))).toEqual([]);
    const applied = db.prepare("SELECT COUNT(*) AS n FROM commands WHERE state = 'applied'").get()?.["n"];
    const ended = db.prepare("SELECT status, COUNT(*) AS n FROM requests GROUP BY 1").all();
    db.close();
    proved("SIGKILL of the whole runtime", {
      kills: KILLS,
      while_starting: early,
      commands: load.done.commands.size,
      applied: Number(applied),
      requests: load.done.requests.size,
      ended: ended.map(({ status, n }) => `${String(status)}:${String(n)}`).join(","),
      decisions: load.done.counts.decisions,
      retries: load.done.counts.retries,
      lost: 0,
      settle_s: (performance.now() - stopped) / 1000,
      seconds: (performance.now() - began) / 1000,
    });
  },
);
