/** Who may hear of what: an integrator of its requests, orders, stock and parts in its region; an admin of everything. */
import { describe, it } from "vitest";
import type { Message } from "../../../src/domain/events.ts";
import { EVENT_TYPES, mayHear, typesFor } from "../../../src/domain/webhook-scope.ts";

const message = (type: string, data: object = {}) => ({ type, data }) as unknown as Message;
const north = { role: "integrator", ownerRegion: "north", region: "north" } as const;
const everywhere = { role: "integrator", ownerRegion: null, region: null } as const;
const admin = { role: "admin", ownerRegion: null, region: null } as const;
const stock = message("InventoryUpdated");

it("the types of a role are listed: approvals, circuits and imports are an admin's alone", ({ expect }) => {
  const hidden = EVENT_TYPES.filter((type) => !typesFor("integrator").includes(type));
  expect(hidden).toEqual(
    expect.arrayContaining([
      "ApprovalRequested",
      "ApprovalReminder",
      "ApprovalEscalated",
      "ApprovalDecided",
      "CircuitOpened",
      "CircuitClosed",
      "CommandRejected",
      "ImportCompleted",
    ]),
  );
  expect(typesFor("integrator")).toEqual(
    expect.arrayContaining(["OrderEnded", "StockBelowMinimum", "TransferReceived"]),
  );
  expect(typesFor("admin")).toEqual(EVENT_TYPES);
  for (const role of ["device", "technician", "keeper", "manager", "operations"] as const)
    expect(typesFor(role)).toEqual([]);
});

describe("an endpoint of a region", () => {
  it.for<[string, Message, string | null, boolean]>([
    ["its own region", stock, "north", true],
    ["another region", stock, "south", false],
    ["a part, which every region shares", message("PartUpdated"), null, true],
    ["an error that concerns no region", message("ErrorOccurred", { kind: "event" }), null, false],
  ])("hears of %s: %s", ([, event, region, heard], { expect }) => {
    expect(mayHear(north, event, region)).toBe(heard);
  });

  it("ends with its owner's rights: moved to another region, or another role", ({ expect }) => {
    expect(mayHear({ ...north, ownerRegion: "south" }, stock, "north")).toBe(false);
    expect(mayHear({ ...north, ownerRegion: null }, stock, "south")).toBe(false);
    expect(mayHear({ ...north, role: "technician" }, stock, "north")).toBe(false);
  });
});

it("an endpoint of every region hears of each", ({ expect }) => {
  for (const region of ["north", "south", null]) expect(mayHear(everywhere, stock, region)).toBe(true);
});

it("approvals reach an admin, never an integrator", ({ expect }) => {
  const asked = message("ApprovalRequested");
  expect([mayHear(admin, asked, "north"), mayHear(everywhere, asked, "north")]).toEqual([true, false]);
});

it("what goes wrong with webhooks is told by no webhook", ({ expect }) => {
  expect(mayHear(admin, message("ErrorOccurred", { kind: "webhook" }), "north")).toBe(false);
  expect(mayHear(admin, message("ErrorOccurred", { kind: "response" }), "north")).toBe(true);
  expect(mayHear(admin, message("CircuitOpened", { dependency: "webhook:whk_1" }), null)).toBe(false);
  expect(mayHear(admin, message("CircuitOpened", { dependency: "supplier:acme" }), null)).toBe(true);
});
