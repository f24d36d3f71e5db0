/** Runs `node scripts/start.ts` as its own process, as `npm start` does, and tells what it printed and how it ended. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The process is killed at the end of the test, should it still run. */
export function startWaybill(env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, ["scripts/start.ts"], { env: { ...process.env, ...env } });
  const printed = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => (printed.stdout += String(chunk)));
  child.stderr.on("data", (chunk) => (printed.stderr += String(chunk)));
  const ended = new Promise<Ended>((resolve) => {
    child.once("close", (code) => resolve({ code, ...printed }));
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return {
    ended,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    /** The lines up to now, from the one that says "ready" on. Fails if the process ends before it. */
    async ready(): Promise<string[]> {
      const over = ended.then((end) => Promise.reject(new Error(`ended with ${end.code}: ${end.stderr}`)));
      const seen = vi.waitFor(
        () => {
          if (!printed.stdout.includes("Waybill ready ")) throw new Error(`not ready yet: ${printed.stderr}`);
        },
        { timeout: 90_000, interval: 20 },
      );
      await Promise.race([seen, over]);
      const lines = printed.stdout.trimEnd().split("\n");
      return lines.slice(lines.findIndex((line) => line.startsWith("Waybill ready ")));
    },
  };
}

/** A folder of its own for the test, gone after it. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "waybill-start-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Something else that listens on a port. */
export async function takenPort(): Promise<{ port: number; close: () => Promise<void> }> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => new Promise<void>((resolve) => void server.close(() => resolve()));
  onTestFinished(close);
  return { port: (server.address() as AddressInfo).port, close };
}

export async function freePort(): Promise<number> {
  const { port, close } = await takenPort();
  await close();
  return port;
}

/** The status with which a path of that host answers on the port; rejects if nothing listens. */
export function statusOf(port: number, path: string, host = `127.0.0.1:${port}`): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, path, headers: { host }, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    sent.once("error", reject).end();
  });
}

/** What another host of the port answers, such as `graph.localhost`; a body is sent with PUT. */
export function askHost(port: number, host: string, path: string, body?: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { port, path, headers: { host: `${host}:${port}` }, agent: false };
    const sent = request({ ...options, method: body === undefined ? "GET" : "PUT" }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      answer.on("end", () => resolve(text));
    });
    sent.once("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}
