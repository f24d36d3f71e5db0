import { describe, it, vi } from "vitest";
import { createSingleFlight } from "../../../src/resilience/single-flight.ts";
import { deferred, fakeClock, settled } from "./fake-clock.ts";

function setUp() {
  const clock = fakeClock();
  const flights = createSingleFlight<string>();
  const run = (key: string, load: () => Promise<string>) => flights.run(key, load, { clock, followerWaitMs: 2_000 });
  return { clock, run };
}

describe("single flight", () => {
  it("makes one load for all who ask at the same time", async ({ expect }) => {
    const { run } = setUp();
    const loading = deferred<string>();
    const load = vi.fn(() => loading.promise);
    const all = Array.from({ length: 100 }, () => run("parts:OIL-1", load));
    await settled();
    loading.resolve("oil");
    expect(new Set(await Promise.all(all))).toEqual(new Set(["oil"]));
    expect(load).toHaveBeenCalledTimes(1);
  });

  it("loads anew once the flight has landed: it isn't a cache", async ({ expect }) => {
    const { run } = setUp();
    const load = vi.fn(async () => "oil");
    await run("parts:OIL-1", load);
    await run("parts:OIL-1", load);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it("keeps keys apart", async ({ expect }) => {
    const { run } = setUp();
    const [oil, belt] = await Promise.all([run("oil", async () => "o"), run("belt", async () => "b")]);
    expect([oil, belt]).toEqual(["o", "b"]);
  });

  it("lets a follower load by itself after 2 s, and not before", async ({ expect }) => {
    const { clock, run } = setUp();
    const stuck = run("oil", () => deferred<string>().promise);
    const own = vi.fn(async () => "own");
    const follower = run("oil", own);
    await clock.advance(1_999);
    expect(own).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(await follower).toBe("own");
    expect(await Promise.race([stuck, Promise.resolve("still stuck")])).toBe("still stuck");
  });

  it("puts a leader that hangs for ever out of the way of those who come later", async ({ expect }) => {
    const { clock, run } = setUp();
    void run("oil", () => deferred<string>().promise);
    const follower = run("oil", async () => "own");
    await clock.advance(2_000);
    await follower;
    const waitsBefore = clock.waiting();
    expect(await run("oil", async () => "next")).toBe("next");
    expect(clock.waiting()).toBe(waitsBefore);
  });

  it("doesn't hand the leader's failure to its followers: one of them leads the next load", async ({ expect }) => {
    const { run } = setUp();
    const leading = deferred<string>();
    const leader = run("oil", () => leading.promise);
    const load = vi.fn(async () => "fine");
    const followers = Array.from({ length: 10 }, () => run("oil", load));
    await settled();
    leading.reject(new Error("the leader's own"));
    await expect(leader).rejects.toThrow("the leader's own");
    expect(new Set(await Promise.all(followers))).toEqual(new Set(["fine"]));
    expect(load).toHaveBeenCalledTimes(1);
  });

  it("rejects each caller with its own fault only", async ({ expect }) => {
    const { run } = setUp();
    const failures = await Promise.allSettled(
      ["a", "b", "c"].map((name) => run("oil", async () => Promise.reject(new Error(name)))),
    );
    expect(failures.map((f) => f.status === "rejected" && (f.reason as Error).message)).toEqual(["a", "b", "c"]);
  });

  it("bounds a follower's wait even when leader after leader fails", async ({ expect }) => {
    const { clock, run } = setUp();
    const first = deferred<string>();
    const leader = run("oil", () => first.promise);
    const second = run("oil", () => deferred<string>().promise);
    const third = run("oil", async () => "own");
    await clock.advance(1_500);
    first.reject(new Error("down"));
    await expect(leader).rejects.toThrow("down");
    await clock.advance(500);
    expect(await third).toBe("own");
    expect(await Promise.race([second, Promise.resolve("still leading")])).toBe("still leading");
  });

  it("goes on after a load that throws before it returns a promise", async ({ expect }) => {
    const { run } = setUp();
    const throwing = () => {
      throw new Error("at once");
    };
    await expect(run("oil", throwing)).rejects.toThrow("at once");
    expect(await run("oil", async () => "fine")).toBe("fine");
  });
});
