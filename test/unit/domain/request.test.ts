import { describe, it } from "vitest";
import {
  canMove,
  isFinal,
  isRequestStatus,
  REQUEST_STATUSES,
  REQUEST_TRANSITIONS,
  RESPONSE_OUTCOMES,
} from "../../../src/domain/request.ts";

describe("request states", () => {
  it("ends in exactly the five outcomes that get a response", ({ expect }) => {
    expect(REQUEST_STATUSES.filter(isFinal)).toEqual([...RESPONSE_OUTCOMES]);
    for (const end of RESPONSE_OUTCOMES) expect(REQUEST_TRANSITIONS[end]).toEqual([]);
  });

  it("walks the main job from upload to completion with and without an approval", ({ expect }) => {
    const path = ["uploaded", "reading", "pricing", "routing", "awaiting_approval", "ordering", "completed"] as const;
    for (const [index, from] of path.entries()) {
      const to = path[index + 1];
      if (to !== undefined) expect(canMove(from, to), `${from} to ${to}`).toBe(true);
    }
    expect(canMove("routing", "ordering")).toBe(true);
    expect(canMove("reading", "needs_clarification")).toBe(true);
    expect(canMove("needs_clarification", "reading")).toBe(true);
  });

  it("never skips the approval decision, leaves an end, or stays where it is", ({ expect }) => {
    expect(canMove("pricing", "ordering")).toBe(false);
    expect(canMove("uploaded", "completed")).toBe(false);
    expect(canMove("ordering", "awaiting_approval")).toBe(false);
    expect(canMove("ordering", "rejected")).toBe(false);
    for (const status of REQUEST_STATUSES) expect(canMove(status, status)).toBe(false);
  });

  it("can reach an end from every state, and every state from upload", ({ expect }) => {
    const reach = (from: (typeof REQUEST_STATUSES)[number]) => {
      const seen = new Set([from]);
      for (const status of seen) for (const to of REQUEST_TRANSITIONS[status]) seen.add(to);
      return seen;
    };
    expect(reach("uploaded").size).toBe(REQUEST_STATUSES.length);
    for (const status of REQUEST_STATUSES) expect([...reach(status)].some(isFinal), status).toBe(true);
  });

  it("expires only what waits for a person", ({ expect }) => {
    const waiting = REQUEST_STATUSES.filter((status) => canMove(status, "expired"));
    expect(waiting).toEqual(["needs_clarification", "awaiting_approval"]);
  });

  it("knows its own words only", ({ expect }) => {
    expect(isRequestStatus("pricing")).toBe(true);
    expect(isRequestStatus("Pricing")).toBe(false);
    expect(isRequestStatus("constructor")).toBe(false);
  });
});
