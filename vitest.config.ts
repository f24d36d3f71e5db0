import { generateKeyPairSync, randomBytes } from "node:crypto";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-pool-workers";
import { defineConfig } from "vitest/config";
import { buildSupplier } from "./scripts/build-supplier.ts";
import { readAdventureWorks } from "./test/support/adventureworks.ts";

const migrations = await readD1Migrations("./migrations");
const supplierSecret = `whsec_${randomBytes(32).toString("base64")}`;
const supplier = await buildSupplier({ SIGNING_SECRET: supplierSecret, SIGNATURE_TOLERANCE_S: "0" });
const newKey = () =>
  JSON.stringify(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }));
const [signingKey, auditKey] = [newKey(), newKey()];

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** A project whose tests run inside workerd, with the bindings of wrangler.toml. */
function inWorkerd(
  name: string,
  include: string[],
  {
    main = "./test/support/worker.ts",
    bindings = {},
  }: { main?: string; bindings?: Readonly<Record<string, Json>> } = {},
) {
  return {
    plugins: [
      cloudflareTest({
        main,
        wrangler: { configPath: "./wrangler.toml" },
        remoteBindings: false,
        miniflare: {
          // Every outgoing fetch of the app reaches the stand-in supplier, and nothing the network.
          workers: [supplier],
          outboundService: supplier.name,
          bindings: {
            ENVIRONMENT: "development",
            DECISION_ENGINE: "rules",
            AUTH_PRIVATE_JWK: signingKey,
            AUDIT_KEY: auditKey,
            SUPPLIER_SECRETS: JSON.stringify({ "simulated-supplier": supplierSecret }),
            TEST_MIGRATIONS: migrations,
            SWEEP_FULL: process.env["SWEEP_FULL"] ?? "",
            SWEEP_SEED: process.env["SWEEP_SEED"] ?? "",
            ...bindings,
          },
        },
      }),
    ],
    test: {
      name,
      include,
      testTimeout: 30_000,
      hookTimeout: 30_000,
      deps: { optimizer: { ssr: { enabled: true, include: ["itty-durable", "itty-durable/proxy-durable"] } } },
    },
  };
}

export default defineConfig({
  test: {
    // Also on two cores: a test mostly waits.
    maxWorkers: 2,
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], environment: "node" } },
      { test: { name: "properties", include: ["test/properties/**/*.test.ts"], environment: "node" } },
      { test: { name: "browser", include: ["test/browser/**/*.test.ts"], environment: "node", testTimeout: 90_000 } },
      { test: { name: "local", include: ["test/local/**/*.test.ts"], environment: "node", testTimeout: 30_000 } },
      inWorkerd("runtime", ["test/runtime/**/*.test.ts"]),
      inWorkerd("patterns", ["test/patterns/**/*.test.ts"]),
      inWorkerd("faults", ["test/faults/*.test.ts"]),
      inWorkerd("sweep", ["test/faults/sweep/*.test.ts"], {
        main: "./test/support/sweep/worker.ts",
        bindings: { SWEEP: JSON.parse(process.env.SWEEP ?? "{}") as Json },
      }),
      inWorkerd("real-data", ["test/real-data/**/*.test.ts"], {
        bindings: { TEST_DATA: readAdventureWorks(import.meta.dirname) },
      }),
    ],
  },
});
