/** The planted bugs of the sweep can't rot: each is there, and its patch still applies to the source as it is. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { describe, it } from "vitest";
import { PLANTED } from "../faults/planted/planted.ts";

const FOLDER = "test/faults/planted";

describe("the planted bugs of the crash sweep", () => {
  it("are those of the folder, and each names the rule that it breaks", ({ expect }) => {
    const patches = readdirSync(FOLDER).filter((file) => file.endsWith(".patch"));
    expect(PLANTED.map(({ patch }) => `${patch}.patch`)).toEqual(patches.sort());
    for (const { breaks } of PLANTED) expect(breaks).toMatch(/^[1-7] /);
  });

  it.for(PLANTED)("$patch applies to the source", ({ patch }, { expect }) => {
    const applies = () => execFileSync("git", ["apply", "--check", "-C1", `${FOLDER}/${patch}.patch`]);
    expect(applies).not.toThrow();
  });
});
