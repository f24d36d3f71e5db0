/** The processes that a started Waybill is made of, as the kernel (Linux) knows them. */
import { readdirSync, readFileSync } from "node:fs";

/** All that run with this variable in their environment, whoever their parent is: those that lost theirs too. */
export function processesWith(variable: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isRunning(pid) && readOrNothing(`/proc/${pid}/environ`).split("\0").includes(variable));
}

/** What was killed and isn't waited for by anyone yet is no longer running. */
function isRunning(pid: number): boolean {
  const [, state] = /\) (\w) /.exec(readOrNothing(`/proc/${pid}/stat`)) ?? [];
  return state !== undefined && state !== "Z" && state !== "X";
}

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && ["ENOENT", "ESRCH", "EACCES"].includes(String(error.code)))
      return "";
    throw error;
  }
}
