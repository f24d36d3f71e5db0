/**
 * A simulated truck or warehouse: connects, resumes, acknowledges, and prints a JSON line for each thing that happens.
 *
 *   node scripts/device.ts truck-001 --url http://127.0.0.1:8787 [--topics sku:A,request:B] [--credit 64]
 *                                    [--resume-file .waybill/truck-001.json] [--tasks]
 *
 * With `--tasks` it also does what stdin says (device-tasks.ts), and ends with its stdin.
 * Lines are `{"at", "device", "frame", …}` with frame welcome | event | gap | topics | result | drain | answer | closed |
 * error.
 * Ends with 0 on SIGINT or SIGTERM, with 1 after a final close code. Node 24 (its WebSocket takes headers).
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import * as device from "../sdk/device/connection.ts";
import { takeTasks } from "./device-tasks.ts";

const CLIENT = "waybill-device/0.1";
const CONNECT_TIMEOUT_MS = 15_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    url: { type: "string", default: "http://127.0.0.1:8787" },
    topics: { type: "string" },
    credit: { type: "string" },
    "resume-file": { type: "string" },
    tasks: { type: "boolean", default: false },
  },
});
const [deviceId] = positionals;
if (!deviceId) {
  console.error(
    "usage: node scripts/device.ts <device> [--url URL] [--topics T,…] [--credit N] [--resume-file PATH] [--tasks]",
  );
  process.exit(2);
}
const base = values.url;
const resumeFile = values["resume-file"];

let socket: WebSocket | undefined;
let stopping = false;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, stop);
}

let token = await tokenUntilItWorks();
if (values.tasks) takeTasks({ base, token: () => token, print, stop });
let state = device.deviceState(
  {
    deviceType: deviceTypeOf(token),
    client: CLIENT,
    ...(values.topics ? { topics: values.topics.split(",") } : {}),
    ...(values.credit ? { credit: Number(values.credit) } : {}),
  },
  storedPosition(),
);

for (;;) {
  const { code, reason, openMs } = await connectOnce();
  const after = device.closed(state, code, openMs);
  state = after.state;
  print("closed", { code, reason, next: stopping ? "stop" : after.next.do });
  if (stopping) process.exit(0);
  if (after.next.do === "stop") process.exit(1);
  await wait(device.reconnectDelayMs(after.next.attempt, Math.random()));
  // A refused upgrade shows no status to a WebSocket client; a token lives 15 minutes, so each connection gets its own.
  token = await tokenUntilItWorks();
  if (after.next.snapshot) await takeSnapshot();
}

/** One connection from open to close. Messages are worked off one after the other, the application's work included. */
function connectOnce(): Promise<{ code: number; reason: string; openMs: number }> {
  return new Promise((resolve) => {
    const url = new URL("/ws", base.replace(/^http/, "ws"));
    const ws = new WebSocket(url, { protocols: [device.SUBPROTOCOL], headers: { Authorization: `Bearer ${token}` } });
    socket = ws;
    let openedAt = Date.now();
    let heartbeat: ReturnType<typeof setInterval> | undefined;
    let lastSign = Date.now();
    let work = Promise.resolve();
    let isDone = false;

    const finish = (code: number, reason: string) => {
      if (isDone) return;
      isDone = true;
      clearInterval(heartbeat);
      clearTimeout(connecting);
      socket = undefined;
      resolve({ code, reason, openMs: ws.readyState === WebSocket.CONNECTING ? 0 : Date.now() - openedAt });
    };
    const connecting = setTimeout(() => {
      finish(1006, "no answer");
      ws.close();
    }, CONNECT_TIMEOUT_MS);

    ws.addEventListener("open", () => {
      clearTimeout(connecting);
      openedAt = lastSign = Date.now();
      state = device.opened(state);
    });
    ws.addEventListener("close", (event) => void work.then(() => finish(event.code, event.reason)));
    ws.addEventListener("error", () => finish(1006, "the connection failed"));
    ws.addEventListener("message", (message) => {
      lastSign = Date.now();
      const text = String(message.data);
      work = work.then(() => {
        if (isDone || ws.readyState !== WebSocket.OPEN) return;
        try {
          carryOut(text);
        } catch (error) {
          print("error", { message: error instanceof Error ? error.message : String(error) });
          ws.close(device.CLOSE_GAP_NOTICED, "not handled");
        }
      });
    });

    function carryOut(text: string): void {
      const answer = device.received(state, text);
      state = answer.state;
      if (text.startsWith('{"type":"welcome"')) printFrame("welcome", JSON.parse(text) as Record<string, unknown>);
      for (const step of answer.steps) {
        if (step.do === "send") {
          store(); // the position is safe before the hub forgets what led to it
          ws.send(step.text);
        } else if (step.do === "handle" || step.do === "skip") {
          if (step.do === "handle") {
            const { id, type, subject } = step.event;
            print("event", { seq: step.seq, id, type, subject, event: step.event });
          }
          state = device.handled(state, step.seq, step.event.id);
        } else if (step.do === "gap") {
          print("gap", { from: step.from, to: step.to });
          place(device.positionAt(state, step.to));
        } else if (step.do === "heartbeat") {
          heartbeat = setInterval(() => {
            if (Date.now() - lastSign > 2 * step.everyMs) finish(4012, "no pong");
            if (isDone) ws.close();
            else ws.send("ping");
          }, step.everyMs);
        } else if (step.do === "leave") {
          print("drain", { after_ms: step.afterMs, jitter_ms: step.jitterMs });
          setTimeout(() => ws.close(device.CLOSE_DRAINED, "drained"), step.afterMs + Math.random() * step.jitterMs);
        } else if (step.do === "tell") printFrame(String(step.frame["type"]), step.frame);
        else ws.close(step.code, step.reason);
      }
    }
  });
}

async function tokenUntilItWorks(): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      const response = await fetch(new URL("/dev/token", base), {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ subject: deviceId }),
        signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS),
      });
      if (response.ok) return ((await response.json()) as { access_token: string }).access_token;
      const answer = (await response.text()).slice(0, 300);
      print("error", { message: `POST /dev/token answered ${response.status}: ${answer}` });
      if (response.status < 500 && response.status !== 429) process.exit(1);
    } catch (error) {
      print("error", { message: `POST /dev/token: ${error instanceof Error ? error.message : String(error)}` });
    }
    await wait(device.reconnectDelayMs(attempt, Math.random()));
  }
}

/** Takes the snapshot's position. Without that route the hub's own record counts; after a failure the next try asks. */
async function takeSnapshot(): Promise<void> {
  try {
    const response = await fetch(new URL("/api/snapshot", base), {
      headers: { Authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS),
    });
    if (response.ok) {
      const { epoch, seq } = (await response.json()) as device.Position;
      place({ epoch, seq });
    } else {
      print("error", { message: `GET /api/snapshot answered ${response.status}` });
      if (response.status === 404) place(null);
    }
  } catch (error) {
    print("error", { message: `GET /api/snapshot: ${error instanceof Error ? error.message : String(error)}` });
  }
}

function deviceTypeOf(jwt: string): "truck" | "warehouse" | "person" {
  const claims = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()) as { device_type: "truck" };
  return claims.device_type;
}

function place(position: device.Position | null): void {
  state = device.placed(state, position);
  store();
}

function storedPosition(): device.Position | null {
  if (!resumeFile || !existsSync(resumeFile)) return null;
  return JSON.parse(readFileSync(resumeFile, "utf8")) as device.Position | null;
}

/** Written beside and renamed, so that a kill leaves the old position or the new one. */
function store(): void {
  if (!resumeFile) return;
  writeFileSync(`${resumeFile}.new`, JSON.stringify(state.position));
  renameSync(`${resumeFile}.new`, resumeFile);
}

function stop(): void {
  stopping = true;
  if (socket) socket.close(1000, "stopped");
  else process.exit(0);
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function printFrame(name: string, { type: _type, ...facts }: Readonly<Record<string, unknown>>): void {
  print(name, facts);
}

function print(frame: string, facts: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), device: deviceId, frame, ...facts })}\n`);
}
