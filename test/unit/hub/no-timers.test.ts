import { readdirSync, readFileSync } from "node:fs";
import { it } from "vitest";

const root = new URL("../../../", import.meta.url);
const files = [
  ...readdirSync(new URL("src/domain/hub/", root)).map((name) => `src/domain/hub/${name}`),
  ...readdirSync(new URL("src/durable-objects/", root))
    .filter((name) => name.includes("hub"))
    .map((name) => `src/durable-objects/${name}`),
];

it("the hub has no timer: one would keep a whole fleet's sockets awake and billed", ({ expect }) => {
  expect(files.length).toBeGreaterThanOrEqual(8);
  const withTimers = files.filter((file) =>
    /\b(setTimeout|setInterval|scheduler\.wait|\.after\()/.test(readFileSync(new URL(file, root), "utf8")),
  );
  expect(withTimers).toEqual([]);
});
