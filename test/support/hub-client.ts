/** A client of the hub for tests in workerd: it keeps what it gets and waits for conditions, never for time. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import type { HubIdentity } from "../../src/domain/hub/routing.ts";
import type { DeviceHub } from "../../src/durable-objects/device-hub.ts";

export type Stub = DurableObjectStub<DeviceHub>;
export interface Frame {
  type: string;
  epoch: string;
  seq: number;
  prev: number;
  resume: string;
  batch: { seq: number; event: { id: string } }[];
  [field: string]: unknown;
}

let names = 0;
/** A hub of its own for each test. */
export function newHub(): Stub {
  return env.HUB.get(env.HUB.idFromName(`hub:north:${names++}`));
}

export class Client {
  readonly frames: Frame[] = [];
  readonly texts: string[] = [];
  closed: { code: number; reason: string } | undefined;
  readonly ws: WebSocket;

  constructor(ws: WebSocket) {
    this.ws = ws;
    ws.accept();
    ws.addEventListener("message", ({ data }) => {
      if (String(data).startsWith("{")) this.frames.push(JSON.parse(String(data)) as Frame);
      else this.texts.push(String(data));
    });
    ws.addEventListener("close", ({ code, reason }) => {
      this.closed = { code, reason };
    });
  }

  send(frame: object): void {
    this.ws.send(JSON.stringify(frame));
  }

  hello(more: object = {}): void {
    this.send({ type: "hello", device_type: "truck", client: "test/1", version: 1, ...more });
  }

  of(type: string): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  events(): { seq: number; event: { id: string } }[] {
    return this.of("events").flatMap((frame) => frame.batch);
  }

  ids(): string[] {
    return this.events().map((item) => item.event.id);
  }

  until<T>(condition: () => T | undefined | false): Promise<T> {
    return vi.waitFor(
      () => {
        const value = condition();
        if (!value) throw new Error(`not yet: ${JSON.stringify([this.closed, this.frames]).slice(0, 2_000)}`);
        return value;
      },
      { timeout: 5_000, interval: 5 },
    );
  }

  closes(): Promise<number> {
    return this.until(() => this.closed?.code);
  }

  /** Everything that was sent before has been worked off when the answer is here. */
  async settled(): Promise<void> {
    const before = this.of("topics").length;
    this.send({ type: "subscribe", topics: [] });
    await this.until(() => this.of("topics").length > before);
  }
}

export async function connect(hub: Stub, device = "truck-001", identity: Partial<HubIdentity> = {}): Promise<Client> {
  const whole = { device_type: "truck", region: "north", role: "device", credential_version: 1, ...identity };
  const response = await hub.fetch("http://hub/ws", {
    headers: {
      Upgrade: "websocket",
      "Sec-WebSocket-Protocol": "waybill.v1",
      "x-waybill-identity": JSON.stringify({ device_id: device, ...whole }),
    },
  });
  if (!response.webSocket) throw new Error(`no socket: ${response.status} ${await response.text()}`);
  const client = new Client(response.webSocket);
  await client.until(() => client.of("welcome").length === 1);
  return client;
}

export async function live(hub: Stub, device?: string, more: object = {}): Promise<Client> {
  const client = await connect(hub, device);
  client.hello(more);
  await client.settled();
  return client;
}

export function event(id: string, topics: readonly string[] = ["all", "region:north"], pad = 0) {
  return { event_id: id, topics, event: JSON.stringify({ id, type: "StatusChanged", data: { pad: "x".repeat(pad) } }) };
}

export const batch = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => event(`evt_${from + i}`));

/** Moves the hub's clock by so many ms; the object forgets it when it is evicted. */
export async function moveClock(hub: Stub, ms: number): Promise<void> {
  await runInDurableObject(hub, (instance) => {
    const open = instance as unknown as { env: object };
    const clock = { now: () => Date.now() + ms, after: () => Promise.reject(new Error("the hub must not wait")) };
    open.env = { ...open.env, CLOCK: clock };
  });
}
