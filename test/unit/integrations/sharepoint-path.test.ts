import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sharepointPath } from "../../../src/integrations/sharepoint-path.ts";

/** What SharePoint Online takes in no name. */
const FORBIDDEN = /["*:<>?\\|#\p{Cc}]|^[ ~]|[ .]$/u;

describe("a document's path", () => {
  it.for<[string, string]>([
    ["responses/north/2026-11/req_1/response.json", "responses/north/2026-11/req_1/response.json"],
    ["a b/c.json", "a%20b/c.json"],
    ["Größe/日本.json", "Gr%C3%B6%C3%9Fe/%E6%97%A5%E6%9C%AC.json"],
    ["R&D: north/x.json", "R%26D%253A%20north/x.json"],
    ["100%/x.json", "100%2525/x.json"],
    ["~old/x.json", "%257Eold/x.json"],
    ["end./x.json", "end%252E/x.json"],
    [" a/x.json", "%2520a/x.json"],
    ["o'neil (2)/x!.json", "o%27neil%20%282%29/x%21.json"],
  ])("%j goes as %s", ([path, encoded]) => {
    expect(sharepointPath(path).encoded).toBe(encoded);
  });

  it.for([
    "",
    "/a.json",
    "a//b.json",
    "a/",
    "../a.json",
    "a/../../b.json",
    "a/./b.json",
    "con/x.json",
    "a/LPT1.json",
    "a/desktop.ini",
    "a/x_vti_y/b.json",
    "a/\ud800.json",
    `${"a".repeat(395)}/b.json`,
  ])("%j is refused, once and for all", (path) => {
    expect(() => sharepointPath(path)).toThrow(expect.objectContaining({ code: "INTERNAL", retryable: false }));
  });

  it("never leads out of the drive, holds no forbidden character, and is another for another path", () => {
    const step = fc.string({ unit: "binary", minLength: 1, maxLength: 8 }).filter((text) => !text.includes("/"));
    const path = fc.array(step, { minLength: 1, maxLength: 4 }).map((steps) => steps.join("/"));
    const tried = (text: string) => {
      try {
        return sharepointPath(text);
      } catch {
        return null;
      }
    };
    fc.assert(
      fc.property(path, path, (one, other) => {
        const [a, b] = [tried(one), tried(other)];
        if (!a) return;
        const url = new URL(`https://graph.example/v1.0/drives/d/root:/${a.encoded}:/content`);
        expect(url.pathname.startsWith("/v1.0/drives/d/root:/")).toBe(true);
        expect(url.pathname.endsWith(":/content")).toBe(true);
        expect(url.search + url.hash).toBe("");
        const names = a.encoded.split("/").map(decodeURIComponent);
        expect(names).toHaveLength(one.split("/").length);
        expect(names.at(-1)).toBe(a.name);
        for (const name of names) expect(FORBIDDEN.test(name)).toBe(false);
        expect(b?.encoded === a.encoded).toBe(one === other);
      }),
      { numRuns: 500 },
    );
  });
});
