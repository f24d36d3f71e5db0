/** Stock as the API shows it, and commands as devices send them. */
import { as, until, type Answer } from "./harness.ts";

export interface Level {
  readonly on_hand: number;
  readonly reserved: number;
  readonly version: number;
  readonly bins: Readonly<Record<string, number>>;
}

/** One place's level and bins; zero where nothing was ever kept. */
export async function levelOf(sku: string, location: string): Promise<Level> {
  const { body } = await as("ops", "GET", `/api/stock?sku=${sku}&location=${location}`);
  const [row] = body.data;
  if (!row) return { on_hand: 0, reserved: 0, version: 0, bins: {} };
  const bins = Object.fromEntries(row.bins.map((one: { bin: string; quantity: number }) => [one.bin, one.quantity]));
  return { on_hand: row.on_hand, reserved: row.reserved, version: row.version, bins };
}

export function updateInventory(device: string, sku: string, change: number, bin: string, id?: string) {
  const data = { device_id: device, sku, quantity_change: change, location: bin };
  return { ...(id === undefined ? {} : { id }), type: "UpdateInventory", data };
}

/** Sends a command and returns its Location; throws unless it was accepted. */
export async function accepted(subject: string, command: object): Promise<string> {
  const answer = await as(subject, "POST", "/api/commands", command);
  const location = answer.headers.get("location");
  if (answer.status !== 202 || location === null) throw new Error(`not accepted: ${JSON.stringify(answer.body)}`);
  return location;
}

/** The command once it is finished. */
export function finished(subject: string, location: string): Promise<Answer<any>["body"]> {
  return until(`${location} is finished`, async () => {
    const { body } = await as(subject, "GET", location);
    return body.state === "accepted" ? null : body;
  });
}

/** Sends a command and waits for its end. */
export async function sent(subject: string, command: object): Promise<Answer<any>["body"]> {
  return finished(subject, await accepted(subject, command));
}
