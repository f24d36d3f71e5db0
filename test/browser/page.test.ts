/** The page at `/` in a real browser against the app as `npm start` runs it: a technician asks, a manager approves. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, it } from "vitest";
import { askHost, freePort, startWaybill, temporaryFolder } from "../local/start-process.ts";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) =>
  existsSync(path),
);
if (CHROMIUM === undefined)
  console.log("browser: skipped, no Chromium on this machine (Debian: apt-get install chromium)");

describe.skipIf(CHROMIUM === undefined)("the page", () => {
  let browser: Browser;
  let profile: string;

  beforeAll(async () => {
    profile = mkdtempSync(join(tmpdir(), "waybill-browser-"));
    browser = await chromium.launch({
      ...(CHROMIUM === undefined ? {} : { executablePath: CHROMIUM }),
      args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"],
      env: { ...process.env, HOME: profile },
    });
  });

  afterAll(async () => {
    await browser?.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });

  /** A browser of its own, as another person has; whatever the page complains of is kept. */
  async function open(url: string, persona: string): Promise<{ page: Page; complaints: string[] }> {
    const page = await (await browser.newContext({ viewport: { width: 390, height: 844 } })).newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (line) => line.type() === "error" && complaints.push(line.text()));
    await page.goto(url);
    await page.locator(`#persona option[value="${persona}"]`).waitFor({ state: "attached" });
    await page.selectOption("#persona", persona);
    return { page, complaints };
  }

  it(
    "lets a technician ask, a manager approve and send a document again, each in a browser of their own",
    { timeout: 90_000 },
    async ({ expect }) => {
      const port = await freePort();
      const app = startWaybill({
        PORT: String(port),
        WAYBILL_STATE: temporaryFolder(),
        DOCUMENT_STORE: "sharepoint",
      });
      await app.ready();
      await askHost(port, "graph.localhost", "/waybill/switches", { fail_next: 1, fail_status: 403 });
      const url = `http://127.0.0.1:${port}/`;

      const technician = await open(url, "tech-north");
      await technician.page.fill("#device", "truck-001");
      await technician.page.fill("#lines input[name=part]", "PUMP-001");
      await technician.page.fill("#lines input[name=quantity]", "2");
      await technician.page.click("#ask button:not([type=button])");
      await technician.page.locator("#status", { hasText: /awaiting.approval/i }).waitFor();

      const manager = await open(url, "manager-north");
      await manager.page.locator("#pending .approval button[value=approve]").first().click();

      await technician.page.locator("#status", { hasText: /completed/i }).waitFor({ timeout: 30_000 });
      await technician.page.locator("#timeline", { hasText: "manager-north" }).waitFor();
      await technician.page.locator("#document", { hasText: /given up after 1 attempt.+permission/ }).waitFor();
      expect(await technician.page.locator("#document button").count()).toBe(0);
      await manager.page.locator("#document button", { hasText: "Upload it again" }).click({ timeout: 30_000 });
      await manager.page.locator("#document", { hasText: "stored in sharepoint" }).waitFor();
      expect(await manager.page.locator("#document a").getAttribute("href")).toMatch(/^https:\/\/sharepoint\./);
      const sideways = await technician.page.evaluate("document.documentElement.scrollWidth > window.innerWidth");
      expect(sideways).toBe(false);
      expect([...technician.complaints, ...manager.complaints]).toEqual([]);

      await technician.page.fill("#lines input[name=part]", "NONE-999");
      await technician.page.click("#ask button:not([type=button])");
      await technician.page.locator("#ask .error:visible, #ask-notice:visible").first().waitFor();
    },
  );
});
