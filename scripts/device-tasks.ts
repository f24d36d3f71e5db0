/**
 * What a simulated device can be told to do, one JSON line each: `{"do": "upload", "file": "parts.csv",
 * "request_number": "R-1"}` or `{"do": "command", "type": "UpdateInventory", "data": {…}}`. Each is sent by HTTP with an
 * idempotency key and answered by one printed line `answer`.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { createInterface } from "node:readline";

const CALL_MS = 30_000;
const TYPES: Readonly<Record<string, string>> = { ".csv": "text/csv", ".json": "application/json" };

type Task =
  | { readonly do: "upload"; readonly file: string; readonly request_number?: string }
  | { readonly do: "command"; readonly type: string; readonly data: unknown };

export interface TaskTaker {
  readonly base: string;
  /** The token of now: it changes with each connection. */
  readonly token: () => string;
  readonly print: (frame: string, facts: Readonly<Record<string, unknown>>) => void;
  /** stdin has ended: whoever started the device is gone. */
  readonly stop: () => void;
}

/** Works off the lines of stdin, one after the other. A task that fails is printed as `error`; the next one goes on. */
export function takeTasks({ base, token, print, stop }: TaskTaker): void {
  let work = Promise.resolve();
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      work = work
        .then(() => perform(line))
        .catch((error: unknown) => {
          print("error", { message: `task ${line}: ${error instanceof Error ? error.message : String(error)}` });
        });
    })
    .once("close", stop);

  async function perform(line: string): Promise<void> {
    const task = JSON.parse(line) as Task;
    const { path, type, body } = callOf(task);
    const sentAt = new Date().toISOString();
    const answer = await fetch(new URL(path, base), {
      method: "POST",
      headers: { Authorization: `Bearer ${token()}`, "Content-Type": type, "Idempotency-Key": randomUUID() },
      body,
      signal: AbortSignal.timeout(CALL_MS),
    });
    const text = await answer.text();
    const isJson = /\bjson\b/.test(answer.headers.get("content-type") ?? "");
    print("answer", { task: task.do, status: answer.status, sent_at: sentAt, body: isJson ? JSON.parse(text) : text });
  }
}

function callOf(task: Task): { path: string; type: string; body: string | Uint8Array<ArrayBuffer> } {
  if (task.do === "command") {
    const body = JSON.stringify({ type: task.type, data: task.data });
    return { path: "/api/commands", type: "application/json", body };
  }
  const query = task.request_number ? `?request_number=${encodeURIComponent(task.request_number)}` : "";
  const type = TYPES[extname(task.file)] ?? "text/plain";
  return { path: `/api/uploads${query}`, type, body: new Uint8Array(readFileSync(task.file)) };
}
