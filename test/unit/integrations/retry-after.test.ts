import { it } from "vitest";
import { parseRetryAfter } from "../../../src/integrations/json-exchange.ts";

const NOW = Date.parse("2026-10-23T08:00:00Z");

it.for<[string | null, number | undefined]>([
  [null, undefined],
  ["0", 0],
  [" 120 ", 120],
  ["Fri, 23 Oct 2026 08:00:30 GMT", 30],
  ["Fri, 23 Oct 2026 07:00:00 GMT", 0],
  ["999999999999", 14_400],
  ["Sun, 23 Oct 2033 08:00:00 GMT", 14_400],
  ["soon", undefined],
  ["1.5s", undefined],
  ["", undefined],
])("Retry-After %j is %j seconds", ([header, seconds], { expect }) => {
  expect(parseRetryAfter(header, NOW)).toBe(seconds);
});
