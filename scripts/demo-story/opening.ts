/** First part of the story: five processes connect, and the warehouse counts in new stock that everyone hears of. */
import { expectStatus } from "./api.ts";
import { answerTo, eventOf, frameOf, lastOf, sameEvent } from "./cast.ts";
import { DEVICES, ensure, MANAGERS, REGION, until, type ActorId, type Stage } from "./stage.ts";

/** The seed's own command. */
const COUNTED_IN = { device_id: "warehouse-03", sku: "PUMP-001", quantity_change: 50, location: "Bin-A-12" } as const;

interface Command {
  readonly id: string;
  readonly state: string;
  readonly reason: string | null;
  readonly result: { readonly on_hand: number; readonly location: string; readonly bin: string } | null;
  readonly created_at: string;
  readonly finished_at: string | null;
}

export async function connectEveryone(stage: Stage): Promise<void> {
  await stage.check("three devices and two managers connect, each in its own process", async () => {
    for (const id of DEVICES) stage.enter(id, "device.ts", ["--tasks", "--topics", topicsOf(id).join(",")]);
    for (const id of MANAGERS) {
      stage.enter(id, "demo-manager.ts", ["--region", REGION, "--request-number", stage.requestNumber]);
    }
    await Promise.all([...DEVICES, ...MANAGERS].map((id) => connected(stage, id)));
  });

  await stage.check("GET /api/devices/connected as ops shows all five", async () => {
    const types = { truck: "truck", warehouse: "warehouse", manager: "person" } as const;
    const seen = await stage.api.read<Record<string, { device_type: string; region: string }>>(
      "ops",
      "/api/devices/connected",
    );
    for (const id of [...DEVICES, ...MANAGERS]) {
      const type = types[id.split("-")[0] as keyof typeof types];
      const { device_type, region } = seen[id] ?? {};
      ensure(seen[id] !== undefined, `${id} isn't among ${Object.keys(seen).join(", ") || "nobody"}`);
      ensure(device_type === type && region === REGION, `${id} is shown as ${device_type} in ${region}`);
    }
  });
}

export async function countInStock(stage: Stage): Promise<void> {
  const accepted = await stage.check(
    "warehouse-03 sends UpdateInventory (PUMP-001 +50), answered with 202",
    async () => {
      const warehouse = stage.actor("warehouse-03");
      warehouse.tell({ do: "command", type: "UpdateInventory", data: COUNTED_IN });
      const answer = await warehouse.hears("answer to its command", answerTo<Command>("command"));
      const command = expectStatus(answer, 202, "POST /api/commands");
      stage.rows.push({ at: answer.sent_at, who: warehouse.id, what: "UpdateInventory PUMP-001 +50", why: command.id });
      return command;
    },
  );

  const { result, finished_at } = await stage.check("the command is applied (GET /api/commands/{id})", async () => {
    const command = await until(
      () => stage.api.read<Command>("warehouse-03", `/api/commands/${accepted.id}`),
      ({ state }) => ["applied", "rejected", "dead"].includes(state),
      ({ state }) => `the command is still ${state}`,
    );
    ensure(command.state === "applied", `the command is ${command.state}: ${command.reason}`);
    ensure(command.result !== null && command.finished_at !== null, "it is applied, but has no result");
    return { result: command.result, finished_at: command.finished_at };
  });
  const place = `${result.location}/${result.bin}`;
  stage.rows.push({ at: finished_at, who: "app", what: "command applied", why: `${place} holds ${result.on_hand}` });

  await stage.check("InventoryUpdated reaches all three devices, the same event each", async () => {
    const isOurs = eventOf("InventoryUpdated", (data, event) => {
      const { sku, location, bin, quantity_change: change } = data;
      const isPlace = sku === COUNTED_IN.sku && location === result.location && bin === COUNTED_IN.location;
      return isPlace && change === COUNTED_IN.quantity_change && event.time >= accepted.created_at;
    });
    const heard = await Promise.all(
      DEVICES.map((id) => stage.actor(id).hears("InventoryUpdated of its region", isOurs)),
    );
    const id = sameEvent(heard);
    const onHand = heard[0]?.event.data["on_hand"];
    ensure(onHand === result.on_hand, `the event says ${String(onHand)} on hand, the command ${result.on_hand}`);
    stage.rows.push({ at: lastOf(heard), who: "3 devices", what: "hear InventoryUpdated", why: `event ${id}` });
  });
}

/** What a device has by default. Named, because the hub then answers `topics`: from there on it misses nothing. */
function topicsOf(id: ActorId): string[] {
  return [`device:${id}`, `region:${REGION}`];
}

async function connected(stage: Stage, id: ActorId): Promise<void> {
  const { granted } = await stage.actor(id).hears("answer to its hello", frameOf("topics"));
  const missing = topicsOf(id).filter((topic) => !(granted as string[]).includes(topic));
  ensure(missing.length === 0, `${id} was refused ${missing.join(", ")}`);
}
