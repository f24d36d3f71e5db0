/**
 * The stand-in receiver of webhooks, `/{name}`: keeps every request that it got, whatever it answered, and counts each
 * `webhook-id` once, as a receiver should. It misbehaves as its switches say.
 */
import { DurableObject } from "cloudflare:workers";
import { z } from "zod";
import { invalid, json, methodNotAllowed, problem } from "./answers.ts";

const DELAY_MAX_MS = 60_000;
const HUGE_CHUNK_BYTES = 64 * 1024;
const HUGE_CHUNKS = 4_096; // 256 MiB, if anyone reads it

export const receiverSwitchesSchema = z.strictObject({
  /** How many of the next requests get `status`; those after them get 204. */
  fail_next: z.int().min(0).max(10_000).default(0),
  status: z.int().min(300).max(599).default(500),
  retry_after_s: z.int().min(0).max(86_400).default(0),
  /** Of a redirect. */
  location: z.string().max(500).default(""),
  /** Every answer comes this many ms late. */
  delay_ms: z.int().min(0).max(DELAY_MAX_MS).default(0),
  /** Every answer has 256 MiB. */
  huge: z.boolean().default(false),
});

export type ReceiverSwitches = z.output<typeof receiverSwitchesSchema>;

const WELL_BEHAVED: ReceiverSwitches = receiverSwitchesSchema.parse({});

export interface ReceivedWebhook {
  readonly id: string;
  readonly timestamp: string;
  readonly signature: string;
  readonly body: string;
  readonly answered: number;
}

export class WebhookReceiver extends DurableObject<object> {
  constructor(ctx: DurableObjectState, env: object) {
    super(ctx, env);
    this.ctx.storage.sql.exec(`CREATE TABLE IF NOT EXISTS received (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, timestamp TEXT NOT NULL, signature TEXT NOT NULL,
      body TEXT NOT NULL, answered INTEGER NOT NULL)`);
  }

  switches(): ReceiverSwitches {
    return { ...WELL_BEHAVED, ...this.ctx.storage.kv.get<ReceiverSwitches>("switches") };
  }

  setSwitches(switches: ReceiverSwitches): void {
    this.ctx.storage.kv.put("switches", switches);
  }

  /** Keeps the request and says how to answer it. */
  receive(request: Omit<ReceivedWebhook, "answered">): ReceiverSwitches & { readonly answer: number } {
    const switches = this.switches();
    const answer = switches.fail_next > 0 ? switches.status : 204;
    if (switches.fail_next > 0) this.setSwitches({ ...switches, fail_next: switches.fail_next - 1 });
    this.ctx.storage.sql.exec(
      "INSERT INTO received (id, timestamp, signature, body, answered) VALUES (?, ?, ?, ?, ?)",
      request.id,
      request.timestamp,
      request.signature,
      request.body,
      answer,
    );
    return { ...switches, answer };
  }

  /** Every request, oldest first, and how many different ids were taken. */
  received(): { readonly requests: ReceivedWebhook[]; readonly taken: number } {
    const requests = this.ctx.storage.sql
      .exec<Record<string, SqlStorageValue> & ReceivedWebhook>(
        "SELECT id, timestamp, signature, body, answered FROM received ORDER BY seq",
      )
      .toArray();
    return { requests, taken: new Set(requests.filter((one) => one.answered < 300).map((one) => one.id)).size };
  }
}

/** `POST /{name}` receives; `GET /{name}/received` and `PUT /{name}/switches` are for whoever watches it. */
export async function answerWebhook(
  request: Request,
  path: string,
  receiver: DurableObjectStub<WebhookReceiver>,
): Promise<Response> {
  switch (path) {
    case "":
      return request.method === "POST" ? receive(request, receiver) : methodNotAllowed("POST");
    case "received":
      return request.method === "GET" ? json(200, await receiver.received()) : methodNotAllowed("GET");
    case "switches": {
      if (request.method !== "PUT") return methodNotAllowed("PUT");
      const parsed = receiverSwitchesSchema.safeParse(await request.json());
      if (!parsed.success) return invalid(parsed.error);
      await receiver.setSwitches(parsed.data);
      return json(200, parsed.data);
    }
    default:
      return problem(404, "Not found", "There is nothing at this address.");
  }
}

async function receive(request: Request, receiver: DurableObjectStub<WebhookReceiver>): Promise<Response> {
  const header = (name: string) => request.headers.get(name) ?? "";
  const how = await receiver.receive({
    id: header("webhook-id"),
    timestamp: header("webhook-timestamp"),
    signature: header("webhook-signature"),
    body: await request.text(),
  });
  if (how.delay_ms > 0) await scheduler.wait(how.delay_ms);
  const headers: Record<string, string> = {
    ...(how.retry_after_s > 0 && how.answer >= 400 ? { "retry-after": String(how.retry_after_s) } : {}),
    ...(how.location !== "" && how.answer < 400 ? { location: how.location } : {}),
  };
  if (how.huge) return new Response(hugeBody(), { status: how.answer === 204 ? 200 : how.answer, headers });
  return new Response(null, { status: how.answer, headers });
}

function hugeBody(): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      if (sent++ === HUGE_CHUNKS) controller.close();
      else controller.enqueue(new Uint8Array(HUGE_CHUNK_BYTES));
    },
  });
}
