/**
 * Devices and a manager who work against a Waybill that dies under them: what gets no answer is sent again under the same
 * key until it has one. Remembers all that was acknowledged.
 */
import { setTimeout as wait } from "node:timers/promises";
import { randomFrom, type Random } from "../../scripts/demo/random.ts";
import { apiOf, type Answer } from "../../scripts/demo-story/api.ts";

export interface Acknowledged {
  /** By id: what an accepted command would change. */
  readonly commands: Map<string, { readonly sku: string; readonly change: number }>;
  /** Accepted requests. */
  readonly requests: Set<string>;
  readonly counts: { decisions: number; retries: number };
}

const WAREHOUSES = ["warehouse-01", "warehouse-02", "warehouse-03"];
const TRUCKS = ["truck-001", "truck-002", "truck-003"];
const RETRY_MS = 100;
const PAUSE_MS = 30;
const FINAL = ["completed", "failed", "rejected", "cancelled", "expired"];
/** Few: so that they run out, and some are refused. None of them is asked for by requests. */
const COUNTED = ["BELT-004", "TANK-001", "TANK-002"];
const ASKED = ["PUMP-001", "WIPR-009", "LAMP-001", "HOSE-001", "THER-001"];

export function startLoad(url: string, seed: number) {
  const done: Acknowledged = { commands: new Map(), requests: new Set(), counts: { decisions: 0, retries: 0 } };
  const state = { over: false };
  let api = apiOf(url);

  /** Asks until there is an answer that isn't a fault of the server. */
  const ask = async <T>(
    subject: string,
    method: string,
    path: string,
    body?: unknown,
    key?: string,
  ): Promise<Answer<T>> => {
    for (;;) {
      try {
        const answer = await api.as<T>(subject, method, path, body, key);
        if (answer.status < 500 && answer.status !== 401) return answer;
      } catch {
        // No answer: whether it was heard, nobody knows.
      }
      done.counts.retries++;
      api = apiOf(url); // a token that couldn't be had is asked for anew
      await wait(RETRY_MS);
    }
  };
  const expectAccepted = ({ status, body }: Answer<unknown>, what: string): void => {
    if (status !== 202) throw new Error(`${what} was answered ${status}: ${JSON.stringify(body)}`);
  };

  const device = async (name: string, hand: number, random: Random): Promise<void> => {
    for (let n = 0; !state.over; n++) {
      const id = `cmd_kill_${name}_${hand}_${n}`;
      const sku = random.pick(COUNTED);
      const change = random.pick([-2, -1, 1, 2]);
      const data = { device_id: name, sku, quantity_change: change, location: "Bin-K-1" };
      expectAccepted(await ask(name, "POST", "/api/commands", { id, type: "UpdateInventory", data }, id), id);
      done.commands.set(id, { sku, change });
      await wait(random.int(0, PAUSE_MS));
    }
  };
  const truck = async (name: string, random: Random): Promise<void> => {
    for (let n = 0; !state.over; n++) {
      const number = `KILL-${name}-${n}`;
      const lines = random.sample(ASKED, random.int(1, 2)).map((sku) => ({ sku, quantity: random.int(1, 2) }));
      const file = { device_id: name, request_number: number, lines };
      const answer = await ask<{ request_id: string }>(name, "POST", "/api/uploads", file, number);
      expectAccepted(answer, number);
      done.requests.add(answer.body.request_id);
      await wait(random.int(PAUSE_MS * 10, PAUSE_MS * 50)); // each is a whole order
    }
  };
  interface Asked {
    readonly id: string;
    readonly payload_hash: string;
  }
  const decideAll = async (manager: string, random: Random): Promise<void> => {
    const asked = await ask<{ data: Asked[] }>(manager, "GET", "/api/approvals");
    for (const { id, payload_hash } of asked.body.data) {
      const decision = random.chance(0.9) ? "approve" : "reject";
      const ballot = { decision, payload_hash, reason: "load" };
      const { status, body } = await ask(manager, "POST", `/api/approvals/${id}/decision`, ballot, `ballot-${id}`);
      if (status !== 200 && status !== 409) throw new Error(`${id} was answered ${status}: ${JSON.stringify(body)}`);
      if (status === 200) done.counts.decisions++;
    }
  };
  const manager = async (random: Random): Promise<void> => {
    while (!state.over) {
      await decideAll("manager-north", random);
      await wait(PAUSE_MS * 5);
    }
  };

  const workers = Promise.all([
    ...[0, 1].flatMap((hand) => WAREHOUSES.map((name, at) => device(name, hand, randomFrom(seed + at * 3 + hand)))),
    ...TRUCKS.map((name, at) => truck(name, randomFrom(seed + 10 + at))),
    manager(randomFrom(seed + 20)),
  ]);
  workers.catch(() => (state.over = true));
  return {
    done,
    /** Ends the load once each has its last answer; the server must be up. */
    async stop(): Promise<void> {
      state.over = true;
      await workers;
    },
    /** Decides what still waits, and looks until every accepted request and command has ended and every event is done. */
    async settle(deadlineMs: number): Promise<void> {
      const random = randomFrom(seed + 30);
      const end = Date.now() + deadlineMs;
      const open = { requests: new Set(done.requests), commands: new Set(done.commands.keys()) };
      for (;;) {
        for (const one of ["manager-north", "manager-national"]) await decideAll(one, random);
        for (const id of open.requests) {
          const { body } = await ask<{ status: string }>("ops", "GET", `/api/requests/${id}`);
          if (FINAL.includes(body.status)) open.requests.delete(id);
        }
        for (const id of open.commands) {
          const { body } = await ask<{ state: string }>("ops", "GET", `/api/commands/${id}`);
          if (body.state === "applied" || body.state === "rejected") open.commands.delete(id);
        }
        const outbox = await ask<{ open: number }>("ops", "GET", "/api/outbox");
        if (open.requests.size + open.commands.size + outbox.body.open === 0) return;
        if (Date.now() > end) {
          const [request] = open.requests;
          const [command] = open.commands;
          const sizes = `${open.requests.size} requests (${request}), ${open.commands.size} commands (${command})`;
          throw new Error(`after ${deadlineMs} ms not ended: ${sizes}, ${outbox.body.open} events`);
        }
        await wait(RETRY_MS);
      }
    },
  };
}
