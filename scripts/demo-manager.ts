/**
 * A manager at work, for the demo: hears over the socket that an approval is asked, reads what it is about and approves
 * just that. Steps of other requests stay untouched.
 *
 *   node scripts/demo-manager.ts manager-north --url http://127.0.0.1:8787 --region north --request-number demo-1
 *
 * Prints lines like scripts/device.ts, and `decided` for each decision. Ends with 0 on SIGTERM or with its stdin; with 1
 * when its connection is closed: it plays in a story of seconds, so it doesn't come back.
 */
import { parseArgs } from "node:util";
import * as device from "../sdk/device/connection.ts";
import { apiOf, expectStatus } from "./demo-story/api.ts";

interface Approval {
  readonly id: string;
  readonly rule: string;
  readonly payload_hash: string;
  readonly request: { readonly request_id: string; readonly request_number: string };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { url: { type: "string" }, region: { type: "string" }, "request-number": { type: "string" } },
});
const [me] = positionals;
const { url: base, region, "request-number": requestNumber } = values;
if (!me || !base || !region || !requestNumber) {
  console.error("usage: node scripts/demo-manager.ts <manager> --url URL --region REGION --request-number NUMBER");
  process.exit(2);
}
const api = apiOf(base);
const topics = [`device:${me}`, `region:${region}`];
let state = device.deviceState({ deviceType: "person", client: "waybill-demo/0.1", topics }, null);

const address = new URL(`/ws?region=${encodeURIComponent(region)}`, base.replace(/^http/, "ws"));
const ws = new WebSocket(address, {
  protocols: [device.SUBPROTOCOL],
  headers: { Authorization: `Bearer ${await api.tokenOf(me)}` },
});
let stopping = false;
process.once("SIGTERM", stop);
process.once("SIGINT", stop);
process.stdin.once("end", stop).resume();

ws.addEventListener("open", () => {
  state = device.opened(state);
});
ws.addEventListener("error", () => print("error", { message: "the connection failed" }));
ws.addEventListener("close", ({ code, reason }) => {
  print("closed", { code, reason });
  process.exit(stopping ? 0 : 1);
});
// One message after the other, the decision included: an event is acknowledged when its work is done.
let work = Promise.resolve();
ws.addEventListener("message", ({ data }) => {
  work = work.then(() => carryOut(String(data))).catch(fail);
});

async function carryOut(text: string): Promise<void> {
  const answer = device.received(state, text);
  state = answer.state;
  for (const step of answer.steps) {
    if (step.do === "send") ws.send(step.text);
    else if (step.do === "handle") await handle(step.seq, step.event);
    else if (step.do === "skip") state = device.handled(state, step.seq, step.event.id);
    else if (step.do === "gap") state = device.placed(state, device.positionAt(state, step.to));
    else if (step.do === "heartbeat") setInterval(() => ws.send("ping"), step.everyMs);
    else if (step.do === "tell") print(String(step.frame["type"]), { ...step.frame });
    else if (step.do === "leave") ws.close(device.CLOSE_DRAINED, "drained");
    else ws.close(step.code, step.reason);
  }
}

async function handle(seq: number, event: device.CloudEvent): Promise<void> {
  print("event", { seq, id: event.id, type: event.type, subject: event.subject, event });
  const data = event.data as { readonly approver?: string; readonly step_id?: string };
  if (event.type === "ApprovalRequested" && data.approver === me) await decide(String(data.step_id));
  state = device.handled(state, seq, event.id);
}

/** Approves the step if it belongs to the demo's request and still waits. */
async function decide(stepId: string): Promise<void> {
  const { data } = await api.read<{ data: Approval[] }>(String(me), "/api/approvals");
  const asked = data.find(({ id, request }) => id === stepId && request.request_number === requestNumber);
  if (!asked) return;
  const path = `/api/approvals/${stepId}/decision`;
  const body = { decision: "approve", payload_hash: asked.payload_hash, reason: "needed on the road" };
  const decided = await api.as<{ state: string }>(String(me), "POST", path, body, stepId);
  const { state: outcome } = expectStatus(decided, 200, `POST ${path}`);
  const { rule, payload_hash, request } = asked;
  print("decided", { step_id: stepId, request_id: request.request_id, state: outcome, rule, payload_hash });
}

function stop(): void {
  stopping = true;
  ws.close(1000, "stopped");
}

function fail(error: unknown): void {
  print("error", { message: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
  ws.close(device.CLOSE_GAP_NOTICED, "not handled");
}

function print(frame: string, facts: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), device: me, frame, ...facts })}\n`);
}
