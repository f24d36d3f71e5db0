/** What the test configuration binds besides wrangler.toml. */
declare namespace Cloudflare {
  interface Env {
    readonly TEST_MIGRATIONS: import("cloudflare:test").D1Migration[];
    readonly AUTH_PRIVATE_JWK: string;
    readonly AUDIT_KEY: string;
    /** The AdventureWorks files by name, or null where the folder is missing (project real-data). */
    readonly TEST_DATA: Readonly<Record<string, string>> | null;
  }
}

declare module "*.md?raw" {
  const text: string;
  export default text;
}
