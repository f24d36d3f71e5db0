import { it, vi } from "vitest";
import { askHost, freePort, startWaybill, temporaryFolder } from "./start-process.ts";

it(
  "a person who starts with DOCUMENT_STORE=sharepoint finds each response in the stand-in's library",
  { timeout: 120_000 },
  async ({ expect }) => {
    const port = await freePort();
    const started = startWaybill({
      PORT: String(port),
      WAYBILL_STATE: temporaryFolder(),
      DOCUMENT_STORE: "sharepoint",
    });
    await started.ready();
    const url = `http://127.0.0.1:${port}`;
    const ask = async (path: string, body?: unknown, headers: Record<string, string> = {}) => {
      const init = body === undefined ? { headers } : { method: "POST", body: JSON.stringify(body), headers };
      return (await fetch(url + path, init)).json() as Promise<Record<string, never>>;
    };
    const json = { "content-type": "application/json" };
    const { access_token: token } = await ask("/dev/token", { subject: "truck-001" }, json);
    const bearer = { authorization: `Bearer ${token}` };
    const asked = { request_number: "R-1", device_id: "truck-001", lines: [{ sku: "TANK-001", quantity: 1 }] };
    const { request_id: id } = await ask("/api/requests", asked, { ...json, ...bearer, "idempotency-key": "R-1-once" });
    const document = await vi.waitFor(
      async () => {
        const { response } = (await ask(`/api/requests/${id}`, undefined, bearer)) as {
          response?: { document?: unknown };
        };
        expect(response?.document).toMatchObject({ store: "sharepoint", state: "stored", attempts: 1 });
        return response?.document as { path: string };
      },
      { timeout: 60_000, interval: 100 },
    );

    expect(await askHost(port, "graph.localhost", "/waybill/")).toContain(`<td>${document.path}</td>`);
    expect(
      JSON.parse(await askHost(port, "graph.localhost", `/waybill/content?path=${encodeURIComponent(document.path)}`)),
    ).toEqual(await ask(`/api/requests/${id}/response`, undefined, bearer));
    started.kill("SIGINT");
    expect((await started.ended).code).toBe(0);
  },
);
