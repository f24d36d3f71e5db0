/**
 * The AdventureWorks sample in the import format, read outside of the project and never copied into it: the folder
 * `adventureworks` of WAYBILL_TEST_DATA (default: `../shared/data` beside the project). Absent: null.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** File name without `.csv` → text. */
export function readAdventureWorks(projectRoot: string): Readonly<Record<string, string>> | null {
  const folder = join(resolve(projectRoot, process.env["WAYBILL_TEST_DATA"] ?? "../shared/data"), "adventureworks");
  if (!existsSync(folder)) return null;
  const names = readdirSync(folder).filter((name) => name.endsWith(".csv"));
  return Object.fromEntries(
    names.map((name) => [name.slice(0, -".csv".length), readFileSync(join(folder, name), "utf8")]),
  );
}
