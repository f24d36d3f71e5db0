import { spawn } from "node:child_process";
import { onTestFinished, it, vi } from "vitest";
import { apiOf } from "../../scripts/demo-story/api.ts";
import { type Ended, freePort, startWaybill, temporaryFolder } from "./start-process.ts";

const SOON = { timeout: 20_000, interval: 50 };

async function runningWaybill(settings: Readonly<Record<string, string>> = {}): Promise<string> {
  const port = await freePort();
  await startWaybill({ PORT: String(port), WAYBILL_STATE: temporaryFolder(), ...settings }).ready();
  return `http://127.0.0.1:${port}`;
}

/** Runs `node scripts/demo.ts`, as `npm run demo` does. */
function startDemo(url: string) {
  const env = { ...process.env, WAYBILL_URL: url, TMPDIR: temporaryFolder() }; // a killed one can't clean up
  const child = spawn(process.execPath, ["scripts/demo.ts"], { env });
  const printed = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => (printed.stdout += String(chunk)));
  child.stderr.on("data", (chunk) => (printed.stderr += String(chunk)));
  onTestFinished(() => void child.kill("SIGKILL"));
  const ended = new Promise<Ended>((resolve) => child.once("close", (code) => resolve({ code, ...printed })));
  return { child, printed, ended };
}

function connectedTo(url: string): Promise<Record<string, unknown>> {
  return apiOf(url).read("ops", "/api/devices/connected");
}

it("the demo passes twice on the same state, prints who decided by which rule, and leaves nobody connected", async ({
  expect,
}) => {
  const url = await runningWaybill();
  for (const _ of ["first", "second"]) {
    const { code, stdout, stderr } = await startDemo(url).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^ *\d+ {2}manager-north +approval\.approved +amount-above-100/m);
    expect(stdout).toMatch(/^ *\d+ {2}manager-national +approval\.approved +limit-climb/m);
    expect(stdout).toMatch(/\ndemo passed: 23 checks in \d+\.\d s\n$/);
    expect(stdout).not.toContain("\u001b"); // colours are for a terminal
    expect(await connectedTo(url)).toEqual({});
  }
}, 90_000);

it("the demo passes with the outbox on four relays and each region on two hubs", async ({ expect }) => {
  const url = await runningWaybill({ RELAY_SHARDS: "4", HUB_SHARDS: "2" });
  const { code, stdout, stderr } = await startDemo(url).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/\ndemo passed: 23 checks in \d+\.\d s\n$/);
}, 90_000);

it("a demo that is killed leaves no actor behind", async ({ expect }) => {
  const url = await runningWaybill();
  const { child, printed, ended } = startDemo(url);
  await vi.waitFor(() => expect(printed.stdout).toContain("ok  2"), SOON);
  expect(Object.keys(await connectedTo(url))).toHaveLength(5);
  child.kill("SIGKILL");
  await ended;
  await vi.waitFor(async () => expect(await connectedTo(url)).toEqual({}), SOON);
}, 60_000);

it("when the app goes away in the middle, the demo ends with 1 and one line that names the step", async ({
  expect,
}) => {
  const port = await freePort();
  const app = startWaybill({ PORT: String(port), WAYBILL_STATE: temporaryFolder() });
  await app.ready();
  const { printed, ended } = startDemo(`http://127.0.0.1:${port}`);
  await vi.waitFor(() => expect(printed.stdout).toContain("ok  2"), SOON);
  app.kill("SIGKILL");
  const { code, stderr } = await ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/^demo failed at "[^\n]+": [^\n]+\n$/);
}, 60_000);

it("without an app the demo ends with 1 and one line that says what to do", async ({ expect }) => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const { code, stdout, stderr } = await startDemo(url).ended;
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toBe(
    `Waybill isn't running. Start it with npm start, or set WAYBILL_URL. GET /health: no answer from ${url} (ECONNREFUSED)\n`,
  );
});
