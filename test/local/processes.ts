/** The processes that a started Waybill is made of, as the kernel knows them. */
import { readFileSync } from "node:fs";

/** A process and all below it, the lowest first. Empty where the kernel doesn't tell (it is Linux that does). */
export function treeOf(pid: number): number[] {
  const children = readOrNothing(`/proc/${pid}/task/${pid}/children`).trim();
  return [
    ...children
      .split(" ")
      .filter(Boolean)
      .flatMap((child) => treeOf(Number(child))),
    pid,
  ];
}

/** What was killed and isn't waited for by anyone yet is no longer running. */
export function isRunning(pid: number): boolean {
  const [, state] = /\) (\w) /.exec(readOrNothing(`/proc/${pid}/stat`)) ?? [];
  return state !== undefined && state !== "Z";
}

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && ["ENOENT", "ESRCH"].includes(String(error.code))) return "";
    throw error;
  }
}
