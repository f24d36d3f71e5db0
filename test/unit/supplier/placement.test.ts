import { it } from "vitest";
import { decidePlacement, type KnownKey } from "../../../supplier/src/placement.ts";
import { ALL_OFF, switchesFromForm, switchesSchema, type Switches } from "../../../supplier/src/switches.ts";

const ordered: KnownKey = { state: "ordered", draft: "a" };
const late: KnownKey = { state: "late", draft: "a" };

it.for<[string, Partial<Switches>, KnownKey | null, string]>([
  ["accepts a new key", {}, null, "accept"],
  ["answers a known key with its order", {}, ordered, "replay"],
  ["answers a known key with its order although it refuses new ones", { refuse: true }, ordered, "replay"],
  ["answers a known key with its order although new ones are accepted late", { accept_late_ms: 9 }, ordered, "replay"],
  ["refuses a new key when told to", { refuse: true }, null, "refuse"],
  ["fails before anything else", { fail_next: 1, refuse: true }, ordered, "fail"],
  ["accepts a new key late when told to", { accept_late_ms: 9 }, null, "accept_late"],
  ["keeps a late key waiting while it accepts late", { accept_late_ms: 9 }, late, "accept_late"],
  ["accepts a late key at once when it no longer accepts late", {}, late, "accept"],
  ["takes a known key for a new order when told to", { double_accept: true }, ordered, "accept"],
])("%s", ([, on, known, decision], { expect }) => {
  expect(decidePlacement({ ...ALL_OFF, ...on }, known, "a")).toBe(decision);
});

it.for([ordered, late])(
  "never accepts another body under a known key ($state), whatever the switches",
  (known, { expect }) => {
    for (const on of [{}, { double_accept: true }, { accept_late_ms: 9 }]) {
      expect(decidePlacement({ ...ALL_OFF, ...on }, known, "b")).toBe("mismatch");
    }
  },
);

it("a form without any box sent turns every switch off", ({ expect }) => {
  expect(switchesFromForm(new Map())).toMatchObject({ success: true, data: ALL_OFF });
});

it("a form's boxes and numbers become switches, and an unknown field is refused", ({ expect }) => {
  const form = new Map([
    ["delay_ms", "250"],
    ["fail_next", ""],
    ["refuse", "on"],
  ]);
  expect(switchesFromForm(form)).toMatchObject({ success: true, data: { ...ALL_OFF, delay_ms: 250, refuse: true } });
  expect(switchesFromForm(new Map([["delay", "250"]])).success).toBe(false);
});

it.for([
  { delay_ms: 60_001 },
  { delay_ms: -1 },
  { delay_ms: "5" },
  { fail_next: 1.5 },
  { refuse: 1 },
  { on: true },
  [],
  null,
])("%j is no set of switches", (value, { expect }) => {
  expect(switchesSchema.safeParse(value).success).toBe(false);
});
