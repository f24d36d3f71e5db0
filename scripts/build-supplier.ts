/** Bundles the stand-in supplier and says how miniflare runs it beside the app: in the tests and in the local start. */
import { randomUUID } from "node:crypto";
import { rename } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const BUNDLE = fileURLToPath(new URL("../node_modules/.cache/waybill/supplier.mjs", import.meta.url));

interface SupplierBindings {
  /** `whsec_…`: what the app signs its calls with. */
  readonly SIGNING_SECRET: string;
  /** "0" where the app's clock is moved. */
  readonly SIGNATURE_TOLERANCE_S: string;
}

/**
 * Options of a miniflare worker (the shape that `convertV4MiniflareOptions` and the test plugin take), bundled now.
 * `supplier/wrangler.toml` says the same for deployment.
 */
export async function buildSupplier(bindings: SupplierBindings) {
  const fresh = `${BUNDLE}.${randomUUID()}`; // the test configuration is loaded once a project, at the same time
  await build({
    entryPoints: [fileURLToPath(new URL("../supplier/src/worker.ts", import.meta.url))],
    outfile: fresh,
    bundle: true,
    format: "esm",
    target: "es2024",
    external: ["cloudflare:*"],
    logLevel: "warning",
  });
  await rename(fresh, BUNDLE); // a runtime that starts at the same time never reads half a bundle
  return {
    name: "waybill-supplier",
    modules: true as const,
    scriptPath: BUNDLE,
    compatibilityDate: "2026-10-23",
    bindings: { ...bindings },
    durableObjects: {
      BOOK: { className: "SupplierBook", useSQLite: true },
      RECEIVER: { className: "WebhookReceiver", useSQLite: true },
      TENANT: { className: "GraphTenant", useSQLite: true },
    },
  };
}
