import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-pool-workers";
import { defineConfig } from "vitest/config";

const migrations = await readD1Migrations("./migrations");

/** A project whose tests run inside workerd, with the bindings of wrangler.toml. */
function inWorkerd(name: string, include: string[]) {
  return {
    plugins: [
      cloudflareTest({
        main: "./test/support/worker.ts",
        wrangler: { configPath: "./wrangler.toml" },
        remoteBindings: false,
        miniflare: {
          bindings: {
            ENVIRONMENT: "development",
            DECISION_ENGINE: "rules",
            TEST_MIGRATIONS: migrations,
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
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], environment: "node" } },
      inWorkerd("runtime", ["test/runtime/**/*.test.ts"]),
      inWorkerd("patterns", ["test/patterns/**/*.test.ts"]),
    ],
  },
});
