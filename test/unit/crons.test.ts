import { readFileSync } from "node:fs";
import { it } from "vitest";
import { dueCrons, isEveryMinute } from "../../scripts/crons.ts";
import { NIGHTLY_CRON } from "../../src/config.ts";

const at = (time: string) => Date.parse(`2026-11-24T${time}Z`);
const BOTH = ["* * * * *", "17 3 * * *"];

it("the nightly cron of the code is one of wrangler.toml's", ({ expect }) => {
  const toml = readFileSync(new URL("../../wrangler.toml", import.meta.url), "utf8");
  expect(toml).toContain(`crons = ["* * * * *", "${NIGHTLY_CRON}"]`);
});

it.for<readonly [from: string, until: string, due: readonly string[]]>([
  ["03:15:30", "03:16:30", ["* * * * *"]],
  ["03:16:30", "03:17:30", BOTH],
  ["03:17:30", "03:18:30", ["* * * * *"]],
  ["03:16:59.999", "03:17:00", BOTH],
  ["03:17:00", "03:17:59.999", []],
  ["02:00:00", "09:00:00", BOTH], // a laptop that slept
  ["15:16:30", "15:17:30", ["* * * * *"]],
])("from %s until %s", ([from, until, due], { expect }) => {
  expect(dueCrons(BOTH, at(from), at(until))).toEqual(due);
});

it("after days of sleep each cron is due once", ({ expect }) => {
  expect(dueCrons(BOTH, at("03:17:30") - 5 * 86_400_000, at("03:16:59"))).toEqual(BOTH);
});

it("knows which run every minute, and refuses what it can't read", ({ expect }) => {
  expect(BOTH.map(isEveryMinute)).toEqual([true, false]);
  for (const wrong of ["*/5 * * * *", "0 24 * * *", "60 * * * *", "0 3 1 * *", ""]) {
    expect(() => dueCrons([wrong], 0, 1)).toThrow(/npm start can run/);
  }
});
